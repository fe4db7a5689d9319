"""Deep Embedded Clustering in NumPy: every equation of the paper, checkable line by line."""

from importlib import import_module
from typing import Any

__version__ = "0.2.0.dev0"

_HOME = {  # imported on first use, so that importing decnp imports neither numba nor scikit-learn
    "DEC": "dec",
    "StackedAutoencoder": "autoencoder",
    "fit_restarts": "restarts",
    "choose_k": "choosing",
    "Record": "training.records",
    "Step": "training.records",
    "TrainingError": "exceptions",
    "TrainingWarning": "training.estimator",
    "Profile": "profiles",
    "cluster_accuracy": "metrics",
    "normalized_mutual_info": "metrics",
    "adjusted_rand_index": "metrics",
    "generalizability": "metrics",
    "load_mnist": "datasets",
    "load_digits": "datasets",
    "DataError": "exceptions",
    "Checkpoint": "training.checkpoint",
    "CheckpointError": "exceptions",
    "load": "persistence",
    "save": "persistence",
    "ModelFileError": "exceptions",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'decnp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
