"""Every error that the package raises on purpose. This file imports nothing.

``TrainingWarning`` is in ``decnp.training.estimator``, because it derives from scikit-learn's ``ConvergenceWarning``.
"""

__all__ = [
    "ArchiveError", "CheckpointError", "DataError", "FunctionError", "InsufficientDiskSpace", "ModelFileError",
    "TrainingError", "UserError",
]


class UserError(ValueError):
    """Error for invalid input to the ``decnp`` command; the message is the sentence to print."""


class DataError(ValueError):
    """Error for a data file that is damaged, not the official one, or not to be had; the message names the file."""


class InsufficientDiskSpace(DataError):
    """Error for a disk without enough free space for a file."""


class ArchiveError(ValueError):
    """Error for a file that is no archive of arrays with a JSON header, or is damaged; the message says which."""


class ModelFileError(ArchiveError):
    """Error for a file that is no decnp model, is damaged, or is of a newer decnp; the message says which."""


class CheckpointError(ValueError):
    """Error for a checkpoint that is of another run or damaged, or for another file; the message says which."""


class TrainingError(ArithmeticError):
    """Error for training that diverged; the message says where and what to try."""


class FunctionError(RuntimeError):
    """Error for a function given to ``check_against`` that raised; the message says how it was called."""
