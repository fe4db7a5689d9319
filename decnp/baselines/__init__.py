"""The spectral baselines of the DEC paper, LDMGI and SEC, and the neighbor graph that both use.

scikit-learn provides the paper's other baselines: k-means, Gaussian mixtures and spectral clustering.
"""

from .cliques import Cliques, find_cliques
from .ldmgi import LDMGI
from .sec import SEC

__all__ = ["LDMGI", "SEC", "Cliques", "find_cliques"]
