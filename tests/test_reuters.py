"""REUTERS against scikit-learn, on small corpora in the official layout; the sample's file; broken files."""

import hashlib
import os
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from datafiles import HTML, TOKEN_FILES, TOPICS, names_in, put, rcv1_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from decnp.datasets import (
    DataError,
    UnofficialData,
    _rcv1,
    load_reuters,
    load_reuters10k,
    load_reuters10k_sample,
    reuters,
)
from decnp.datasets.reuters import tfidf

SAMPLE = Path(os.environ.get("DECNP_DATA", "")) / "reuters10k_counts.npz"  # before the tests change it
ROOTS = ["CCAT", "GCAT", "MCAT", "ECAT"]
STEMS = ["oil", "bank", "Vot", "gold-pric", "x", "é", "u.s", "a_1"]
WORDS = [f"{stem}{ending}" for stem in STEMS for ending in ("", "s", "ed", "7")]


def corpus(n=60, seed=0, words=WORDS):
    """(number, text, topics) of n documents in no order; two of three have one root topic."""
    rng = np.random.default_rng(seed)
    documents = []
    for number in rng.permutation(10 * n)[:n].tolist():
        tokens = rng.choice(words, rng.integers(1, 40)).tolist()
        text = "\n".join(" ".join(tokens[i:i + 7]) for i in range(0, len(tokens), 7))
        roots = rng.permutation(ROOTS)[:rng.choice([0, 1, 1, 1, 1, 2])].tolist()
        documents.append((number, text, ["C15", *roots, "E11"][: None if roots else 1]))
    return documents


def kept_of(documents):
    """Texts and classes of the documents with exactly one root topic."""
    kept = [(text, [ROOTS.index(topic) for topic in topics if topic in ROOTS]) for _, text, topics in documents]
    return [text for text, roots in kept if len(roots) == 1], [roots[0] for _, roots in kept if len(roots) == 1]


def theirs(documents, max_features=2000):
    """Counts, features and classes as the authors make them, with scikit-learn and everything in memory."""
    texts, y = kept_of(documents)
    counts = CountVectorizer(dtype=np.float64, max_features=max_features).fit_transform(texts)
    X = TfidfTransformer(norm="l2", sublinear_tf=True).fit_transform(counts)
    return counts.toarray(), X.toarray() * np.sqrt(X.shape[1]), np.array(y)


@pytest.fixture
def official(folders, monkeypatch):
    """corpus() is there, and is the official one."""
    files = rcv1_files(corpus())
    put(folders["env"], files)
    monkeypatch.setattr(_rcv1, "TOKENS", {name: hashlib.sha256(files[name]).hexdigest() for name in TOKEN_FILES})
    for module in (_rcv1, reuters):
        monkeypatch.setattr(module, "N_DOCUMENTS", len(kept_of(corpus())[0]))
    return folders


# ---------------------------------------------------------------- counts and tf-idf

@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("max_features", [1, 5, 13, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_scikit_learns(folders, seed, max_features, zipped):
    put(folders["env"], rcv1_files(corpus(seed=seed)), zipped)
    counts = _rcv1.count_terms(verify=False, max_features=max_features)
    wanted, _, y = theirs(corpus(seed=seed), max_features)
    assert_array_equal(counts.matrix.toarray(), wanted)
    assert_array_equal(counts.y, y)
    vectorizer = CountVectorizer(max_features=max_features).fit(kept_of(corpus(seed=seed))[0])
    assert counts.terms == vectorizer.get_feature_names_out().tolist()


TEXTS = st.lists(st.sampled_from([f"t{i}" for i in range(40)]), min_size=1, max_size=12)


@given(st.lists(TEXTS, min_size=1, max_size=12), st.integers(1, 30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equally_frequent_terms_are_chosen_as_scikit_learn_does(folders, documents, max_features):
    """Few occurrences of many terms: nearly every choice is among equals."""
    documents = [(i, " ".join(tokens), ["CCAT"]) for i, tokens in enumerate(documents)]
    put(folders["env"], {**dict.fromkeys(TOKEN_FILES, b".I 999999\n.W\nnothing\n"), **{
        name: content for name, content in rcv1_files(documents).items() if content}})
    counts = _rcv1.count_terms(verify=False, max_features=max_features)
    assert_array_equal(counts.matrix.toarray(), theirs(documents, max_features)[0])


def test_tfidf_is_the_formula():
    rng = np.random.default_rng(0)
    tf = rng.poisson(0.4, (50, 30)) * (np.arange(50) != 7)[:, None]
    idf = np.log((1 + 50) / (1 + (tf > 0).sum(axis=0))) + 1
    wanted = np.where(tf, 1 + np.log(np.maximum(tf, 1)), 0) * idf
    length = np.sqrt(np.square(wanted).sum(axis=1, keepdims=True))
    wanted = wanted / np.where(length, length, 1) * np.sqrt(30)
    for counts in (csr_matrix(tf), csr_matrix(tf.astype(np.int32))):
        X = tfidf(counts)
        assert X.dtype == np.float32 and X.format == "csr"
        assert_allclose(X.toarray(), wanted, rtol=2e-7)  # rounded once to float32
        assert not X.toarray()[7].any()
        assert_array_equal(counts.toarray(), tf)  # untouched
    assert_allclose(np.square(wanted).sum(1)[np.arange(50) != 7], 30)  # ||x||^2 / D = 1
    assert_array_equal(tfidf(csr_matrix(tf)[20:30], csr_matrix(tf)).toarray(), X.toarray()[20:30])  # the idf of all 50


def test_tfidf_works_in_blocks(monkeypatch):
    counts = csr_matrix(np.random.default_rng(1).poisson(0.4, (50, 30)))
    whole = tfidf(counts)
    monkeypatch.setattr(reuters, "ROWS_PER_BLOCK", 7)
    assert_array_equal(tfidf(counts).toarray(), whole.toarray())


def test_tfidf_by_hand():
    """Two documents, the first term in both: idf 1; the second in one: ln(3 / 2) + 1 = 1.405; tf 5 counts 1 + ln 5."""
    X = tfidf(csr_matrix([[1, 5], [5, 0]])).toarray()
    row = np.array([1, (1 + np.log(5)) * (np.log(1.5) + 1)])
    assert_allclose(X, [row / np.sqrt(row @ row) * np.sqrt(2), [np.sqrt(2), 0]], rtol=2e-7)


# ---------------------------------------------------------------- the loaders

def test_all_documents_in_the_authors_order(official):
    X, y = load_reuters()
    _, features, classes = theirs(corpus())
    order = np.random.RandomState(1234).permutation(len(classes))
    assert X.format == "csr" and X.dtype == np.float32 and y.dtype == np.int64
    assert_allclose(X.toarray(), features[order], rtol=2e-7)
    assert_array_equal(y, classes[order])


def test_10k_is_the_first_of_them_with_the_idf_of_all(folders):
    documents = [(i, f"word{i % 7} word{i % 11} rest", ["GCAT"]) for i in range(10_020)]
    put(folders["env"], rcv1_files(documents))
    with pytest.warns(UnofficialData):
        X, y = load_reuters10k(verify=False)
    order = np.random.RandomState(1234).permutation(10_020)[:10_000]
    assert isinstance(X, np.ndarray) and X.flags.c_contiguous and X.dtype == np.float32 and y.shape == (10_000,)
    assert_allclose(X, theirs(documents)[1][order], rtol=2e-7)


def test_the_counts_are_kept(official, monkeypatch):
    first = load_reuters10k()
    assert names_in(official["cache"]) == ["rcv1-counts-v1.npz"]
    monkeypatch.setattr(reuters, "count_terms", None)  # not called again
    for one, other in zip(first, load_reuters10k()):
        assert_array_equal(one, other)
    assert_array_equal(load_reuters()[0].toarray(), first[0])
    path = official["cache"] / "rcv1-counts-v1.npz"
    monkeypatch.setattr(reuters, "N_DOCUMENTS", 7)
    with pytest.raises(DataError, match=r"rcv1-counts-v1\.npz must hold 7 documents; got \d+; delete it"):
        load_reuters()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_reuters()


def test_counts_that_cannot_be_kept_are_made_each_time(official):
    official["cache"].rmdir()
    official["cache"].write_text("a file where the folder should be")
    assert_array_equal(load_reuters10k()[0], load_reuters10k()[0])


def test_the_order_of_the_official_documents():
    assert np.random.RandomState(1234).permutation(685_071)[:4].tolist() == [367295, 597263, 224712, 522469]
    assert _rcv1.N_DOCUMENTS == 685_071


def test_unofficial_files_are_refused_unless_asked_for(folders):
    put(folders["env"], rcv1_files(corpus()))
    with pytest.raises(DataError, match=rf"{TOPICS} is not the official {TOPICS}: it gives \d+ doc.*, not 685071$"):
        load_reuters10k()
    with pytest.warns(UnofficialData, match="used without a check, so results are not results on REUTERS") as warned:
        load_reuters10k(verify=False)
    assert warned[0].filename == __file__
    assert names_in(folders["cache"]) == []


def test_unofficial_files_are_read_even_where_counts_of_the_official_ones_are_kept(official):
    kept, _ = load_reuters10k()
    put(official["env"], rcv1_files(corpus(30, seed=1)))
    with pytest.warns(UnofficialData):
        assert len(load_reuters10k(verify=False)[0]) == len(kept_of(corpus(30, seed=1))[0]) != len(kept)
    assert_array_equal(load_reuters10k()[0], kept)


def test_tokens_are_never_all_in_memory(folders, monkeypatch):
    """Ten times as long texts of the same terms take as much memory."""
    monkeypatch.setattr(_rcv1, "READ_SIZE", 1 << 14)

    def peak():
        tracemalloc.start()
        _rcv1.count_terms(verify=False)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peaks = []
    for length in (100, 1000):
        rng = np.random.default_rng(0)
        lines = rng.choice([f"t{i} t{j} t{i + j}" for i in range(9) for j in range(9)], (60, length // 3))
        documents = [(i, "\n".join(line), ["MCAT"]) for i, line in enumerate(lines)]
        put(folders["env"], rcv1_files(documents))
        peaks.append(min(peak() for _ in range(2)))  # the other threads of a test run may allocate during one of the two
    assert peaks[1] < peaks[0] + 300_000  # one text is 4 kB, its tokens 60 kB; all tokens are 3.6 MB


# ---------------------------------------------------------------- broken files

DOCUMENTS = [(i, f"word{i} more", [ROOTS[i % 4]]) for i in range(10)]
GOOD = rcv1_files(DOCUMENTS)
FIRST, LAST = TOKEN_FILES[0], TOKEN_FILES[-1]
BROKEN = {
    "no number": ({FIRST: b".I x\n.W\na b\n"}, rf"{FIRST}, line 1: must be \.I and the number .*; got '\.I x'"),
    "no .I": ({FIRST: b"word\n"}, rf"{FIRST} must begin with \.I and the number of a document; got 'word'"),
    "empty": ({FIRST: b""}, rf"{FIRST} has no documents"),
    "no text": ({FIRST: b".I 0\n.W\n\n.I 1\n.W\nword\n"}, rf"{FIRST} is damaged: document 0 has no text"),
    "twice": ({LAST: GOOD[FIRST]}, rf"{LAST} has document 0 a second time"),
    "binary": ({FIRST: b".I 0\n.W\n\xff\xfe\n"}, rf"{FIRST} is damaged: it is not UTF-8 text"),
    "one line": ({FIRST: b".I 0\n.W\n" + b"word " * 500_000}, rf"{FIRST} is damaged: it has a line of more than"),
    "html": ({FIRST: HTML}, rf"{FIRST} is a web page, not the official file: it begins with b'<!DOCTYPE'"),
    "missing document": ({LAST: b".I 99\n.W\nword\n"}, rf"{TOPICS} has a topic for document 8, .*\(2 such"),
    "topic": ({TOPICS: b"CCAT 1 1\nCCAT x 1\n"}, rf"{TOPICS}, line 2: must be a topic, the number of a document and 1"),
    "columns": ({TOPICS: b"CCAT 1\n"}, rf"{TOPICS}, line 1: must be a topic, .*; got 'CCAT 1'"),
    "value": ({TOPICS: b"CCAT 1 0\n"}, rf"{TOPICS}, line 1: must be a topic, .*; got 'CCAT 1 0'"),
    "no topics": ({TOPICS: b""}, rf"{TOPICS} has no document with exactly one of the topics CCAT, GCAT, MCAT, ECAT"),
    "no terms": ({TOPICS: b"CCAT 0 1\n", FIRST: b".I 0\n.W\na b c\n"}, "have no term in a document of CCAT"),
}


@pytest.mark.parametrize("why", BROKEN)
def test_broken_files_are_named(folders, why):
    changed, says = BROKEN[why]
    put(folders["env"], {**GOOD, **changed})
    with pytest.raises(DataError, match=f"^{re.escape(str(folders['env']))}.*{says}"):
        load_reuters10k(verify=False)


@pytest.mark.parametrize("broken, says", [
    (lambda zipped: zipped[:-9], "is damaged: it cannot be unzipped"),
    (lambda zipped: zipped[:20] + b"xxxx" + zipped[24:], "is damaged: it cannot be unzipped"),
    (lambda zipped: HTML, "is a web page, not the official file"),
    (lambda zipped: b"plain text", "is not a gzip file: it begins with b'plain tex'"),
], ids=["truncated", "garbled", "html", "not zipped"])
@pytest.mark.parametrize("name", [FIRST, TOPICS])
def test_broken_gz_files_are_named(folders, name, broken, says):
    put(folders["env"], GOOD, zipped=True)
    path = folders["env"] / f"{name}.gz"
    path.write_bytes(broken(path.read_bytes()))
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} {says}"):
        load_reuters10k(verify=False)


def test_one_wrong_bit_is_noticed(official):
    path = official["env"] / LAST
    content = path.read_bytes()
    path.write_bytes(content.replace(b"7\n", b"6\n", 1))
    with pytest.raises(DataError, match=rf"{LAST} is not the official {LAST}: its sha256 is \w{{64}}, not \w{{64}}$"):
        load_reuters10k()
    assert names_in(official["cache"]) == []


@pytest.mark.parametrize("name", [*TOKEN_FILES, TOPICS])
def test_a_file_that_is_nowhere(official, name):
    (official["env"] / name).unlink()
    with pytest.raises(DataError, match=rf"^{name}, or {name}\.gz, of RCV1-v2 is in none of the data folders"):
        load_reuters()


# ---------------------------------------------------------------- the sample

def sample_arrays(**changes):
    """A small file in the layout of reuters10k_counts.npz."""
    counts = csr_matrix(np.random.default_rng(0).poisson(0.3, (20, 12)))
    return {"counts": counts.data.astype(np.uint16), "indices": counts.indices.astype(np.uint16),
            "indptr": counts.indptr.astype(np.int32), "shape": np.array(counts.shape),
            "y": np.arange(20, dtype=np.uint8) % 4,
            "class_names": np.array(ROOTS), "term_ids": np.arange(12, dtype=np.int32), **changes}


def test_the_sample(folders):
    np.savez_compressed(folders["env"] / "reuters10k_counts.npz", **sample_arrays())
    with pytest.raises(DataError, match="is not the expected sample: its sha256 is"):
        load_reuters10k_sample()
    with pytest.warns(UnofficialData, match=r"reuters10k_counts\.npz: used without a check") as warned:
        X, y = load_reuters10k_sample(verify=False)
    assert warned[0].filename == __file__  # the caller's line
    arrays = sample_arrays()
    counts = csr_matrix((arrays["counts"].astype(float), arrays["indices"], arrays["indptr"]), (20, 12))
    wanted = TfidfTransformer(norm="l2", sublinear_tf=True).fit_transform(counts).toarray() * np.sqrt(12)
    assert_allclose(X, wanted, rtol=2e-7)
    assert X.dtype == np.float32 and X.flags.c_contiguous and y.dtype == np.int64
    assert_array_equal(y, np.arange(20) % 4)


def changed(name, at, value):
    array = sample_arrays()[name].astype(np.int64)
    array[at] = value
    return {name: array}


@pytest.mark.parametrize("changes, says", [
    (changed("y", 3, 4), "y must hold labels from 0 to 3"),
    (changed("y", 3, -1), "y must hold labels from 0 to 3"),
    ({"y": np.zeros(19, int)}, "y must hold one label for each row"),
    ({"y": np.zeros(20)}, "y must hold whole numbers on one axis; got float64"),
    ({"y": np.zeros((20, 1), int)}, r"y must hold whole numbers on one axis; got int64 of the shape \(20, 1\)"),
    (changed("counts", 0, 0), "counts must be >= 1"),
    (changed("indices", 0, 12), "indices must be columns"),
    (changed("indices", 0, -1), "indices must be columns"),
    ({"indices": np.zeros(3, int)}, "indices must hold one column for each count"),
    (changed("indptr", 0, 1), "indptr must rise from 0"),
    (changed("indptr", -1, 3), "indptr must rise from 0"),
    (changed("indptr", 4, 0), "indptr must rise from 0"),
    ({"shape": np.array([21, 12])}, "y must hold one label for each row"),
    ({"shape": np.array([20])}, "shape must be two numbers >= 1"),
    ({"counts": np.zeros(0, int)}, "counts must hold whole numbers on one axis"),
    (changed("indices", slice(0, 2), 1), "the columns of a row must rise"),
])
@pytest.mark.filterwarnings("ignore::decnp.datasets.UnofficialData")
def test_a_damaged_sample_is_named(folders, changes, says):
    path = folders["env"] / "reuters10k_counts.npz"
    np.savez(path, **sample_arrays(**changes))
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} is damaged: {says}"):
        load_reuters10k_sample(verify=False)


@pytest.mark.filterwarnings("ignore::decnp.datasets.UnofficialData")
def test_a_sample_that_is_none(folders):
    with pytest.raises(DataError, match=r"^reuters10k_counts\.npz is in none of the data folders, and cannot be downl"):
        load_reuters10k_sample()
    arrays = sample_arrays()
    del arrays["indptr"]
    np.savez(folders["env"] / "reuters10k_counts.npz", **arrays)
    with pytest.raises(DataError, match=r"reuters10k_counts\.npz must have an array called indptr; got counts, ind"):
        load_reuters10k_sample(verify=False)
    (folders["env"] / "reuters10k_counts.npz").write_bytes(HTML)
    with pytest.raises(DataError, match=r"reuters10k_counts\.npz is damaged, or is not a \.npz file"):
        load_reuters10k_sample(verify=False)


@pytest.mark.skipif(not SAMPLE.is_file(), reason="needs reuters10k_counts.npz in $DECNP_DATA")
def test_the_real_sample():
    X, y = load_reuters10k_sample(data_home=SAMPLE.parent)
    assert X.shape == (10_000, 2000) and X.dtype == np.float32
    assert np.bincount(y).tolist() == [4128, 2269, 2815, 788]
    assert_allclose(np.square(X, dtype=np.float64).sum(axis=1) / 2000, 1, rtol=1e-5)  # ||x||^2 / D = 1
    assert (X != 0).sum() == 600_894
