"""REUTERS and REUTERS-10k: tf-idf of the 2,000 most frequent terms in RCV1-v2, news stories of four classes.

The official files are counted once, which takes minutes; the counts are then kept beside the downloads, as arrays.
A ready-made sample of such counts, ``reuters10k_counts.npz``, is read in the same way, and is not REUTERS-10k.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike, write_atomically
from ..io.npz import read_arrays
from ._files import DataFile, UnofficialData, download_folder, file_sha256, find
from ._rcv1 import CLASSES, N_DOCUMENTS, Counts, count_terms

if TYPE_CHECKING:  # SciPy is imported where it is used: who only loads a model needs none
    from scipy.sparse import csr_matrix

__all__ = ["load_reuters", "load_reuters10k", "load_reuters10k_sample", "tfidf"]

COUNTS = "rcv1-counts-v1.npz"
SAMPLE = "reuters10k_counts.npz"
SAMPLE_SUM = "42428dbaeb63080b456c957b7e14c5a5174fe4b7b7b1105ce0393c96ca515f6a"  # SHA-256
BLOCK = 10_000  # rows at a time


def load_reuters(*, data_home: PathLike | None = None, verify: bool = True) -> tuple[csr_matrix, np.ndarray]:
    """REUTERS: all 685,071 documents of RCV1-v2 with exactly one of the four classes, as ``tfidf``.

    Parameters
    ----------
    data_home : folder to look in first, then in those of ``load_mnist``
    verify : False takes files in the same layout that are not the official ones, with any number of documents,
        and warns of it; their counts are not kept

    Returns
    -------
    X : float32 CSR matrix of shape (685071, 2000), in the random order of the authors' code
    y : int64 array of shape (685071,), 0..3: CCAT, GCAT, MCAT, ECAT

    Raises
    ------
    DataError
        If a file is not there (nothing is downloaded unasked: ``decnp data fetch reuters``), is damaged, is not
        the official one, or if the files do not fit together.

    Warns UnofficialData with ``verify=False``.

    Source: Lewis, Yang, Rose & Li, JMLR 5, 2004; DEC section 4.1 and Table 1. Differs from the paper: no; it
    gives no order, ours is ``RandomState(1234).permutation(685071)`` as in the authors' code.
    """
    counts, order = _counts(data_home, verify)
    return tfidf(counts.matrix)[order], counts.y[order]


def load_reuters10k(*, data_home: PathLike | None = None, verify: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """REUTERS-10k: the first 10,000 rows of ``load_reuters``, with the idf of all documents.

    Parameters, errors, warnings and source: as ``load_reuters``.

    Returns
    -------
    X : float32 array of shape (10000, 2000)
    y : int64 array of shape (10000,), 0..3
    """
    counts, order = _counts(data_home, verify)
    rows = order[:10_000]
    return tfidf(counts.matrix[rows], idf(counts.matrix)).toarray(), counts.y[rows]


def load_reuters10k_sample(*, data_home: PathLike | None = None, verify: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A sample of 10,000 documents of RCV1-v2, which is not the paper's REUTERS-10k, as ``tfidf``.

    For trying things out where the official files are not at hand. Its 2,000 terms were chosen among 23,335
    documents, it has no duplicates, and 28 % of it is MCAT, where the authors' sample has about 25 %: a result
    on it is no result on REUTERS-10k. It is looked for as ``reuters10k_counts.npz`` and cannot be downloaded.

    Parameters
    ----------
    data_home : folder to look in first, then in those of ``load_mnist``
    verify : False takes any file of this layout, and warns of it: term counts as the parts ``counts``,
        ``indices``, ``indptr`` and ``shape`` of a CSR matrix, and labels ``y``, 0..3

    Returns
    -------
    X : float32 array of shape (10000, 2000), in the order of the file; idf is that of these documents
    y : int64 array of shape (10000,), 0..3: CCAT, GCAT, MCAT, ECAT

    Raises
    ------
    DataError
        If the file is not there, is damaged, or is not this sample.

    Warns UnofficialData with ``verify=False``.

    Source: RCV1-v2, as in ``load_reuters``. Differs from the paper: see above.
    """
    path = find([SAMPLE], data_home)
    if path is None:
        raise DataError(f"{SAMPLE} is in none of the data folders, and cannot be downloaded; "
                        "name a folder that has it in $DECNP_DATA")
    if verify:
        _check_sample(path, path)
    else:
        _warn(path)
    counts = _read_counts(path)
    return tfidf(counts.matrix).toarray(), counts.y


def idf(counts: csr_matrix) -> np.ndarray:
    """(D,): ln((1 + n) / (1 + df)) + 1, where df of the n documents have the term; for counts (n, D)."""
    n, n_terms = counts.shape
    return np.log((1 + n) / (1 + np.bincount(counts.indices, minlength=n_terms))) + 1


def tfidf(counts: csr_matrix, idf_: np.ndarray | None = None) -> csr_matrix:
    """What the network is fed: (1 + ln tf) * idf, rows of length sqrt(D), so that ||x||^2 / D = 1.

    A document without any of the terms stays a row of zeros.

    Parameters
    ----------
    counts : CSR matrix of shape (n, D): tf, whole numbers >= 1 where anything is stored, each place once
    idf_ : array of shape (D,); None takes ``idf(counts)``

    Returns
    -------
    X : float32 CSR matrix of shape (n, D)

    Source: scikit-learn's ``TfidfTransformer(sublinear_tf=True)``, times sqrt(D), as in the authors' code. Differs
    from the paper: it says "tf-idf" and ||x||^2 / D "approximately 1", no more.

    >>> from scipy.sparse import csr_matrix
    >>> tfidf(csr_matrix([[1, 1], [5, 0]])).toarray().round(3)
    array([[0.82 , 1.152],
           [1.414, 0.   ]], dtype=float32)
    """
    from scipy.sparse import csr_matrix

    idf_ = idf(counts) if idf_ is None else idf_
    n, n_terms = counts.shape
    data = np.empty(counts.nnz, np.float32)
    for start in range(0, n, BLOCK):
        rows = counts.indptr[start : start + BLOCK + 1]
        values = slice(rows[0], rows[-1])
        x = (1 + np.log(counts.data[values])) * idf_[counts.indices[values]]
        row = np.repeat(np.arange(len(rows) - 1), np.diff(rows))
        length = np.sqrt(np.bincount(row, x * x, minlength=len(rows) - 1))
        data[values] = x / length[row] * np.sqrt(n_terms)
    return csr_matrix((data, counts.indices, counts.indptr), counts.shape)


def _counts(data_home, verify):
    """The counts of all documents, kept ones if there are, and the authors' order."""
    kept = find([COUNTS], data_home) if verify else None
    if kept:
        counts = _read_counts(kept)
        if len(counts.y) != N_DOCUMENTS:
            raise DataError(f"{kept} must hold {N_DOCUMENTS} documents; got {len(counts.y)}; delete it, and it is "
                            "made again")
    else:
        counts = count_terms(data_home, verify)
        if verify:
            with suppress(OSError):  # where nothing can be kept, they are counted each time
                _keep(counts, download_folder(data_home))
        else:
            _warn("the files of RCV1-v2")
    return counts, np.random.RandomState(1234).permutation(len(counts.y))


def _warn(what):
    warnings.warn(f"{what}: taken unchecked, so what comes out is no result on REUTERS", UnofficialData, stacklevel=4)


def _keep(counts: Counts, folder):
    matrix = counts.matrix
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / COUNTS, lambda file: np.savez(
        file, counts=matrix.data, indices=matrix.indices.astype(np.uint16), indptr=matrix.indptr,
        shape=np.array(matrix.shape), y=counts.y.astype(np.uint8), class_names=np.array(CLASSES),
        terms=np.array(counts.terms)))


def _read_counts(path) -> Counts:
    """The counts in an .npz; DataError if it does not hold them. The terms themselves are not read."""
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
    wrong = next((problem for problem, there in problems.items() if there), None)
    if wrong:
        raise DataError(f"{path} is damaged: {wrong}")
    matrix = csr_matrix((counts.astype(np.int32), indices.astype(np.int32), indptr.astype(np.int32)), tuple(shape))
    if not matrix.has_canonical_format:
        raise DataError(f"{path} is damaged: the columns of a row must rise")
    return Counts(matrix, y, [])


def _check_sample(path, name):
    found = file_sha256(path)
    if found != SAMPLE_SUM:
        raise DataError(f"{name} is not the sample that is known by this name: its sha256 is {found}, not {SAMPLE_SUM}")
    return f"sha256 {SAMPLE_SUM}"


SAMPLE_FILES = (DataFile((SAMPLE,), _check_sample),)
