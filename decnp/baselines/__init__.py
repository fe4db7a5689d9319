"""The DEC paper's spectral baselines, LDMGI and SEC, and the neighbour graph that they share.

k-means, Gaussian mixtures and plain spectral clustering are scikit-learn's.
"""

from .cliques import Cliques, find_cliques
from .ldmgi import LDMGI
from .sec import SEC

__all__ = ["LDMGI", "SEC", "Cliques", "find_cliques"]
