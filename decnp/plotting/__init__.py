"""Every picture, one function each: takes arrays and an optional ``ax``, draws into it, and returns the ``Axes``.

Without ``ax`` each makes a figure of its own: ``ax.figure.savefig("picture.png")`` writes it. Nothing goes through
pyplot: no display is needed, no global setting is changed, no figure is left behind. Colours can be told apart by
colour-blind eyes, and clusters carry their numbers. Needs matplotlib, in the extra ``plot``; bad input is a
ValueError with one sentence.

>>> ax = choosing_k([8, 9, 10], nmi=[0.78, 0.81, 0.81], generalizability=[0.78, 0.77, 0.70])
>>> ax.figure.savefig("/dev/null", format="png")
"""

try:
    import matplotlib  # noqa: F401
except ImportError as error:
    raise ImportError('pictures need matplotlib: pip install "decnp[plot]"') from error

from ._canvas import panels
from .clusters import cluster_montage, confusion_matrix, embedding_scatter
from .columns import cluster_columns
from .curves import accuracy_curve, choosing_k, label_changes, learning_curves, settings_curves
from .gradient import gradient_against_q
from .network import network_diagram

__all__ = [
    "accuracy_curve", "choosing_k", "cluster_columns", "cluster_montage", "confusion_matrix", "embedding_scatter",
    "gradient_against_q", "label_changes", "learning_curves", "network_diagram", "panels", "settings_curves",
]
