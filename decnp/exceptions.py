"""Exceptions of the package. This file imports nothing.

``TrainingWarning`` is in ``decnp.training.estimator``, because it derives from scikit-learn's ``ConvergenceWarning``.
"""

__all__ = [
    "ArchiveError", "CheckpointError", "DataError", "FunctionError", "InsufficientDiskSpace", "ModelFileError",
    "TrainingError", "UserError",
]


class UserError(ValueError):
    """Error for invalid input to the ``decnp`` command, which prints the message."""


class DataError(ValueError):
    """Error for a data file that is damaged, not official, or not available. The message names the file."""


class InsufficientDiskSpace(DataError):
    """Error for a file that does not fit into the free space of its disk."""


class ArchiveError(ValueError):
    """Error for a file that is damaged, or is not an archive of arrays with a JSON header."""


class ModelFileError(ArchiveError):
    """Error for a file that is damaged, is not a decnp model, or was written by a newer decnp."""


class CheckpointError(ValueError):
    """Error for a file that is damaged, is not a checkpoint, or is the checkpoint of another run."""


class TrainingError(ArithmeticError):
    """Error for training that diverged. The message names the phase and a remedy."""


class FunctionError(RuntimeError):
    """Error for a user's function that raised in ``check_against`` or ``check_step``. The message has its arguments."""
