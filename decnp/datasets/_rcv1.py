"""Reader of the official files of RCV1-v2: news stories as stemmed tokens, their topics, and the counts of terms.

A token file has, for each document, a line ``.I <number>``, a line ``.W``, and lines of tokens. A line of the topics file
("qrels") is ``<topic> <number> 1``. The token files are read twice, one document at a time. The first pass counts all
occurrences of each term, and the second pass counts the selected terms in each document. Files may be gzipped.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from ..exceptions import DataError
from ..io.atomic import PathLike
from ..utils.progress import Progress
from ._files import NAME_A_FOLDER, DataFile, check_digest, check_no_web_page, find, not_found

if TYPE_CHECKING:  # SciPy is imported where it is used: loading a model needs none
    from scipy.sparse import csr_matrix

__all__ = ["CLASSES", "Counts", "FILES", "count_terms"]

CLASSES = ("CCAT", "GCAT", "MCAT", "ECAT")  # 0..3: corporate, government and social, markets, economics
N_DOCUMENTS = 685_071  # documents of the official files with exactly one of these topics
HOME = "https://jmlr.csail.mit.edu/papers/volume5/lewis04a/"
TOKENS = {  # in the authors' order; SHA-256 of the unzipped file
    "lyrl2004_tokens_test_pt0.dat": "b8c319839c75def02becf5afea42d9007cd3b9dd0b9f7ec191d627cb64e165a9",
    "lyrl2004_tokens_test_pt1.dat": "a6a9244e93449985aec0371c1f0d9e73a9f5a2cb651859474efd213550e733b4",
    "lyrl2004_tokens_test_pt2.dat": "d1a07c68a636bb5638552d3facb13a6ff58115653b55d8318bca1252a9c43193",
    "lyrl2004_tokens_test_pt3.dat": "9a70be1a2ec0ecd554fa97eacc87cf99d086843495683289d12f99911b00a14e",
    "lyrl2004_tokens_train.dat": "7671361f75776fd1e6503ea73e78bcd4179bb332c1a8297ebed102f4eb1b31c0",
}
TOPICS = "rcv1-v2.topics.qrels"
TERM = re.compile(r"\b\w\w+\b")  # as in scikit-learn's CountVectorizer
READ_SIZE = 1 << 20  # bytes per read
MAX_LINE = 1 << 20  # bytes; a file with a longer line is not a token file


class Digest(Protocol):
    """Interface of a hash object of ``hashlib``, whose class is not public."""

    def update(self, data: bytes, /) -> object: ...


class Counts(NamedTuple):
    """Counts of each term in each document."""

    matrix: csr_matrix
    """(n, D) counts."""
    y: np.ndarray
    """(n,) int64 classes of the documents, 0..3."""
    terms: list[str]
    """Terms, sorted, of length D."""


def count_terms(data_home: PathLike | None = None, verify: bool = True, max_features: int = 2000) -> Counts:
    """Count the ``max_features`` most frequent terms in the documents that have exactly one of CLASSES.

    The terms and their order, including ties, are the same as in scikit-learn's ``CountVectorizer(max_features=...)``:
    lower case, at least two characters, most occurrences in total. Documents are in the order of the files. Only the
    counts, the document numbers and the distinct terms are in memory.

    Parameters
    ----------
    data_home : path-like, default=None
        Folder to look in first.
    verify : bool, default=True
        Accept only the official files.
    max_features : int, default=2000
        Number of terms D.

    Returns
    -------
    counts : Counts

    Raises
    ------
    DataError
        If a file is missing or damaged, if ``verify`` is True and a file is not official, or if the files do not belong
        together.
    """
    paths = {name: _find(name, data_home) for name in (*TOKENS, TOPICS)}
    topics = paths.pop(TOPICS)
    classes = read_topics(topics, str(topics))
    if verify and len(classes) != N_DOCUMENTS:
        raise _wrong_topics(topics, len(classes))
    totals, y = _first_pass(paths, classes, verify)
    left = set(classes).difference(y)
    if left:
        raise DataError(f"{topics} has a topic for document {min(left)}, which is in none of the token files "
                        f"({len(left)} such documents)")
    terms = sorted(totals)
    total = np.array([totals[term] for term in terms])
    chosen = np.sort((-total).argsort()[:max_features])  # the same call as in scikit-learn, so that ties have the same order
    terms = [terms[i] for i in chosen]
    matrix = _second_pass(paths, classes, {term: i for i, term in enumerate(terms)})
    return Counts(matrix, np.fromiter(y.values(), np.int64, len(y)), terms)


def _find(name: str, data_home: PathLike | None) -> Path:
    path = find([name, f"{name}.gz"], data_home)
    if path is None:
        raise not_found(f"{name}, or {name}.gz, of RCV1-v2",
                        f"; `decnp data fetch reuters` downloads it, or {NAME_A_FOLDER}")
    return path


def _first_pass(
    paths: Mapping[str, Path], classes: Mapping[int, int], verify: bool
) -> tuple[Counter[str], dict[int, int]]:
    """Return the number of occurrences of each term, and {document: class} in the order of the files."""
    totals: Counter[str] = Counter()
    y: dict[int, int] = {}
    with Progress("terms", unit="B", headline="counting the terms of RCV1-v2") as progress:
        for name, path in paths.items():
            digest = hashlib.sha256()
            for document, text in documents(path, str(path), digest, progress.update):
                if document in classes:
                    if document in y:
                        raise DataError(f"{path} has document {document} a second time")
                    totals.update(TERM.findall(text.lower()))
                    y[document] = classes[document]
            if verify:
                check_digest(path, name, "sha256", digest.hexdigest(), TOKENS[name])
    if not totals:
        raise DataError(f"{path} and the other token files have no term in a document of {', '.join(CLASSES)}")
    return totals, y


def _second_pass(
    paths: Mapping[str, Path], classes: Container[int], vocabulary: Mapping[str, int]
) -> csr_matrix:
    """Return the counts (n, D) of the terms in ``vocabulary``, which maps each term to its column."""
    from scipy.sparse import csr_matrix

    indices, data, indptr = array("i"), array("i"), array("q", [0])
    with Progress("counts", unit="B", headline="counting the terms of each document of RCV1-v2") as progress:
        for path in paths.values():
            for document, text in documents(path, str(path), hashlib.sha256(), progress.update):
                if document in classes:
                    counts = Counter(vocabulary[term] for term in TERM.findall(text.lower()) if term in vocabulary)
                    for index in sorted(counts):
                        indices.append(index)
                        data.append(counts[index])
                    indptr.append(len(indices))
    parts = (np.frombuffer(values, dtype) for values, dtype in ((data, np.int32), (indices, np.int32)))
    return csr_matrix((*parts, np.array(indptr, np.int32)), (len(indptr) - 1, len(vocabulary)))


# ---------------------------------------------------------------- the files

def documents(
    path: Path, name: str, digest: Digest, update: Callable[[int], object] = lambda length: None
) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of each document in a token file.

    ``name`` is the name of the file in messages. ``digest`` is updated with every byte, and ``update`` is called with the
    length of each chunk.
    """
    text: list[str] = []
    number = None
    for at, line in enumerate(_lines(path, name, digest, update), 1):
        if line.startswith(".I"):
            if number is not None:
                yield _document(number, text, name)
            words = line.split()
            if len(words) != 2 or words[0] != ".I" or not words[1].isdecimal():
                raise DataError(f"{name}, line {at}: must be .I and the number of a document; got {line[:40]!r}")
            number, text = int(words[1]), []
        elif number is None:
            if line:
                raise DataError(f"{name} must begin with .I and the number of a document; got {line[:40]!r}")
        elif not line.startswith(".W"):
            text.append(line)
    if number is None:
        raise DataError(f"{name} has no documents")
    yield _document(number, text, name)


def _document(number: int, lines: list[str], name: str) -> tuple[int, str]:
    text = " ".join(lines)
    if not text.strip():
        raise DataError(f"{name} is damaged: document {number} has no text")
    return number, text


def read_topics(path: Path, name: str) -> dict[int, int]:
    """Return {document: class} for the documents with exactly one of CLASSES among their topics."""
    classes: dict[int, int] = {}
    ambiguous = set()
    for at, line in enumerate(_lines(path, name, hashlib.sha256()), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not words[1].isdecimal() or words[2] != "1":
            raise DataError(f"{name}, line {at}: must be a topic, the number of a document and 1; got {line[:40]!r}")
        if words[0] in CLASSES:
            document = int(words[1])
            if document in classes:
                ambiguous.add(document)
            classes[document] = CLASSES.index(words[0])
    for document in ambiguous:
        del classes[document]
    if not classes:
        raise DataError(f"{name} has no document with exactly one of the topics {', '.join(CLASSES)}")
    return classes


def _lines(
    path: Path, name: str, digest: Digest, update: Callable[[int], object] = lambda length: None
) -> Iterator[str]:
    """Yield the lines of a file, gzipped or not, read in chunks; raise DataError if it is not text."""
    with open(path, "rb") as file:
        beginning = file.read(9)
        file.seek(0)
        check_no_web_page(name, beginning)
        zipped = beginning[:2] == b"\x1f\x8b"
        if path.suffix == ".gz" and not zipped:
            raise DataError(f"{name} is not a gzip file: it begins with {beginning!r}")
        source, rest = gzip.GzipFile(fileobj=file) if zipped else file, b""
        try:
            while chunk := source.read(READ_SIZE):
                digest.update(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > MAX_LINE:
                    raise DataError(f"{name} is damaged: it has a line of more than {MAX_LINE} bytes")
                yield from (line.decode().rstrip("\r") for line in lines)
                update(len(chunk))
            yield rest.decode()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{name} is damaged: it cannot be unzipped ({error})") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is damaged: it is not UTF-8 text ({error.reason})") from error


def _wrong_topics(name: object, n_documents: int) -> DataError:
    return DataError(f"{name} is not the official {TOPICS}: it gives {n_documents} documents with one of the topics "
                     f"{', '.join(CLASSES)}, not {N_DOCUMENTS}")


def _token_file(name: str) -> DataFile:
    """Return the description of a token file for ``decnp data``."""
    def check(path: Path, shown: str) -> str:
        digest = hashlib.sha256()
        for _ in documents(path, shown, digest):
            pass
        check_digest(shown, name, "sha256", digest.hexdigest(), TOKENS[name])
        return f"sha256 {TOKENS[name]}, unzipped"
    return DataFile((name, f"{name}.gz"), check, (f"{HOME}a12-token-files/{name}.gz",))


def _check_topics(path: Path, shown: str) -> str:
    n = len(read_topics(path, shown))
    if n != N_DOCUMENTS:
        raise _wrong_topics(shown, n)
    return f"{n} documents with exactly one of the topics {', '.join(CLASSES)}; an official digest is not known"


FILES = (*map(_token_file, TOKENS), DataFile((TOPICS, f"{TOPICS}.gz"), _check_topics,
                                             (f"{HOME}a08-topic-qrels/{TOPICS}.gz",)))
