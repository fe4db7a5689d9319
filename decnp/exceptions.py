"""Define every error that the package raises on purpose. Imports nothing.

``TrainingWarning`` is in ``decnp.training.estimator``, because it derives from scikit-learn's ``ConvergenceWarning``.
"""

__all__ = [
    "ArchiveError", "CheckpointError", "DataError", "InsufficientDiskSpace", "ModelFileError", "TrainingError", "UserError",
]


class UserError(ValueError):
    """Invalid input to the ``decnp`` command; the message is the sentence to print."""


class DataError(ValueError):
    """A data file is damaged, is not the official one, or could not be downloaded; the message names the file."""


class InsufficientDiskSpace(DataError):
    """A disk has too little free space for a file; another mirror would not help."""


class ArchiveError(ValueError):
    """A file is not an archive of arrays with a JSON header, or is damaged; the message says which."""


class ModelFileError(ArchiveError):
    """A file is not a decnp model, is damaged, or was written by a newer decnp; the message says which."""


class CheckpointError(ValueError):
    """A checkpoint belongs to another run, is damaged, or is not a checkpoint; the message says which."""


class TrainingError(ArithmeticError):
    """Training diverged; the message says where and what to try."""
