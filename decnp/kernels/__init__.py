"""Versions of ``decnp.equations``, ``decnp.layers`` and ``decnp.optim`` compiled by numba, under the same file names.

Each kernel is compiled once for each dtype, and cached on disk. ``warmup`` compiles the kernels of Eqs. 1-5 and of the
optimizers.
"""

import numpy as np

from .equations import grad_mu, grad_z, kl_divergence, loss_and_grads, soft_assignment, target_distribution
from .optim import adam_update, sgd_update

__all__ = [
    "soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu", "loss_and_grads",
    "sgd_update", "adam_update", "warmup",
]


def warmup(dtypes: tuple = (np.float32, np.float64)) -> None:
    """Compile the kernels of Eqs. 1-5 and of the optimizers, or load them from the cache on disk.

    Without this call, a kernel is compiled or loaded at its first use.

    Parameters
    ----------
    dtypes : tuple of dtype, default=(numpy.float32, numpy.float64)
        Types of the arrays to compile for.
    """
    for dtype in dtypes:
        z, mu = np.zeros((1, 1), dtype), np.zeros((1, 1), dtype)
        p = target_distribution(soft_assignment(z, mu))
        loss_and_grads(z, mu, p)
        kl_divergence(p, p)
        sgd_update(z, mu, p, 0.0, 0.0)
        adam_update(z, mu, z.copy(), p, 0.0, 0.0, 0.0, 1.0)
