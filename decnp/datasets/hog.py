"""STL-HOG: the paper's 1428 features of a 96 x 96 color image, 1300 for shape and 128 for color.

The shape features are a histogram of oriented gradients (HOG) with 13 channels for each of 10 x 10 cells. The color
features are an 8 x 8 map of Cr and Cb. Nothing is learned. Pixel differences are integers from -255 to 255, so the
orientations of all 511 x 511 possible gradients are computed once and stored in a table.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["N_FEATURES", "color_map", "hog", "stl_hog"]

SIDE, CELL, N_FEATURES = 96, 8, 1428
DIRECTIONS = np.round([(np.cos(a), np.sin(a)) for a in np.radians(20 * np.arange(9))], 4)  # (uu_o, vv_o), o = 0..8
IMAGES_PER_BLOCK = 32  # about 20 MB of memory


def stl_hog(images: np.ndarray) -> np.ndarray:
    """Return the features ``[(H - 0.2) * 10, (CrCb - 128) / 10]``, with H from ``hog`` and CrCb from ``color_map``.

    Parameters
    ----------
    images : uint8 array of shape (n, 96, 96, 3)
        Rows, columns, RGB.

    Returns
    -------
    features : float32 array of shape (n, 1428)
        HOG in 1300 columns, then the color map in 128.

    Raises
    ------
    ValueError
        If the images have another shape or dtype.

    Notes
    -----
    Source: DEC section 4.1, HOG and an 8 x 8 color map. The scaling is the same as in the authors' code.

    Examples
    --------
    >>> stl_hog(np.full((1, 96, 96, 3), 50, np.uint8))[0, [0, -1]]  # gray: no gradient, no color
    array([-2.,  0.], dtype=float32)
    """
    _check(images, SIDE, SIDE)
    out = np.empty((len(images), N_FEATURES), np.float32)
    for start in range(0, len(images), IMAGES_PER_BLOCK):
        block = images[start : start + IMAGES_PER_BLOCK]
        rows = out[start : start + IMAGES_PER_BLOCK]
        rows[:, :1300] = (hog(block).reshape(len(block), 1300) - 0.2) * 10
        rows[:, 1300:] = (color_map(block).reshape(len(block), -1) - 128.0) / 10
    return out


def hog(images: np.ndarray) -> np.ndarray:
    r"""Return histograms of oriented gradients, with 13 channels for each 8 x 8 cell that is not at the border.

    Parameters
    ----------
    images : uint8 array of shape (n, H, W, 3)
        RGB images. H and W are multiples of 8, at least 24.

    Returns
    -------
    features : float64 array of shape (n, H/8 - 2, W/8 - 2, 13)
        Channels 0..8 are ``0.5 * sum_m h_om``. Channels 9..12 are ``0.2357 * sum_o h_om`` for the blocks at the lower
        right, upper right, lower left and upper left.

    Raises
    ------
    ValueError
        If the images have another shape or dtype.

    Notes
    -----
    The gradient (dx, dy) of a pixel is the difference of its two neighbors, in the color channel with the longest
    gradient. It is assigned to the nearest of 9 unsigned orientations o, 20 degrees apart; a vertical edge has
    orientation 0. Its length is added to the histograms of the 4 nearest cells, with bilinear weights. The histogram h of
    a cell is then divided by the energy of the four 2 x 2 blocks m of cells around it, and clipped:

    .. math:: h_{om} = \min(h_o / \sqrt{energy_m + 10^{-4}}, 0.2)

    Source: Felzenszwalb et al., PAMI 2010, in the variant with 13 channels of C. Vondrick's pyvision, which issue 1 of
    the authors' code names. Differs from the paper: the paper says only "HOG", with 1428 - 128 = 1300 features.

    Examples
    --------
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


def color_map(images: np.ndarray) -> np.ndarray:
    r"""Return Cr and Cb of each image after downsampling to 8 x 8 pixels.

    Parameters
    ----------
    images : uint8 array of shape (n, H, W, 3)
        RGB images. H and W are multiples of 16.

    Returns
    -------
    crcb : uint8 array of shape (n, 8, 8, 2)
        Channels Cr and Cb.

    Raises
    ------
    ValueError
        If the images have another shape or dtype.

    Notes
    -----
    A pixel of the small image is the mean of the 2 x 2 pixels in the middle of its block. It is rounded half up, as in
    OpenCV's bilinear ``resize``. Then, in integer arithmetic as in OpenCV,

    .. math:: Y = .299 R + .587 G + .114 B, \quad Cr = .713 (R - Y) + 128, \quad Cb = .564 (B - Y) + 128

    Source: OpenCV's ``resize`` and ``cvtColor(..., COLOR_RGB2YCrCb)``, which the authors call. OpenCV 5.0.0 gives the
    same results for all 256^3 colors, and for 300 random images.

    Examples
    --------
    >>> color_map(np.full((1, 96, 96, 3), (255, 0, 0), np.uint8))[0, 0, 0]  # red
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


def _check(images: object, *shape: int) -> None:
    """Raise ValueError unless ``images`` are uint8 (n, H, W, 3), with (H, W) = ``shape`` if it is given."""
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8):
        raise ValueError(f"images must be a uint8 array; got {getattr(images, 'dtype', type(images).__name__)}")
    good = images.ndim == 4 and images.shape[3] == 3 and all(s >= 24 and s % CELL == 0 for s in images.shape[1:3])
    if not good or (shape and images.shape[1:3] != shape):
        wanted = "(n, %d, %d, 3)" % shape if shape else "(n, H, W, 3), H and W multiples of 8 and at least 24"
        raise ValueError(f"images must have the shape {wanted}; got {images.shape}")


@lru_cache(maxsize=1)
def _orientations() -> np.ndarray:
    """Return argmax_o |uu_o dx + vv_o dy| at [dx + 255, dy + 255]; the first o of a tie."""
    dx, dy = np.arange(-255, 256)[:, None], np.arange(-255, 256)
    return np.argmax([np.abs(uu * dx + vv * dy) for uu, vv in DIRECTIONS], axis=0).astype(np.uint8)


def _gradients(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return length (float64) and orientation (0..8) of the gradient at each inner pixel, (n, H - 2, W - 2)."""
    squared, dx, dy = _differences(images[..., 0])
    for channel in (1, 2):
        other = _differences(images[..., channel])
        longer = other[0] > squared  # the first channel of a tie
        squared, dx, dy = (np.where(longer, new, old) for new, old in zip(other, (squared, dx, dy)))
    return np.sqrt(squared), _orientations()[dx + 255, dy + 255]


def _differences(channel: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dx^2 + dy^2, dx and dy of one channel (n, H, W) as int32."""
    c = np.ascontiguousarray(channel, np.int32)
    dx, dy = c[:, 1:-1, 2:] - c[:, 1:-1, :-2], c[:, 2:, 1:-1] - c[:, :-2, 1:-1]
    return dx * dx + dy * dy, dx, dy


def _histograms(length: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """Return the histograms (n, H/8, W/8, 9); each length is distributed over the four nearest cells in the image."""
    n = len(length)
    (top, *by_row), (left, *by_column) = (_shares(size + 2) for size in length.shape[1:])
    n_rows, n_columns = ((size + 2) // CELL + 2 for size in length.shape[1:])  # with a margin of one cell
    at = ((np.arange(n)[:, None, None] * n_rows + top[:, None]) * n_columns + left) * 9 + orientation
    h = np.zeros(n * n_rows * n_columns * 9)
    for down in (0, 1):
        for over in (0, 1):
            votes = length * (by_row[down][:, None] * by_column[over])
            h += np.bincount((at + (down * n_columns + over) * 9).ravel(), votes.ravel(), minlength=len(h))
    return h.reshape(n, n_rows, n_columns, 9)[:, 1:-1, 1:-1]


def _shares(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cell before each pixel 1..size-2, its weight, and that of the next cell; the first cell is number 1."""
    position = (np.arange(1, size - 1) + 0.5) / CELL - 0.5
    before = np.floor(position)
    share = position - before
    return before.astype(np.int64) + 1, 1 - share, share
