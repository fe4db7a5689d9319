"""REUTERS and REUTERS-10k: tf-idf of the 2,000 most frequent terms in RCV1-v2, news stories of four classes.

Counting the terms of the official files takes minutes, so the counts are cached in the folder for downloads. The file
``reuters10k_counts.npz`` has the counts of another sample in the same format. It is not REUTERS-10k.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike, write_atomically
from ..io.npz import read_arrays
from ._files import NO_MIRROR, DataFile, UnofficialData, download_folder, file_sha256, find, not_found
from ._rcv1 import CLASSES, N_DOCUMENTS, Counts, count_terms

if TYPE_CHECKING:  # SciPy is imported where it is used: loading a model needs none
    from scipy.sparse import csr_matrix

__all__ = ["load_reuters", "load_reuters10k", "load_reuters10k_sample", "tfidf"]

COUNTS = "rcv1-counts-v1.npz"
SAMPLE = "reuters10k_counts.npz"
SAMPLE_SHA256 = "42428dbaeb63080b456c957b7e14c5a5174fe4b7b7b1105ce0393c96ca515f6a"
ROWS_PER_BLOCK = 10_000  # documents whose tf-idf is computed in float64 at a time


def load_reuters(*, data_home: PathLike | None = None, verify: bool = True) -> tuple[csr_matrix, np.ndarray]:
    """Return REUTERS: ``tfidf`` of all 685,071 documents of RCV1-v2 with exactly one of the four classes.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder to search first, before the folders of ``load_mnist``.
    verify : bool, default=True
        Accept only the official files. False accepts files of the same format with any number of documents, and
        warns. Their counts are not cached.

    Returns
    -------
    X : float32 CSR matrix of shape (685071, 2000)
        Documents in the random order of the authors' code.
    y : int64 array of shape (685071,)
        Classes 0..3: CCAT, GCAT, MCAT, ECAT.

    Raises
    ------
    DataError
        If a file is missing (``decnp data fetch reuters`` downloads it), damaged or not official, or if the files do not
        belong together.

    Warns
    -----
    UnofficialData
        If ``verify`` is False.

    See Also
    --------
    load_reuters10k : The first 10,000 rows.

    Notes
    -----
    Source: Lewis, Yang, Rose & Li, JMLR 5, 2004; DEC section 4.1 and Table 1. Differs from the paper: no. The paper gives
    no order. The order here is ``RandomState(1234).permutation(685071)``, as in the authors' code.
    """
    counts, order = _counts(data_home, verify)
    return tfidf(counts.matrix)[order], counts.y[order]


def load_reuters10k(*, data_home: PathLike | None = None, verify: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return REUTERS-10k: the first 10,000 rows of ``load_reuters``, with the idf of all documents.

    Parameters
    ----------
    data_home : path-like, default=None
        As for ``load_reuters``.
    verify : bool, default=True
        As for ``load_reuters``.

    Returns
    -------
    X : float32 array of shape (10000, 2000)
        Documents.
    y : int64 array of shape (10000,)
        Classes 0..3: CCAT, GCAT, MCAT, ECAT.

    Raises
    ------
    DataError
        As for ``load_reuters``.

    Warns
    -----
    UnofficialData
        If ``verify`` is False.

    See Also
    --------
    load_reuters : All rows.
    load_reuters10k_sample : Another sample, if the official files are not available.
    """
    counts, order = _counts(data_home, verify)
    rows = order[:10_000]
    return tfidf(counts.matrix[rows], counts.matrix).toarray(), counts.y[rows]


def load_reuters10k_sample(*, data_home: PathLike | None = None, verify: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return ``tfidf`` of a sample of 10,000 documents of RCV1-v2 that is not the paper's REUTERS-10k.

    Use the sample if the official files are not available. Its file, ``reuters10k_counts.npz``, cannot be downloaded.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder to search first, before the folders of ``load_mnist``.
    verify : bool, default=True
        Accept only this sample. False accepts any file of the same format, and warns. The format is term counts as the
        parts ``counts``, ``indices``, ``indptr`` and ``shape`` of a CSR matrix, and labels ``y``, 0..3.

    Returns
    -------
    X : float32 array of shape (10000, 2000)
        Documents in the order of the file, with the idf of these documents.
    y : int64 array of shape (10000,)
        Classes 0..3: CCAT, GCAT, MCAT, ECAT.

    Raises
    ------
    DataError
        If the file is missing, is damaged, or is not this sample.

    Warns
    -----
    UnofficialData
        If ``verify`` is False.

    See Also
    --------
    load_reuters10k : The rows of the paper.

    Notes
    -----
    Source: RCV1-v2, as in ``load_reuters``. Differs from the paper: results on the sample are not results on REUTERS-10k.
    The 2,000 terms were selected from 23,335 documents, there are no duplicates, and 28 % of the documents are MCAT (25 %
    in the authors' sample).
    """
    path = find([SAMPLE], data_home)
    if path is None:
        raise not_found(SAMPLE, NO_MIRROR)
    if verify:
        _check_sample(path, str(path))
    else:
        _warn(path, stacklevel=3)
    counts = _read_counts(path)
    return tfidf(counts.matrix).toarray(), counts.y


def tfidf(counts: csr_matrix, corpus: csr_matrix | None = None) -> csr_matrix:
    """Return (1 + ln tf) * idf with rows of length sqrt(D), so that ||x||^2 / D = 1.

    A document without any of the terms has a row of zeros. Only a block of rows is in float64 at a time.

    Parameters
    ----------
    counts : CSR matrix of shape (n, D)
        Term frequencies tf: integers >= 1, each entry stored once.
    corpus : CSR matrix of shape (m, D), default=None
        Counts of the documents for the idf, ln((1 + m) / (1 + df)) + 1, where df is the number of documents with the
        term. None means ``counts``.

    Returns
    -------
    X : float32 CSR matrix of shape (n, D)
        Weights of the terms.

    See Also
    --------
    load_reuters : Data in this form.

    Notes
    -----
    Source: scikit-learn's ``TfidfTransformer(sublinear_tf=True)``, times sqrt(D), as in the authors' code. Differs from
    the paper: the paper says only "tf-idf", and that ||x||^2 / D is "approximately 1".

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> tfidf(csr_matrix([[1, 1], [5, 0]])).toarray().round(3)
    array([[0.82 , 1.152],
           [1.414, 0.   ]], dtype=float32)
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer

    transformer = TfidfTransformer(sublinear_tf=True).fit(counts if corpus is None else corpus)
    n, n_terms = counts.shape
    data = np.empty(counts.nnz, np.float32)
    for start in range(0, n, ROWS_PER_BLOCK):
        block = transformer.transform(counts[start : start + ROWS_PER_BLOCK].astype(np.float64), copy=False)
        data[counts.indptr[start] :][: block.nnz] = block.data * np.sqrt(n_terms)
    return csr_matrix((data, counts.indices, counts.indptr), counts.shape)


def _counts(data_home: PathLike | None, verify: bool) -> tuple[Counts, np.ndarray]:
    """Return the counts of all documents, from the cache if it exists, and the authors' order."""
    path = find([COUNTS], data_home) if verify else None
    if path:
        counts = _read_counts(path)
        if len(counts.y) != N_DOCUMENTS:
            raise DataError(f"{path} must hold {N_DOCUMENTS} documents; got {len(counts.y)}; delete it, and it will be "
                            "computed again")
    else:
        counts = count_terms(data_home, verify)
        if verify:
            with suppress(OSError, DataError):  # without a writable folder, the terms are counted at each call
                _store(counts, download_folder(data_home))
        else:
            _warn("the files of RCV1-v2", stacklevel=4)
    return counts, np.random.RandomState(1234).permutation(len(counts.y))


def _warn(what: object, stacklevel: int) -> None:
    warnings.warn(f"{what}: used without a check, so results are not results on REUTERS", UnofficialData,
                  stacklevel=stacklevel)


def _store(counts: Counts, folder: Path) -> None:
    """Write the counts to an .npz in ``folder``."""
    matrix = counts.matrix
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / COUNTS, lambda file: np.savez(
        file, counts=matrix.data, indices=matrix.indices.astype(np.uint16), indptr=matrix.indptr,
        shape=np.array(matrix.shape), y=counts.y.astype(np.uint8), class_names=np.array(CLASSES),
        terms=np.array(counts.terms)))


def _read_counts(path: Path) -> Counts:
    """Return the counts in an .npz, without the terms; raise DataError if it does not hold them."""
    from scipy.sparse import csr_matrix

    arrays = read_arrays(path, ("counts", "indices", "indptr", "shape", "y"))
    for name, array in arrays.items():
        if array.ndim != 1 or array.dtype.kind not in "iu" or not array.size:
            raise DataError(f"{path} is damaged: {name} must hold whole numbers on one axis; got {array.dtype} of the "
                            f"shape {array.shape}")
    counts, indices = arrays["counts"], arrays["indices"]
    indptr, shape, y = (arrays[name].astype(np.int64) for name in ("indptr", "shape", "y"))
    problems = {
        "shape must be two numbers >= 1": shape.size != 2 or shape.min() < 1,
        "y must hold one label for each row": y.size != shape[0],
        "y must hold labels from 0 to 3": y.min() < 0 or y.max() >= len(CLASSES),
        "indptr must rise from 0 to the number of counts, one step for each row":
            indptr.size != shape[0] + 1 or indptr[0] != 0 or indptr[-1] != counts.size or (np.diff(indptr) < 0).any(),
        "indices must hold one column for each count": indices.size != counts.size,
        "indices must be columns": indices.min() < 0 or indices.max() >= shape[-1],
        "counts must be >= 1": counts.min() < 1,
    }
    wrong = next((problem for problem, found in problems.items() if found), None)
    if wrong:
        raise DataError(f"{path} is damaged: {wrong}")
    matrix = csr_matrix((counts.astype(np.int32), indices.astype(np.int32), indptr.astype(np.int32)), tuple(shape))
    if not matrix.has_canonical_format:
        raise DataError(f"{path} is damaged: the columns of a row must rise")
    return Counts(matrix, y, [])


def _check_sample(path: Path, name: str) -> str:
    digest = file_sha256(path)
    if digest != SAMPLE_SHA256:
        raise DataError(
            f"{name} is not the expected sample: its sha256 is {digest}, not {SAMPLE_SHA256}")
    return f"sha256 {SAMPLE_SHA256}"


SAMPLE_FILES = (DataFile((SAMPLE,), _check_sample),)
