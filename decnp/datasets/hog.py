"""STL-HOG: the 1428 features that the paper makes of a 96 x 96 colour image, 1300 of shape and 128 of colour.

Shape is a histogram of oriented gradients (HOG) with 13 channels for each of 10 x 10 cells; colour is an
8 x 8 map of Cr and Cb. Nothing is learned. Gradients of whole pixels are whole numbers from -255 to 255: so
the orientation of each of the 511 x 511 pairs is worked out once, and then only looked up.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["N_FEATURES", "colour_map", "hog", "stl_hog"]

SIDE, CELL, N_FEATURES = 96, 8, 1428
DIRECTIONS = np.round([(np.cos(a), np.sin(a)) for a in np.radians(20 * np.arange(9))], 4)  # (uu_o, vv_o), o = 0..8
BLOCK = 32  # images at a time: about 20 MB


def stl_hog(images: np.ndarray) -> np.ndarray:
    """The features of STL-10 images: ``[(H - 0.2) * 10, (CrCb - 128) / 10]``, H from ``hog``, CrCb from ``colour_map``.

    Parameters
    ----------
    images : uint8 array of shape (n, 96, 96, 3): rows, columns, RGB

    Returns
    -------
    features : float32 array of shape (n, 1428)

    Raises
    ------
    ValueError
        If the images are of another shape or dtype.

    Source: DEC section 4.1, HOG and a colour map of 8 x 8; the scaling is that of the authors' code.

    >>> stl_hog(np.full((1, 96, 96, 3), 50, np.uint8))[0, [0, -1]]  # grey: no gradient, no colour
    array([-2.,  0.], dtype=float32)
    """
    _check(images, SIDE, SIDE)
    out = np.empty((len(images), N_FEATURES), np.float32)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        rows = out[start : start + BLOCK]
        rows[:, :1300] = (hog(block).reshape(len(block), -1) - 0.2) * 10
        rows[:, 1300:] = (colour_map(block).reshape(len(block), -1) - 128.0) / 10
    return out


def hog(images: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients, 13 channels for each 8 x 8 cell that is not at the border.

    The gradient (dx, dy) of a pixel is the difference of its two neighbours, in the channel where it is
    longest. It votes with its length for the nearest of 9 orientations without a sign, 20 degrees apart (0 is
    that of a vertical edge), in the 4 nearest cells, bilinearly. A cell's histogram h is then divided by the
    energy of each of the four 2 x 2 blocks m of cells around it, and cut off:

        h_om = min(h_o / sqrt(energy_m + 1e-4), 0.2)

    Parameters
    ----------
    images : uint8 array of shape (n, H, W, 3); H and W are multiples of 8, at least 24

    Returns
    -------
    features : float64 array of shape (n, H/8 - 2, W/8 - 2, 13). Channels 0..8 are ``0.5 * sum_m h_om``;
        9..12 are ``0.2357 * sum_o h_om`` for the blocks at the lower right, upper right, lower left, upper left

    Raises
    ------
    ValueError
        If the images are of another shape or dtype.

    Source: Felzenszwalb et al., PAMI 2010, in the variant of 13 channels of C. Vondrick's pyvision, to which
    issue 1 of the authors' code points. Differs from the paper: it says only "HOG", of 1428 - 128 = 1300 features.

    >>> image = np.zeros((1, 24, 24, 3), np.uint8)
    >>> image[:, :, 12:] = 255  # a vertical edge
    >>> hog(image)[0, 0, 0, :3].round(4)
    array([0.4, 0. , 0. ])
    """
    _check(images)
    length, orientation = _gradients(images)
    h = _histograms(length, orientation)  # (n, rows, columns, 9)
    cells = np.square(h).sum(-1)
    energy = cells[:, :-1, :-1] + cells[:, :-1, 1:] + cells[:, 1:, :-1] + cells[:, 1:, 1:]  # of each 2 x 2 block
    around = np.stack([energy[:, 1:, 1:], energy[:, :-1, 1:], energy[:, 1:, :-1], energy[:, :-1, :-1]], axis=-1)
    h_om = np.minimum(h[:, 1:-1, 1:-1, :, None] / np.sqrt(around + 1e-4)[..., None, :], 0.2)  # (..., 9, 4)
    return np.concatenate([0.5 * h_om.sum(-1), 0.2357 * h_om.sum(-2)], axis=-1)


def colour_map(images: np.ndarray) -> np.ndarray:
    """Cr and Cb of the image at 8 x 8 pixels.

    A pixel of the small image is the mean of the 2 x 2 in the middle of its block, rounded half up; that is
    what OpenCV's bilinear ``resize`` reads. Then, as OpenCV does in whole numbers,

        Y = .299 R + .587 G + .114 B,   Cr = .713 (R - Y) + 128,   Cb = .564 (B - Y) + 128

    Parameters
    ----------
    images : uint8 array of shape (n, H, W, 3); H and W are multiples of 16

    Returns
    -------
    crcb : uint8 array of shape (n, 8, 8, 2)

    Raises
    ------
    ValueError
        If the images are of another shape or dtype.

    Source: OpenCV's ``resize`` and ``cvtColor(..., COLOR_RGB2YCrCb)``, which the authors call. OpenCV 5.0.0
    gives the same for all 256^3 colours, and for 300 random images.

    >>> colour_map(np.full((1, 96, 96, 3), (255, 0, 0), np.uint8))[0, 0, 0]  # red
    array([255,  85], dtype=uint8)
    """
    _check(images)
    n, rows, columns, _ = images.shape
    if rows % 16 or columns % 16:
        raise ValueError(f"images must have a height and width that are multiples of 16; got {rows} and {columns}")
    i, j = (np.arange(8)[:, None] * (size // 8) + size // 16 - np.array([1, 0]) for size in (rows, columns))
    middle = images[:, i[:, :, None, None], j[None, None]].astype(np.int32)  # (n, 8, 2, 8, 2, 3)
    r, g, b = np.moveaxis((middle.sum(axis=(2, 4)) + 2) // 4, -1, 0)
    half = 1 << 13  # 14 binary places: .299 is 4899 / 2^14
    y = (4899 * r + 9617 * g + 1868 * b + half) >> 14
    cr, cb = ((factor * (c - y) + (128 << 14) + half) >> 14 for factor, c in ((11682, r), (9241, b)))
    return np.clip(np.stack([cr, cb], axis=-1), 0, 255).astype(np.uint8)


def _check(images, *shape):
    """ValueError unless ``images`` (n, H, W, 3) fit, and are of ``shape`` if it is given."""
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8):
        raise ValueError(f"images must be a uint8 array; got {getattr(images, 'dtype', type(images).__name__)}")
    good = images.ndim == 4 and images.shape[3] == 3 and all(s >= 24 and s % CELL == 0 for s in images.shape[1:3])
    if not good or (shape and images.shape[1:3] != shape):
        wanted = "(n, %d, %d, 3)" % shape if shape else "(n, H, W, 3), H and W multiples of 8 and at least 24"
        raise ValueError(f"images must have the shape {wanted}; got {images.shape}")


@lru_cache(maxsize=1)
def _orientations() -> np.ndarray:
    """argmax_o |uu_o dx + vv_o dy|, the first one of equals, at [dx + 255, dy + 255]."""
    dx, dy = np.arange(-255, 256)[:, None], np.arange(-255, 256)
    return np.argmax([np.abs(uu * dx + vv * dy) for uu, vv in DIRECTIONS], axis=0).astype(np.uint8)


def _gradients(images):
    """Length (float64) and orientation (0..8) of the gradient at each pixel but the outermost, (n, H - 2, W - 2)."""
    longest: Any = None
    for channel in range(3):
        c = np.ascontiguousarray(images[..., channel], np.int32)
        dx, dy = c[:, 1:-1, 2:] - c[:, 1:-1, :-2], c[:, 2:, 1:-1] - c[:, :-2, 1:-1]
        squared = dx * dx + dy * dy
        if longest is None:
            longest = squared, dx, dy
        else:  # the first one of equals
            longer = squared > longest[0]
            longest = tuple(np.where(longer, new, old) for new, old in zip((squared, dx, dy), longest))
    squared, dx, dy = longest
    return np.sqrt(squared), _orientations()[dx + 255, dy + 255]


def _histograms(length, orientation):
    """Each pixel's length, shared by its four nearest cells: (n, H/8, W/8, 9). What falls outside is lost."""
    n = len(length)
    (top, below), (left, right) = (_shares(size + 2) for size in length.shape[1:])
    n_rows, n_columns = ((size + 2) // CELL + 2 for size in length.shape[1:])  # with a margin of one cell
    row, column = top[0][:, None], left[0]
    at = ((np.arange(n)[:, None, None] * n_rows + row) * n_columns + column) * 9 + orientation
    h = np.zeros(n * n_rows * n_columns * 9)
    for down, (_, by_row) in enumerate((top, below)):
        for over, (_, by_column) in enumerate((left, right)):
            votes = length * (by_row[:, None] * by_column)
            h += np.bincount((at + (down * n_columns + over) * 9).ravel(), votes.ravel(), minlength=len(h))
    return h.reshape(n, n_rows, n_columns, 9)[:, 1:-1, 1:-1]


def _shares(size):
    """For pixels 1..size-2 of an axis: (cell before, its share) and (cell after, its share); the first cell is 1."""
    position = (np.arange(1, size - 1) + 0.5) / CELL - 0.5
    before = np.floor(position)
    cell, share = before.astype(np.int64) + 1, position - before
    return (cell, 1 - share), (cell + 1, share)
