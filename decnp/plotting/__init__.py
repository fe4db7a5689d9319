"""Figures of clusters and of training. Each function draws arrays into ``ax``, and returns these axes.

Without ``ax`` a function makes a new figure, which ``ax.figure.savefig("picture.png")`` writes. pyplot is not used: no
display is needed, no global setting is changed, and no figure stays open. The colors are distinguishable for color-blind
readers, and clusters are labeled with their numbers. matplotlib is required (extra ``plot``). Invalid input raises
ValueError.

>>> ax = choosing_k([8, 9, 10], nmi=[0.78, 0.81, 0.81], generalizability=[0.78, 0.77, 0.70])
>>> ax.figure.savefig("/dev/null", format="png")
"""

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError('figures need matplotlib: pip install "decnp[plot]"') from error

from ._canvas import panels
from .choosing import agreement_curves
from .clusters import cluster_montage, confusion_matrix, embedding_scatter
from .columns import cluster_columns
from .curves import accuracy_curve, choosing_k, label_changes, learning_curves, settings_curves
from .gradient import gradient_against_q
from .network import network_diagram

__all__ = [
    "accuracy_curve", "agreement_curves", "choosing_k", "cluster_columns", "cluster_montage", "confusion_matrix",
    "embedding_scatter", "gradient_against_q", "label_changes", "learning_curves", "network_diagram", "panels",
    "settings_curves",
]
