"""Scale of the data: shift and factor for the network's input, and the settings of a profile that depend on the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import ArpackError, svds

from ..exceptions import TrainingError
from ..profiles import Profile
from ..utils.rows import LazyRows, Rows, blocks, is_mapped, sampled_rows

__all__ = ["fit_scaling", "offset_share", "offset_warnings", "profile_for_data", "top_singular_share"]


OFFSET = 0.8
"""The mean row dominates the data if its share of the sum of squares is above this."""
SPARSE = 0.1
"""Share of the entries that are not 0, below which the data are sparse. It is 0.002 to 0.03 on seven sets of text, and 0.19
on MNIST."""
NARROW = 32
"""Number of features below which data are narrow."""


def offset_share(X: Rows) -> float:
    """Return the share of sum ||x_i||^2 that the mean row holds, n ||mean||^2 / sum ||x_i||^2, on a sample of X (n, D).

    The share is 0 for sparse rows, which a shift would make dense, and for squares beyond the dtype.
    """
    if isinstance(X, LazyRows) and not is_mapped(X.source):
        return 0.0
    x = X[sampled_rows(len(X))].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.vdot(x, x)
        mean = x.mean(axis=0)
        share = float(len(x) * np.vdot(mean, mean) / total) if total > 0 else 0.0
    return share if np.isfinite(share) else 0.0


def profile_for_data(profile: Profile, X: Rows) -> Profile:
    """Return the profile with the values that depend on X (n, D): ``center``, if "auto", and ``finetune_iter``."""
    if profile.center == "auto":
        profile = replace(profile, center=offset_share(X) > OFFSET)
    most = profile.short_finetune_iter
    if most is not None and profile.finetune_iter > most:
        if X.shape[1] < NARROW or np.mean(X[sampled_rows(len(X))] != 0) < SPARSE:
            profile = replace(profile, finetune_iter=most)
    return profile


def offset_warnings(profile: Profile, X: Rows) -> list[str]:
    """Return a sentence if the mean row dominates X (n, D) and ``profile`` does not subtract it, else none."""
    if profile.center:
        return []
    share = offset_share(X)
    if share <= OFFSET:
        return []
    return [f"the mean row holds {share:.1%} of the sum of squares of X, and this profile does not subtract it: the "
            "autoencoder learns little beside this offset; try center=True in the profile"]


def fit_scaling(X: Rows, profile: Profile) -> tuple[Any, Any]:
    """Return shift (0, or (D,) with ``profile.center``) and scale of X (n, D).

    Raises TrainingError if the scale does not fit into the dtype of X.
    """
    shift: Any = _mean(X).astype(X.dtype) if profile.center else X.dtype.type(0)
    scale: Any = profile.input_scale
    if scale == "unit":
        with np.errstate(over="ignore"):
            mean_square = sum(float(np.sum(np.square(x - shift, dtype=np.float64))) for x in blocks(X)) / X.size
        if mean_square > 0:
            scale = 1 / np.sqrt(mean_square)
        else:  # all entries are the shift, or their squares are 0
            scale = np.inf if any(np.any(x != shift) for x in blocks(X)) else 1.0
    scale = 1.0 if scale is None else float(scale)
    if not float(np.finfo(X.dtype).tiny) < scale < float(np.finfo(X.dtype).max):
        raise TrainingError(f"the data's scale does not fit into {X.dtype}: the factor would be {scale:.3g}; rescale X")
    return shift, X.dtype.type(scale)


def _mean(X: Rows) -> np.ndarray:
    """Return the mean row (D,) in float64.

    Lazy rows are added block by block, which can change the last bit.
    """
    if isinstance(X, np.ndarray):
        return X.mean(axis=0, dtype=np.float64)
    return sum(x.sum(axis=0, dtype=np.float64) for x in blocks(X)) / len(X)


def top_singular_share(x: np.ndarray) -> float:
    """Return the share, in (0, 1], of sum ||x_i||^2 along the top right-singular direction of x (n, D).

    The share is 1 if n or D is below 3.
    """
    total = float(np.vdot(x, x))
    if total == 0 or min(x.shape) < 3:
        return 1.0
    x = x.astype(np.float64)
    try:
        top = svds(x, k=1, return_singular_vectors=False, v0=np.ones(min(x.shape)))[0] ** 2
    except ArpackError:  # x or x^T maps v0 to 0: rows or columns that sum to 0
        gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
        top = eigvalsh(gram, subset_by_index=[len(gram) - 1, len(gram) - 1])[0]
    return min(1.0, float(top / total))
