"""Numba twins of ``decnp.equations``, ``decnp.layers`` and ``decnp.optim``, under the file names of the originals.

Loops are compiled once for each dtype and cached on disk; ``warmup()`` compiles those of Eqs. 1-5 and of the updates.
"""

import numpy as np

from .equations import grad_mu, grad_z, kl_divergence, loss_and_grads, soft_assignment, target_distribution
from .optim import adam_update, sgd_update

__all__ = [
    "soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads",
    "sgd_update", "adam_update", "warmup",
]


def warmup(dtypes: tuple = (np.float32, np.float64)) -> None:
    """Compile the kernels for ``dtypes`` now, or load them from the disk cache, and not at the first call."""
    for dtype in dtypes:
        z, mu = np.zeros((1, 1), dtype), np.zeros((1, 1), dtype)
        p = target_distribution(soft_assignment(z, mu))
        loss_and_grads(z, mu, p)
        kl_divergence(p, p)
        sgd_update(z, mu, p, 0.0, 0.0)
        adam_update(z, mu, z.copy(), p, 0.0, 0.0, 0.0, 1.0)
