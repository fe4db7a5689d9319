"""Which implementation the training loops call: ``numba`` (kernels, fused) or ``numpy`` (equations, layers, optim)."""

from __future__ import annotations

from types import SimpleNamespace

from .. import equations, optim

__all__ = ["engine_for"]

_NAMES = ("soft_assignment", "target_distribution", "kl_divergence", "loss_and_grads", "sgd_update", "adam_update")


def engine_for(engine: str) -> SimpleNamespace:
    """The functions of one engine, under the same names; chosen once at the top of a loop.

    numba is imported only for ``"numba"``. Raises ValueError for any other name.
    """
    if engine == "numba":
        from .. import kernels
        from ..kernels import fused_step as fused

        return SimpleNamespace(FusedStep=fused.FusedStep, **{name: getattr(kernels, name) for name in _NAMES})
    if engine == "numpy":
        readable = {name: getattr(equations, name, None) or getattr(optim, name) for name in _NAMES}
        return SimpleNamespace(FusedStep=None, **readable)
    raise ValueError(f"engine must be 'numba' or 'numpy'; got {engine!r}")
