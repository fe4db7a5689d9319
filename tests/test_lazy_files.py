"""Sparse .npz files, and .npy files that are larger than memory, from the command: the same results as dense ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from commands import QUICK, RESULTS, ROOT, outcome, start
from conftest import Mine, refused_file, sparse_blobs, twice
from numpy.testing import assert_allclose, assert_array_equal

from decnp import plotting
from decnp.exceptions import DataError
from decnp.io import tables
from decnp.io.row_reader import open_rows
from decnp.io.table_warnings import table_warnings
from decnp.io.tables import read_labels, read_table
from decnp.utils.rows import BLOCK, LazyRows, is_mapped

FORMATS = ("csr", "csc", "coo", "bsr", "dia")
LIMITED = """if True:
    import resource, sys
    from pathlib import Path
    from decnp.cli import main
    from decnp.io import tables
    tables.MMAP_THRESHOLD = 1 << 26  # bytes; 1 GiB takes long to read in a test
    assert main(sys.argv[1].split()) == 0  # the compiler takes memory too
    used = int(Path("/proc/self/status").read_text().split("VmData:")[1].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (used + (110 << 20),) * 2)
    for words in sys.argv[2:]:
        assert main(words.split()) == 0
"""


@pytest.fixture
def sparse(data):
    """The folder of ``data`` with other data: 60 rows in dense.npy, and sparse, with labels, in sparse.npz."""
    X = sparse_blobs(60)
    np.save("dense.npy", X)
    save_with("sparse.npz", sp.csr_array(X), y=np.arange(60) % 3)
    return X


def save_with(path, matrix, **others):
    """``save_npz``, with more arrays or others; one that is None is left out."""
    sp.save_npz(path, matrix)
    arrays = {**np.load(path), **others}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


# ---------------------------------------------------------------- the files

@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", FORMATS)
def test_what_save_npz_writes_is_read(tmp_path, form, kind):
    X = sparse_blobs(34)
    for dtype in ("?", "u1", "i8", "f4", "f8", "g"):
        x = (3 * np.abs(X)).astype(dtype)
        for compressed in (True, False):
            sp.save_npz(tmp_path / "x.npz", getattr(sp, f"{form}_{kind}")(x), compressed)
            table = read_table(tmp_path / "x.npz")
            assert isinstance(table.X, LazyRows) and table.X.source.format == "csr" and table.y is None
            assert_array_equal(table.X[:], x.astype(np.float32), strict=True)


@pytest.mark.parametrize("others, factor", [
    ({"indices": lambda a: a.astype("u8"), "indptr": lambda a: a.astype(">i8")}, 1),
    ({"data": lambda a: a.astype(">f8")}, 1), ({"data": lambda a: a.astype(">f2")}, 1),
    ({"format": lambda a: np.array("csr")}, 1),  # a string, as before SciPy 1.0
    ({"data": lambda a: np.append(a, np.nan), "indices": lambda a: np.append(a, -1)}, 1),  # room for more
    ({"data": lambda a: np.repeat(a, 2), "indices": lambda a: np.repeat(a, 2), "indptr": lambda a: 2 * a}, 2),
], ids=["indices", "byte order", "half precision", "word", "room", "places twice"])
def test_other_ways_to_store_the_same_matrix(tmp_path, others, factor):
    X = np.round(sparse_blobs(34), 1).astype(np.float16).astype(np.float64)
    save_with(tmp_path / "x.npz", sp.csr_array(X))
    arrays = np.load(tmp_path / "x.npz")
    save_with(tmp_path / "x.npz", sp.csr_array(X), **{name: how(arrays[name]) for name, how in others.items()})
    assert_array_equal(read_table(tmp_path / "x.npz").X[:], (factor * X).astype(np.float32))


def test_a_place_that_is_stored_twice_is_added_up_before_it_is_rounded(tmp_path):
    X = sparse_blobs()
    sp.save_npz(tmp_path / "x.npz", twice(X))
    assert_array_equal(read_table(tmp_path / "x.npz").X[:], X.astype(np.float32))
    sp.save_npz(tmp_path / "x.npz", sp.csr_array(([3e38, 3e38], [1, 1], [0, 2]), (1, 2)))
    assert refused_file(tmp_path / "x.npz") == (
        "FILE has values beyond float32: 1 of them, the first (6e+38) in row 1, column 2 (counted from 1)")


@pytest.mark.parametrize("coords", [[[0, 1, 1], [1, 0, 2]]])
def test_coordinates_in_one_array(tmp_path, coords):
    np.savez(tmp_path / "x.npz", format=b"coo", shape=(2, 3), data=[1.0, 2, 3], coords=coords)
    assert_array_equal(read_table(tmp_path / "x.npz").X[:], [[0, 1, 0], [2, 0, 3]])


@pytest.mark.parametrize("name", ["y", "labels"])
def test_labels_beside_a_sparse_matrix(tmp_path, name):
    save_with(tmp_path / "x.npz", sp.csc_array(np.eye(4)), **{name: list("abca")})
    assert read_table(tmp_path / "x.npz").y.tolist() == list("abca")
    assert read_labels(tmp_path / "x.npz", 4).tolist() == list("abca")
    save_with(tmp_path / "x.npz", sp.csc_array(np.eye(4)), **{name: [1, 2]})
    assert refused_file(tmp_path / "x.npz") == "FILE must hold one label for each of its 4 rows; got 2"


def test_an_array_called_X_is_the_table_whatever_lies_beside_it(tmp_path):
    save_with(tmp_path / "x.npz", sp.csr_array(np.eye(4)), X=np.ones((2, 2)))
    assert_array_equal(read_table(tmp_path / "x.npz").X, np.ones((2, 2)))


CSR = {"format": b"csr", "shape": (3, 4), "data": np.ones(4), "indices": [0, 3, 1, 2], "indptr": [0, 2, 2, 4]}
COO = {"format": b"coo", "shape": (3, 4), "data": np.ones(2), "row": [0, 2], "col": [3, 0]}
BSR = {"format": b"bsr", "shape": (4, 6), "data": np.ones((2, 2, 3)), "indices": [0, 1], "indptr": [0, 1, 2]}
DIA = {"format": b"dia", "shape": (3, 4), "data": np.ones((2, 4)), "offsets": [0, 1]}
INDPTR = "FILE is damaged: indptr must begin with 0, never fall and end at 4 at most; its number "
SIZES = "FILE is damaged: {} must have the shape {} for a matrix {} in the format {} with data {}; got {}"


@pytest.mark.parametrize("arrays, changed, sentence", [
    (CSR, {"indptr": [1, 2, 2, 4]}, INDPTR + "1 is 1"),
    (CSR, {"indptr": [0, 3, 2, 4]}, INDPTR + "3 is 2"),
    (CSR, {"indptr": [0, 2, 2, 5]}, INDPTR + "4 is 5"),
    (CSR, {"indptr": np.array([0, 2, 2**64 - 1, 4], "u8")}, INDPTR + "3 is -1"),
    (CSR, {"indptr": [0, 2, 4]}, SIZES.format("indptr", "(4,)", "(3, 4)", "csr", "(4,)", "(3,)")),
    (CSR, {"indptr": [[0, 2, 2, 4]]}, SIZES.format("indptr", "(4,)", "(3, 4)", "csr", "(4,)", "(1, 4)")),
    (CSR, {"indices": [0, 3, 1]}, SIZES.format("indices", "(4,)", "(3, 4)", "csr", "(4,)", "(3,)")),
    (CSR, {"indices": [0, 4, 1, 2]}, "FILE is damaged: indices must lie from 0 to 3; its number 2 is 4"),
    (CSR, {"indices": [0, 3, -1, 2]}, "FILE is damaged: indices must lie from 0 to 3; its number 3 is -1"),
    (CSR, {"indices": np.ones(4)}, "FILE is damaged: indices must hold whole numbers; got the dtype float64"),
    (CSR, {"indptr": np.array([0, 2, 2, 4], object)},
     "FILE (indptr) holds Python objects, which are never loaded; save it with a dtype of numbers"),
    (CSR, {"data": np.array([Mine()] * 4, object)},
     "FILE (data) holds Python objects, which are never loaded; save it with a dtype of numbers"),
    (CSR, {"data": np.ones(4, complex)}, "FILE must hold real numbers; got the dtype complex128"),
    (CSR, {"data": np.array(list("abcd"))}, "FILE must hold real numbers; got the dtype <U1"),
    (CSR, {"data": [1, 2, np.nan, np.inf]},
     "FILE has NaN or infinite values: 2 of them, the first (nan) in row 3, column 2 (counted from 1)"),
    (CSR, {"data": [1, -1e39, 2, 3]},
     "FILE has values beyond float32: 1 of them, the first (-1e+39) in row 1, column 4 (counted from 1)"),
    (CSR, {"data": np.ones((4, 1))}, "FILE is damaged: data must have 1 axis in the format csr; got the shape (4, 1)"),
    (CSR, {"indptr": None}, "FILE is damaged: a sparse matrix in the format csr must have an array called indptr; got "
                            "format, shape, data, indices"),
    (CSR, {"shape": None}, "FILE is damaged: a sparse matrix in the format csr must have an array called shape; got "
                           "format, data, indices, indptr"),
    (CSR, {"format": None}, "FILE must have an array called X or x, or only one with 2 axes; got shape (2,), "
                            "data (4,), indices (4,), indptr (4,)"),
    (CSR, {"shape": (-3, 4)}, "FILE is damaged: the shape of its sparse matrix must be whole numbers >= 0; got [-3, 4]"),
    (CSR, {"shape": (3.0, 4.0)},
     "FILE is damaged: the shape of its sparse matrix must be whole numbers >= 0; got [3.0, 4.0]"),
    (CSR, {"shape": (0, 4)}, "FILE must have at least one row and one column; got the shape (0, 4)"),
    (CSR, {"shape": (3, 0)}, "FILE must have at least one row and one column; got the shape (3, 0)"),
    (CSR, {"shape": (3,)}, "FILE must have the shape (n, D), one row for each sample; got (3,); X.reshape(-1, 1) makes "
                           "a column"),
    (CSR, {"shape": (3, 2**62)}, f"FILE must have at most 2097152 columns, as its rows are made dense some at a time; "
                                 f"got {2**62}"),
    (CSR, {"shape": (2**62, 4)},
     f"FILE is damaged, or next to empty: it announces {2**62} rows, and 4 numbers are there"),
    (COO, {"shape": (2**62, 4)},
     f"FILE is damaged, or next to empty: it announces {2**62} rows, and 2 numbers are there"),
    (CSR, {"format": b"lil"}, "FILE must hold a sparse matrix in the format csr, csc, bsr, coo or dia; got 'lil'"),
    (CSR, {"format": 3}, "FILE must hold a sparse matrix in the format csr, csc, bsr, coo or dia; got 3"),
    (CSR, {"format": [b"csr"]}, "FILE must hold a sparse matrix in the format csr, csc, bsr, coo or dia; got None"),
    (CSR, {"format": b"csc"}, SIZES.format("indptr", "(5,)", "(3, 4)", "csc", "(4,)", "(4,)")),
    (CSR, {"format": b"csc", "indptr": [0, 1, 2, 3, 4]},
     "FILE is damaged: indices must lie from 0 to 2; its number 2 is 3"),
    (COO, {"row": [0, 3]}, "FILE is damaged: row must lie from 0 to 2; its number 2 is 3"),
    (COO, {"col": [-1, 3]}, "FILE is damaged: col must lie from 0 to 3; its number 1 is -1"),
    (COO, {"col": [0]}, SIZES.format("col", "(2,)", "(3, 4)", "coo", "(2,)", "(1,)")),
    (COO, {"coords": [[0, 1], [2, 4]]}, "FILE is damaged: col must lie from 0 to 3; its number 2 is 4"),
    (COO, {"coords": [0, 1]}, SIZES.format("coords", "(2, 2)", "(3, 4)", "coo", "(2,)", "(2,)")),
    (BSR, {"shape": (4, 5)}, "FILE is damaged: blocks (2, 3) do not fill a matrix (4, 5)"),
    (BSR, {"data": np.ones((2, 0, 3))}, "FILE is damaged: blocks (0, 3) do not fill a matrix (4, 6)"),
    (BSR, {"indices": [0, 2]}, "FILE is damaged: indices must lie from 0 to 1; its number 2 is 2"),
    (BSR, {"indptr": [0, 1, 1, 1, 2]}, SIZES.format("indptr", "(3,)", "(4, 6)", "bsr", "(2, 2, 3)", "(5,)")),
    (DIA, {"offsets": [0]}, SIZES.format("offsets", "(2,)", "(3, 4)", "dia", "(2, 4)", "(1,)")),
    (DIA, {"offsets": [1, 1]}, "FILE is damaged: offset array contains duplicate values"),
])
def test_damaged_sparse_files(tmp_path, arrays, changed, sentence):
    np.savez(tmp_path / "x.npz", **{name: array for name, array in {**arrays, **changed}.items() if array is not None})
    assert refused_file(tmp_path / "x.npz") == sentence
    if "data" not in changed:  # predict reads them likewise; it finds numbers that are not finite in its blocks
        assert refused_file(tmp_path / "x.npz", open_rows) == sentence


def test_bytes_that_changed_in_a_sparse_file_never_crash(tmp_path):
    path, rng = tmp_path / "x.npz", np.random.default_rng(0)
    X = sparse_blobs(34)
    sp.save_npz(path, sp.csr_array(X), compressed=False)
    content = path.read_bytes()
    for _ in range(200):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert_array_equal(read_table(path).X[:], X.astype(np.float32))
        except DataError:
            pass


# ---------------------------------------------------------------- large .npy

@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", ">f8", "u1"])
def test_a_large_npy_stays_on_the_disk(tmp_path, monkeypatch, order, dtype):
    x = np.asarray(3 * np.abs(sparse_blobs(2 * BLOCK + 5)), dtype, order=order)
    np.save(tmp_path / "x.npy", x)
    assert isinstance(read_table(tmp_path / "x.npy").X, np.ndarray)
    monkeypatch.setattr(tables, "MMAP_THRESHOLD", x.size * 4)
    X = read_table(tmp_path / "x.npy").X
    assert isinstance(X, LazyRows) and is_mapped(X.source) and X.nbytes == 0
    assert_array_equal(X[:], x.astype(np.float32), strict=True)
    assert [sentence.startswith("the file has one column after the other") for sentence in table_warnings(X, ())] == (
        [True] * (order == "F"))
    monkeypatch.setattr(tables, "MMAP_THRESHOLD", x.size * 4 + 1)
    assert isinstance(read_table(tmp_path / "x.npy").X, np.ndarray)


@pytest.mark.parametrize("change, sentence", [
    (lambda x: np.put(x, 6 * BLOCK + 2, np.nan),
     f"FILE has NaN or infinite values, the first (nan) in row {BLOCK + 1}, column 3 (counted from 1)"),
    (lambda x: np.put(x, 6 * BLOCK - 1, 1e39),
     f"FILE has values beyond float32, the first (1e+39) in row {BLOCK}, column 6 (counted from 1)"),
    (lambda x: x.resize(x.size // 6 * 2, 3, 1, refcheck=False),
     f"FILE must have the shape (n, D), one row for each sample; got ({2 * BLOCK + 2}, 3, 1); X.reshape(len(X), -1) makes "
     "a row of each sample"),
])
def test_a_large_npy_is_checked_too(tmp_path, monkeypatch, change, sentence):
    monkeypatch.setattr(tables, "MMAP_THRESHOLD", 1)
    x = sparse_blobs(BLOCK + 1)
    change(x)
    np.save(tmp_path / "x.npy", x)
    assert refused_file(tmp_path / "x.npy") == sentence
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    assert refused_file(tmp_path / "x.npy").startswith("FILE is damaged: its header announces")


# ---------------------------------------------------------------- the command

def results(folder):
    return {name: Path(folder, name).read_bytes() for name in RESULTS if name != "run.json"}


def test_a_fit_gives_the_same_bits_however_the_rows_lie(sparse, says, monkeypatch):
    assert says("fit", "dense.npy", *QUICK, "--out", "dense", "-q")[0] == 0
    status, out, err = says("fit", "sparse.npz", *QUICK, "--out", "sparse")
    assert status == 0 and err.startswith(
        "decnp: sparse.npz: 60 rows of 6 columns, sparse; the labels are for the scores only\n")
    record = json.loads(Path("sparse/run.json").read_text())
    assert record["source"]["n_samples"] == 60 and record["source"]["n_features"] == 6 and record["scores"]
    monkeypatch.setattr(tables, "MMAP_THRESHOLD", 1)
    status, out, err = says("fit", "dense.npy", *QUICK, "--labels", "sparse.npz", "--out", "mapped")
    assert status == 0 and err.startswith(
        "decnp: dense.npy: 60 rows of 6 columns, read from the disk; the labels are for the scores only\n")
    assert json.loads(Path("mapped/run.json").read_text())["scores"] == record["scores"]
    assert results("dense") == results("sparse") == results("mapped")


def test_mistakes_with_sparse_rows(sparse, refused):
    np.savez("bad.npz", **{**CSR, "indptr": [0, 3, 2, 4]})
    assert refused("bad.npz") == INDPTR.replace("FILE", "bad.npz") + "3 is 2"
    sp.save_npz("few.npz", sp.csr_array(sparse[:2]))
    assert refused("few.npz") == "few.npz: X must have at least n_clusters = 3 samples; got n_samples = 2"
    assert refused("sparse.npz", "--label-column", "y").startswith("a label column (here 'y') needs a .csv file")
    assert refused("sparse.npz", "--labels", "few.npz").startswith("few.npz must have an array called y or labels")


def test_a_killed_run_on_sparse_rows_goes_on_to_the_same_end(sparse, says):
    longer = [*QUICK, "--set", "finetune_iter=100"]
    assert says("fit", "dense.npy", *longer, "--out", "alone", "-q")[0] == 0
    process = start("fit", "sparse.npz", *longer, "--checkpoint-every", "0", "--out", "run")
    while "finetune" not in process.stderr.readline():
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate(timeout=300)
    status, out, err = says("fit", "--resume", "run")
    assert status == 0 and "pretrain" not in err, err
    assert outcome("run") == outcome("alone")


@pytest.mark.parametrize("source, D", [("x.npz", 64), ("x.npy", 63)], ids=["sparse images", "columns on the disk"])
def test_a_report_has_all_its_pictures(data, says, monkeypatch, source, D):
    """At once, or later from the files."""
    X = sparse_blobs(60, D)
    np.save("x.npy", X)
    save_with("x.npz", sp.csr_array(X), y=np.arange(60) % 3)
    monkeypatch.setattr(tables, "MMAP_THRESHOLD", 1)
    assert says("fit", source, *QUICK, "--out", "run", "-q", *["--report"] * (D == 63))[0] == 0
    assert D == 63 or says("report", "run")[0] == 0
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "Not drawn" not in page and "left out" not in page
    assert page.count("</figcaption>") == (7 if D == 64 else 5)  # images twice, and classes; or a table of columns
    assert ("Each row of images" in page, "Clusters and classes" in page) == (D == 64, source == "x.npz")


def test_pictures_of_lazy_rows_are_those_of_dense_ones():
    X, labels = sparse_blobs(BLOCK + 9, dtype=np.float32), np.arange(BLOCK + 9) % 3
    X[:, 2] = 0.1  # a column that never changes
    lazy = LazyRows(sp.csr_array(X), np.float32)
    far = [plotting.cluster_columns(rows, labels).images[0].get_array() for rows in (X, lazy)]
    X = X.astype(np.float64)
    means = np.array([X[labels == j].mean(axis=0) for j in range(3)]) - X.mean(axis=0)
    spread = X.std(axis=0)
    means[:, 2], spread[2] = 0, 1
    for found in far:
        assert_allclose(found, (means / spread).T, rtol=1e-9, atol=1e-12)
    sheets = [plotting.cluster_montage(rows, labels, np.arange(len(X)), image_shape=(2, 3)).images[0].get_array()
              for rows in (X, lazy)]
    assert_array_equal(*sheets)


# ---------------------------------------------------------------- predictions

@pytest.mark.parametrize("form", FORMATS[:4])
def test_predictions_for_sparse_rows(sparse, says, form):
    X = sparse_blobs(BLOCK + 18)  # even, for blocks of 2 x 3
    assert says("fit", "dense.npy", *QUICK, "--out", "run", "-q")[0] == 0
    np.save("x.npy", X)
    sp.save_npz("x.npz", getattr(sp, f"{form}_array")(X))
    for flags in ([], ["--proba"]):
        for name in ("npy", "npz"):
            assert says("predict", "run/model.decnp", f"x.{name}", *flags, "--out", f"{name}.npy", "-q") == (0, "", "")
        assert Path("npy.npy").read_bytes() == Path("npz.npy").read_bytes()
    X[BLOCK + 3, 4] = np.inf
    sp.save_npz("x.npz", sp.csr_array(X))
    assert says("predict", "run/model.decnp", "x.npz")[::2] == (
        2, "decnp: error: x.npz has NaN or infinite values, the first (inf) in "
           f"row {BLOCK + 4}, column 5 (counted from 1)\n")


def test_a_machine_without_scipy_says_so(sparse, says, monkeypatch):
    assert says("fit", "dense.npy", *QUICK, "--out", "run", "-q")[0] == 0
    monkeypatch.setitem(sys.modules, "scipy", None)
    status, out, err = says("predict", "run/model.decnp", "sparse.npz")
    assert (status, out) == (2, "") and "sparse.npz holds a sparse matrix, and there is no SciPy to read it (" in err


# ---------------------------------------------------------------- bounded memory

@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts the same only on Linux")
def test_files_larger_than_the_memory_allowed(tmp_path):
    """120 MB in float32, of which all but the first rows are a hole in the file; and as many rows sparse."""
    n, D = 30_000, 1_000
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n, D))
    rng = np.random.default_rng(0)
    X[:500] = rng.random((500, D))
    np.save(tmp_path / "few.npy", X[:500])
    del X
    some = sp.csr_array((rng.random(2 * n), rng.integers(D, size=2 * n), np.arange(0, 2 * n + 1, 2)), (n, D))
    sp.save_npz(tmp_path / "S.npz", some, compressed=False)
    quick = " ".join(["--hidden 16,2 --max-iter 5 --n-clusters 2 --init k-means -q", *(f"--set {setting}" for setting in (
        "init_std=none", "pretrain_iter=0", "finetune_iter=5", "lr=0.01", "lr_by_spectrum=false"))])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIMITED, f"fit few.npy {quick}", f"fit X.npy {quick} --out run", f"fit S.npz {quick}",
         "predict run/model.decnp S.npz --out y.npy -q"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert len(np.load(tmp_path / "y.npy")) == len(np.load(tmp_path / "run/labels.npy")) == n
