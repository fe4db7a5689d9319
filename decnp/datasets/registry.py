"""Registry of the data sets, with loaders, files and sources; implements ``decnp data``.

``SOURCES`` maps the names that ``decnp fit`` accepts to loaders. A name that ends in ``-unofficial`` loads files of the
official format without checking their digests, and warns. Use it for your own, smaller files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike
from ..io.os_errors import reason_of
from ..utils.spelling import nearest
from . import _rcv1, _stl10, mnist, reuters
from ._files import NO_MIRROR, DataFile, download, download_folder, find, not_found
from .digits import load_digits
from .mnist import load_mnist
from .reuters import load_reuters10k, load_reuters10k_sample
from .stl import load_stl

__all__ = ["DATA_SETS", "SOURCES", "DataSet", "describe", "facts", "fetch", "n_clusters", "verify"]

SOURCES: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {  # each loader returns X (n, D), dense, and y (n,)
    "mnist": load_mnist,
    "digits": load_digits,
    "stl": load_stl,
    "reuters10k": load_reuters10k,
    "reuters10k-sample": load_reuters10k_sample,
    "stl-unofficial": partial(load_stl, verify=False),
    "reuters10k-unofficial": partial(load_reuters10k, verify=False),
    "reuters10k-sample-unofficial": partial(load_reuters10k_sample, verify=False),
}


class DataSet(NamedTuple):
    """Facts about a data set, which are known without its files."""

    title: str
    """Name, and numbers of rows and columns."""
    files: Callable[[PathLike | None], tuple[DataFile, ...]]
    """Function of ``data_home`` that returns the files of the data set."""
    size: str
    """Size of the files, in words."""
    source: str
    """Authors and license."""
    n_clusters: int = 10
    """Number of classes; the default of ``decnp fit --n-clusters``."""


RCV1 = "Lewis, Yang, Rose & Li 2004; for the terms of use, see the page of the files"
DATA_SETS = {
    "mnist": DataSet("MNIST: 70,000 handwritten digits of 784 gray values each", lambda home: mnist.files(),
                     "12 MB", "LeCun & Cortes; CC BY-SA 3.0"),
    "digits": DataSet("digits: 1,797 handwritten digits of 64 gray values each", lambda home: (),
                      "included in scikit-learn", "Alpaydin & Kaynak 1998; CC BY 4.0"),
    "stl": DataSet("STL-HOG: 13,000 photographs of 1,428 features each, and 100,000 more for the autoencoder",
                   _stl10.files, "2.6 GB", "Coates, Lee & Ng 2011; for the terms of use, see the page of the files"),
    "reuters10k": DataSet("REUTERS-10k: 10,000 news stories, tf-idf of 2,000 terms each", lambda home: _rcv1.FILES,
                          "626 MB of unzipped tokens, and a file of topics", RCV1, n_clusters=4),
    "reuters": DataSet("REUTERS: all 685,071 news stories, as a CSR matrix (in Python only)", lambda home: _rcv1.FILES,
                       "the same files as reuters10k", RCV1, n_clusters=4),
    "reuters10k-sample": DataSet("another sample of 10,000 stories of RCV1, not the paper's REUTERS-10k",
                                 lambda home: reuters.SAMPLE_FILES, "1 MB", f"{RCV1}; no download available",
                                 n_clusters=4),
}


def _data_set(name: str) -> DataSet:
    if name not in DATA_SETS:
        hint = nearest(name, DATA_SETS)
        raise DataError(f"no data set is called {name!r}{hint}" if hint else
                        f"the name must be that of a data set: {', '.join(DATA_SETS)}; got {name!r}")
    return DATA_SETS[name]


def n_clusters(source: str) -> int:
    """Return the number of classes of a data set.

    Parameters
    ----------
    source : str
        A name in ``SOURCES``.

    Returns
    -------
    k : int
        Number of classes.

    Examples
    --------
    >>> n_clusters("digits")
    10
    """
    return DATA_SETS[source.removesuffix("-unofficial")].n_clusters


def facts() -> list[dict[str, Any]]:
    """Return the facts about all data sets as plain data for JSON.

    Returns
    -------
    facts : list of dict
        Name, title, source, size, number of classes and files of each data set. The path of a missing file is None.

    See Also
    --------
    describe : The same as text.
    """
    return [{
        "name": name, "title": data_set.title, "source": data_set.source, "size": data_set.size,
        "n_clusters": data_set.n_clusters,
        "files": [{"name": file.names[-1], "path": str(path) if (path := find(file.names)) else None}
                  for file in data_set.files(None)],
    } for name, data_set in DATA_SETS.items()]


def describe() -> str:
    """Return the facts about all data sets as text.

    Returns
    -------
    text : str
        Title, source, size, and paths of the files.

    See Also
    --------
    facts : The same as data.
    """
    lines = []
    for data_set in facts():
        lines.append(f"{data_set['name']:18}{data_set['title']}")
        lines.append(f"{'':18}source  {data_set['source']}")
        lines.append(f"{'':18}size    {data_set['size']}")
        found = {file["path"] or file["name"]: file["path"] for file in data_set["files"]}
        lines += [f"{'':18}{'found   ' if path else 'missing '}{shown}" for shown, path in found.items()]
    return "\n".join(lines)


def fetch(name: str, data_home: PathLike | None = None) -> Iterator[str]:
    """Download the missing files of a data set, check the existing files, and yield a line for each file.

    Parameters
    ----------
    name : str
        A name in ``DATA_SETS``.
    data_home : path-like, default=None
        Folder for the downloads; None for the per-user cache.

    Yields
    ------
    sentence : str
        Result for one file.

    Raises
    ------
    DataError
        If the name is unknown, an existing file is not correct, or a file cannot be downloaded.
    OSError
        If a file cannot be read, or the folder cannot be created.
    """
    files = _data_set(name).files(data_home)
    if not files:
        yield f"{name} is included in scikit-learn: there is nothing to download"
    for file in files:
        path = find(file.names, data_home)
        if path:
            yield f"{path} exists: {_check(name, file, path)}"
        elif file.urls:
            path = download_folder(data_home) / file.names[-1]
            yield f"downloaded {path}: {download(file.urls, path, file.check)}"
        else:
            raise not_found(file.names[-1], NO_MIRROR)


def verify(name: str | None = None) -> Iterator[tuple[str, bool]]:
    """Check the existing files of one data set, or of all data sets for None.

    Parameters
    ----------
    name : str, default=None
        A name in ``DATA_SETS``.

    Yields
    ------
    sentence : str
        Result of the check of one file.
    valid : bool
        True if the file is correct.

    Raises
    ------
    DataError
        If the name is unknown, or if a file of the named data set is missing.
    """
    seen: set[DataFile] = set()
    for known in DATA_SETS if name is None else [name]:
        for file in _data_set(known).files(None):
            path = find(file.names)
            if path is None and name is not None:
                raise not_found(f"{' or '.join(file.names)} of {name}", "; see `decnp data list`")
            if path is None or file in seen:
                continue
            seen.add(file)
            try:
                yield f"{path} is correct: {_check(known, file, path)}", True
            except DataError as error:
                yield str(error), False
            except OSError as error:
                yield f"cannot read {path}: {reason_of(error)}", False


def _check(name: str, file: DataFile, path: Path) -> object:
    """Return the result of ``file.check``; add a remedy to its DataError."""
    try:
        return file.check(path, str(path))
    except DataError as error:
        other = f"{name}-unofficial"
        hint = f", or use it without a check as {other}" if other in SOURCES else ""
        raise DataError(f"{error}; delete or replace it{hint}") from None
