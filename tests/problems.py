"""Arguments for each of Eqs. 1-5, in several shapes and layouts, and how close two programs for them must agree."""

import numpy as np

EQUATIONS = ["soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu"]
ALPHAS = [0.5, 1, 2, 3.7, 10]
SHAPES = [(1, 1, 1), (1, 3, 2), (7, 1, 3), (5, 4, 1), (11, 3, 5)]  # n samples, k clusters, d dimensions

# rtol: a dozen roundings (2e-16, 6e-8), amplified by the power (alpha+1)/2 <= 5.5 and a log up to 10.
# atol: p - q and the sums of Eqs. 4, 5 cancel, so small entries carry the rounding of terms up to 10.
CLOSE = {np.float64: dict(rtol=1e-12, atol=1e-14), np.float32: dict(rtol=1e-4, atol=1e-6)}


def problem(n, k, d, alpha=1.0, dtype=np.float64, scale=1.0, seed=0):
    """Arguments for each equation, by name; p and q are any distributions, not yet related to z and mu."""
    rng = np.random.default_rng([seed, n, k, d])
    z, mu = (scale * rng.normal(size=(rows, d)).astype(dtype) for rows in (n, k))
    p, q = (rng.dirichlet(np.ones(k), n).astype(dtype) for _ in "pq")
    return {
        "soft_assignment": (z, mu, alpha),
        "kl_divergence": (p, q),
        "target_distribution": (q,),
        **dict.fromkeys(["grad_z", "grad_mu", "loss_and_grads"], (z, mu, p, alpha)),
    }


DRESSES = {  # the same numbers, laid out differently
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a[:, ::-1], 2, axis=0), 3, axis=1)[::2, ::-3],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "list": lambda a: a.tolist(),
}


def dressed(args, dress):
    """The arguments with each array in another layout."""
    return [dress(a) if isinstance(a, np.ndarray) else a for a in args]
