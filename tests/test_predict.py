"""``decnp predict`` and ``decnp info``: a trained model from the command line, on NumPy alone and in bounded memory."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import whole
from conftest import QUICK, blobs
from hostile_models import CORRUPTIONS, zipped
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from decnp import DEC
from decnp.cli.run_predict import run_predict
from decnp.inference import Model, load_model
from decnp.io import row_reader
from decnp.io.tables import read_labels
from decnp.persistence import from_arrays, save
from decnp.utils import progress
from decnp.utils.rows import BLOCK

ROOT = Path(__file__).parents[1]
N = 2 * BLOCK + 17  # more than goes through at once, and no multiple of that


@pytest.fixture(scope="module", params=["float32", "float64"])
def model_file(request, X, tmp_path_factory):
    """A small model with a shift for each column."""
    path = tmp_path_factory.mktemp("model") / "model.decnp"
    profile = type(QUICK)(**{**vars(QUICK), "center": True})
    DEC(3, hidden_layer_sizes=(8, 2), profile=profile, alpha=2.5, dtype=request.param, random_state=0).fit(X).save(path)
    return path


@pytest.fixture
def work(model_file, tmp_path, monkeypatch):
    """A folder to work in, with m.decnp, and many rows in x.npy; returns the model and the rows."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(model_file, "m.decnp")
    x = blobs(N, spread=2.0)
    np.save("x.npy", x)
    return load_model("m.decnp"), x


@pytest.fixture
def refused(says):
    """Runs the command here; it must end with status 2 and one sentence, which is returned, and write nothing."""
    def refused(*argv):
        before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
        status, out, err = says(*argv)
        assert (status, out) == (2, ""), err
        assert err.startswith("decnp: error: ") and err.count("\n") == 1 and err.endswith("\n"), err
        assert {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
        return err[len("decnp: error: "):-1]
    return refused


class Stdin:
    """Standard input that holds these bytes."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)


def saved(x):
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


# ---------------------------------------------------------------- what comes out

def test_labels_of_a_fit_come_back_for_its_rows(tmp_path, monkeypatch, says):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", blobs(300))
    settings = ["--hidden", "8,2", "--n-clusters", "3", "--max-iter", "40", "--set", "finetune_iter=40"]
    assert says("fit", "x.npy", *settings, "--out", "run", "-q")[0] == 0
    assert says("predict", "run/model.decnp", "x.npy", "--out", "again.npy", "-q") == (0, "", "")
    assert Path("again.npy").read_bytes() == Path("run/labels.npy").read_bytes()
    assert says("predict", "run/model.decnp", "x.npy", "--embed", "--out", "z.npy", "-q")[0] == 0
    assert_array_equal(np.load("z.npy"), np.load("run/embedding.npy"))


@pytest.mark.parametrize("flags, method", [([], "predict"), (["--proba"], "predict_proba"), (["--embed"], "transform")])
def test_what_is_printed_and_written(work, says, flags, method):
    model, x = work
    wanted = getattr(model, method)(x)
    status, out, err = says("predict", "m.decnp", "x.npy", *flags)
    assert (status, err) == (0, "")
    assert_array_equal(np.loadtxt(out.splitlines(), delimiter=",", dtype=wanted.dtype), wanted)  # every digit
    assert says("predict", "m.decnp", "x.npy", *flags, "--out", "a.NPY")[2] == (
        f"decnp: {(flags or ['--labels'])[0][2:]} of {N} rows written to a.NPY\n")
    assert Path("a.NPY").read_bytes() == saved(wanted)  # what np.save writes
    assert says("predict", "m.decnp", "x.npy", *flags, "--out", "a.csv", "-q") == (0, "", "")
    k = wanted[:1].size
    names = {"predict": "cluster", "predict_proba": "q0,q1,q2", "transform": "z0,z1"}[method]
    assert names.count(",") == k - 1 and Path("a.csv").read_text() == f"{names}\n{out}"


def test_labels_are_one_to_a_line(work, says):
    model, x = work
    assert says("predict", "m.decnp", "x.npy")[1] == "".join(f"{label}\n" for label in model.predict(x))


@pytest.mark.parametrize("kind", ["?", "u1", "i2", ">i8", "f2", "<f4", ">f4", "f8", "g"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_npy_of_real_numbers(work, says, kind, order):
    model, x = work
    x = np.asarray(np.abs(x) > 1 if kind == "?" else np.abs(x) * 3, kind, order=order)
    np.save("x.npy", x)
    assert says("predict", "m.decnp", "x.npy", "--embed", "--out", "z.npy", "-q") == (0, "", "")
    assert_array_equal(np.load("z.npy"), model.transform(x))


def csv(x, head="", labels=None):
    lines = [",".join(map(repr, row)) for row in x.tolist()]
    if labels is not None:
        lines = [f"{label},{line}" for label, line in zip(labels, lines)]
    return "\n".join([head] * bool(head) + lines) + "\n"


@pytest.mark.parametrize("source", ["npz", "csv", "named", "stdin csv", "stdin npy", "stdin Fortran"])
def test_where_rows_come_from(work, says, monkeypatch, source):
    model, x = work
    data = "x.csv"
    if source == "npz":
        data = "x.npz"
        np.savez(data, X=x, y=np.arange(N))
    elif source == "csv":
        Path(data).write_text(csv(x))
    elif source == "named":  # the labels are not looked at: some are missing
        Path(data).write_text(csv(x, "Label,a,b,c,d,e,f", [""] + ["x"] * (N - 1)))
    else:
        data = "-"
        content = csv(x).encode() if source == "stdin csv" else saved(np.asfortranarray(x) if "F" in source else x)
        monkeypatch.setattr(sys, "stdin", Stdin(content))
    assert says("predict", "m.decnp", data, "--embed", "--out", "z.npy", "-q") == (0, "", "")
    assert_array_equal(np.load("z.npy"), model.transform(x))  # in float64 too: nothing is rounded to float32 on the way


def test_one_row_and_a_link_to_write_to(work, says):
    model, x = work
    np.save("x.npy", x[:1])
    os.symlink("real.npy", "link.npy")
    assert says("predict", "m.decnp", "x.npy", "--proba", "--out", "link.npy", "-q")[0] == 0
    assert os.path.islink("link.npy") and np.load("real.npy").shape == (1, 3)


def test_each_thread_takes_a_block_and_the_bits_are_those_of_one_thread(work, says, monkeypatch):
    model, x = work
    wanted, embed, names = model.transform(x), Model._embed, set()

    def watched(self, x):
        names.add(threading.current_thread().name)
        return embed(self, x)
    monkeypatch.setattr(Model, "_embed", watched)
    with threadpool_limits(2, "blas"):
        assert says("predict", "m.decnp", "x.npy", "--embed", "--out", "z.npy", "-q") == (0, "", "")
    assert_array_equal(np.load("z.npy"), wanted)
    assert names and all(name.startswith("decnp") for name in names)


# ---------------------------------------------------------------- real processes

def test_a_pipe_in_and_a_pipe_out(work):
    model, x = work
    for content in (saved(x), csv(x).encode()):
        done = subprocess.run([sys.executable, "-W", "error", "-m", "decnp", "predict", "m.decnp", "-"], input=content,
                              capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.split() == [b"%d" % label for label in model.predict(x)]


def test_numpy_is_all_that_is_imported(work):
    Path("x.csv").write_text(csv(work[1][:5]))
    program = """if True:
        import sys
        for name in ("scipy", "sklearn", "numba", "llvmlite", "threadpoolctl", "joblib", "onnx"):
            sys.modules[name] = None  # importing it raises ImportError
        from decnp.cli import main
        for words in ("predict m.decnp x.npy --out y.npy", "predict m.decnp x.csv", "info m.decnp"):
            assert main(words.split()) == 0
        assert not {"ssl", "http.client", "urllib.request"} & set(sys.modules), "a cold start needs no network"
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr


NEEDED = {
    "__init__", "equations", "exceptions", "inference", "layers", "profiles", "io/__init__", "io/array_file", "io/atomic",
    "io/model_file", "io/safetensors", "utils/__init__", "utils/rows", "utils/validation"}
OF_A_RECIPE = {"io/cells", "io/prepared_rows", "io/raw_columns", "io/recipe"}
OF_A_ZIP = {"io/archive"}


@pytest.fixture(scope="module")
def recipe_model(tmp_path_factory):
    """A model file with a recipe."""
    path = tmp_path_factory.mktemp("model") / "recipe.decnp"
    frame = pd.DataFrame(blobs(60, n_features=2), columns=["a", "b"]).assign(kind=["x", "y", "z"] * 20)
    prepare = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["kind"])])
    save(make_pipeline(prepare, DEC(3, hidden_layer_sizes=(4, 2), profile=QUICK, random_state=0)).fit(frame), path)
    return path


@pytest.mark.parametrize("kind", ["plain", "recipe", "zip"])
def test_these_files_alone_predict(work, recipe_model, tmp_path, kind):
    """The lists in docs/deployment.md of what to ship: no file too few, none too many."""
    files = NEEDED | {"plain": set(), "recipe": OF_A_RECIPE, "zip": OF_A_ZIP}[kind]
    rows = {"a": [0.5, None, "1"], "b": [1, "NA", 3], "kind": ["x", "y", "z"]} if kind == "recipe" else work[1][:50].tolist()
    if kind == "recipe":
        shutil.copy(recipe_model, "m.decnp")
    elif kind == "zip":
        Path("m.decnp").write_bytes(zipped(Path("m.decnp").read_bytes()))
    Path("rows.json").write_text(json.dumps(rows))
    ship = tmp_path / "ship"
    for name in files:
        (ship / "decnp" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "decnp" / f"{name}.py", ship / "decnp" / f"{name}.py")
    numpy = Path(np.__file__).parent
    for package in (numpy, numpy.with_name("numpy.libs")):
        if package.exists():
            os.symlink(package, ship / package.name)
    program = """if True:
        import json, sys
        sys.path.insert(0, "ship")
        from decnp.inference import load_model
        with open("rows.json") as file:
            print(*load_model("m.decnp").predict(json.load(file)))
        names = (module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "decnp")
        print(*names, sep="\\n")
    """
    done = subprocess.run([sys.executable, "-I", "-S", "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    labels, *used = done.stdout.splitlines()
    assert [int(label) for label in labels.split()] == load_model("m.decnp").predict(rows).tolist()
    assert {Path(name).resolve().relative_to(ship / "decnp").with_suffix("").as_posix() for name in used} == files


def test_the_page_lists_these_files():
    page = (ROOT / "docs" / "deployment.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("- ") and ".py`" in line]
    assert [set(re.findall(r"`([\w/]+)\.py`", line)) for line in lines] == [NEEDED, OF_A_RECIPE, OF_A_ZIP]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_long_npy_takes_little_memory(tmp_path, monkeypatch, order):
    """480 MB, zeros but for the last row, with 48 MB more than after a first small file."""
    monkeypatch.chdir(tmp_path)
    n, D = 300_000, 200
    x = blobs(150, D)
    dec = DEC(3, hidden_layer_sizes=(2,), profile=QUICK, random_state=0).fit(x)
    dec.save("m.decnp")
    nowhere = dec.predict(np.zeros((1, D)))[0]
    other = x[np.flatnonzero(dec.labels_ != nowhere)[0]]
    np.save("small.npy", np.asarray(np.tile(x, (20, 1)), order=order))
    with open("long.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": order == "F", "shape": (n, D)})
        file.truncate(file.tell() + n * D * 8)
    mapped = np.load("long.npy", mmap_mode="r+")
    mapped[-1] = other
    del mapped
    program = """if True:
        import resource
        from decnp.cli import main
        assert main(["predict", "m.decnp", "small.npy", "--out", "small.csv", "-q"]) == 0
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (48 << 20),) * 2)
        assert main(["predict", "m.decnp", "long.npy", "--out", "long.out.npy"]) == 0
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    labels = np.load("long.out.npy")
    assert len(labels) == n and (labels[:-1] == nowhere).all() and labels[-1] == dec.predict([other])[0]


# ---------------------------------------------------------------- what is refused

def spoiled(x, value, row, column):
    x = x.astype(np.float64)
    x[row, column] = value
    return x


@pytest.mark.parametrize("bad, sentence", [
    (lambda x: x[:, :5], "x.npy must have the 6 columns that m.decnp takes; got 5"),
    (lambda x: x[0], "x.npy must have the shape (n, D), one row for each sample; got (6,); X.reshape(-1, 1) makes a"),
    (lambda x: x[:0], "x.npy must have at least one row and one column; got the shape (0, 6)"),
    (lambda x: x + 1j, "x.npy must hold real numbers; got the dtype complex128"),
    (lambda x: x.astype("U9"), "x.npy must hold real numbers; got the dtype <U9"),
    (lambda x: x.astype(object), "x.npy holds Python objects, which are never loaded"),
    (lambda x: spoiled(x, np.nan, BLOCK + 4, 2),
     f"x.npy has NaN or infinite values, the first (nan) in row {BLOCK + 5}, column 3 (counted from 1)"),
    (lambda x: np.asfortranarray(spoiled(x, -np.inf, N - 1, 5)),
     f"x.npy has NaN or infinite values, the first (-inf) in row {N}, column 6 (counted from 1)"),
    (lambda x: spoiled(x, 1e300, BLOCK + 1, 0), f"row {BLOCK + 2}"),
], ids=["columns", "one axis", "no rows", "complex", "words", "objects", "nan", "inf", "too large"])
@pytest.mark.parametrize("out", [[], ["--out", "kept.npy"]], ids=["printed", "written"])
def test_rows_that_are_refused(work, refused, bad, sentence, out):
    Path("kept.npy").write_text("an earlier result")
    np.save("x.npy", bad(work[1]), allow_pickle=True)
    assert sentence in refused("predict", "m.decnp", "x.npy", *out, "-q")


def test_what_overflows_is_said(work, refused):
    model, x = work
    value = {"float32": 1e38, "float64": 1e300}[model.dtype.name]
    np.save("x.npy", spoiled(x, value, 7, 0))
    assert refused("predict", "m.decnp", "x.npy") == (
        f"x.npy: row 8 (counted from 1) is too large for this model, its embedding overflows {model.dtype}")
    if model.dtype == "float32":
        np.save("x.npy", spoiled(x, 1e39, 7, 0))
        assert "x.npy has values beyond float32, the first (1e+39) in row 8" in refused("predict", "m.decnp", "x.npy")
    for head in ("", "a,b,c,d,e,f"):  # the line of names is no row
        Path("x.csv").write_text(csv(spoiled(x, value, 7, 0), head))
        assert "x.csv: row 8 (counted from 1" + ", without the line of names" * bool(head) + ") is too large" in refused(
            "predict", "m.decnp", "x.csv")


@pytest.mark.parametrize("name, content, sentence", [
    ("x.csv", b"", "x.csv is empty"),
    ("x.csv", b"a,b,c,d,e,f\n", "x.csv has a line of names and no rows"),
    ("x.csv", b"1,2,3,4,5,6\n1,2,3\n", "x.csv, line 2 has 3 columns"),
    ("x.csv", b"1,2,3,4,5,6\n1,2,x,4,5,6\n", "x.csv, line 2, column 3: 'x' is not a number"),
    ("x.csv", b"1,2,3,4,5,6\n1,2,nan,4,5,6\n", "the first (nan) in row 2, column 3"),
    ("x.npz", b"PK", "x.npz is damaged, or is not a .npz file"),
    ("x.npy", saved(np.ones((9, 6)))[:-1], "x.npy is damaged: its header announces 432 bytes of data, and 431 are"),
    ("x.npy", saved(np.ones((9, 6))) + b"!", "x.npy is damaged: its header announces 432 bytes of data, and 433 are"),
    ("x.json", b"1,2", "x.json must be a .npy, .npz, .csv, .tsv or .txt file; got the ending '.json'"),
    ("-", b"", "standard input is empty"),
    ("-", saved(np.ones((9, 6)))[:-1], "standard input is damaged: its header announces"),
    ("-", b"1,2\n", "standard input must have the 6 columns that m.decnp takes; got 2"),
    ("-", b"PK\x03\x04\xff", "standard input is not text in UTF-8"),
])
def test_files_that_are_refused(work, refused, monkeypatch, name, content, sentence):
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    if name != "-":
        Path(name).write_bytes(content)
    assert sentence in refused("predict", "m.decnp", name)


def test_other_mistakes(work, refused, monkeypatch):
    Path("folder").mkdir()
    os.link("x.npy", "same.npy")
    os.symlink("m.decnp", "model.npy")
    for argv, sentence in (
        (["m.decnp", "none.npy"], "no such file: none.npy"),
        (["m.decnp", "folder"], "folder is a folder, not a .npy"),
        (["none.decnp", "x.npy"], "cannot read none.decnp: No such file or directory"),
        (["folder", "x.npy"], "cannot read folder: Is a directory"),
        (["x.npy", "x.npy"], "x.npy is not a decnp model file"),
        (["m.decnp", "x.npy", "--out", "y.txt"], "the name of the output file must end in .npy or .csv; got y.txt"),
        (["m.decnp", "x.npy", "--out", "x.npy"], "x.npy would replace x.npy, which is an input of this command"),
        (["m.decnp", "x.npy", "--out", "same.npy"], "same.npy would replace x.npy, which is an input of this command"),
        (["m.decnp", "x.npy", "--out", "model.npy"], "model.npy would replace m.decnp, which is an input of this command"),
        (["m.decnp", "x.npy", "--out", "none/y.npy"], "none/y.npy cannot be written: No such file or directory"),
        (["m.decnp", "x.npy", "--proba", "--embed"], "not allowed with argument --proba"),
        (["m.decnp"], "the following arguments are required: DATA"),
    ):
        assert sentence in refused("predict", *argv), argv
    Path("y.npy").mkdir()
    assert "y.npy exists and is not a file" in refused("predict", "m.decnp", "x.npy", "--out", "y.npy")
    monkeypatch.setattr(sys, "stdin", None)
    assert refused("predict", "m.decnp", "-") == "standard input is closed"


def test_a_disk_that_is_full_and_a_file_that_shrinks(work, refused, monkeypatch):
    Path("kept.npy").write_text("an earlier result")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert refused("predict", "m.decnp", "x.npy", "--out", "kept.npy") == (
            "--out kept.npy could not be written: No space left on device")
    finite = row_reader.as_finite

    def shrink(*args):
        os.truncate("x.npy", 128 + BLOCK * 48 + 5)
        return finite(*args)
    monkeypatch.setattr(row_reader, "as_finite", shrink)
    with pytest.raises(ValueError, match="x.npy has become shorter while it was read"):
        run_predict("m.decnp", "x.npy", "kept.npy")
    assert Path("kept.npy").read_text() == "an earlier result"
    assert sorted(os.listdir()) == ["kept.npy", "m.decnp", "x.npy"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_output_that_takes_nothing(work):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-W", "error", "-m", "decnp", "predict", "m.decnp", "x.npy"],
                              stdout=full, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 2
    assert done.stderr == "decnp: error: the result could not be written: No space left on device\n"


def test_an_interrupt_leaves_nothing_behind(work, says, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(row_reader, "as_finite", interrupt)
    for out in ([], ["--out", "y.npy"]):
        assert says("predict", "m.decnp", "x.npy", *out) == (130, "", "decnp: interrupted; nothing was written\n")
    assert sorted(os.listdir()) == ["m.decnp", "x.npy"]


# ---------------------------------------------------------------- progress

def test_long_work_shows_lines(work, says, monkeypatch):
    monkeypatch.setattr(progress, "PROGRESS_INTERVAL", 0)
    _, out, err = says("predict", "m.decnp", "x.npy")
    assert err == "".join(f"decnp: {done} of {N} rows\n" for done in (BLOCK, 2 * BLOCK, N))
    assert says("predict", "m.decnp", "x.npy", "--quiet") == (0, out, "")


def test_long_work_shows_a_bar_on_a_terminal(work, says, monkeypatch):
    monkeypatch.setattr(progress, "PROGRESS_INTERVAL", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _, out, err = says("predict", "m.decnp", "x.npy")
    assert re.search(rf"rows: 100%.*{N}/{N}", err) and len(out.splitlines()) == N
    assert says("predict", "m.decnp", "x.npy", "--quiet") == (0, out, "")
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert says("predict", "m.decnp", "x.npy")[2].startswith(f"decnp: {BLOCK} of {N} rows\n")


# ---------------------------------------------------------------- info

def test_info_for_a_machine(work, says):
    model, _ = work
    status, out, err = says("info", "m.decnp", "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert told["architecture"] == [6, 8, 2] and told["activations"]["encoder"] == ["relu", "linear"]
    assert told["n_weights"] == {"encoder": 6 * 8 + 8 + 8 * 2 + 2, "decoder": 2 * 8 + 8 + 8 * 6 + 6, "centroids": 6}
    assert (told["n_clusters"], told["alpha"], told["dtype"]) == (3, 2.5, model.dtype.name)
    assert told["bytes"] == os.path.getsize("m.decnp") and told["file"] == "m.decnp"
    assert told["shift"] == "one for each column" and told["scale"] == float(model.scale)
    for name in ("versions", "parameters", "profile", "training"):
        assert told[name] == model.header[name] and told[name]
    assert told["format"] == model.header["format"]


def test_info_in_words(work, says):
    model, _ = work
    status, out, err = says("info", "m.decnp")
    assert (status, err) == (0, "")
    lines = {line[:11].strip(): line[11:] for line in out.splitlines() if line[0] != " "}
    assert lines["network"] == f"6-8-2 (relu, linear), {model.dtype}"
    assert lines["weights"] == "encoder 74, decoder 78, centroids 6"
    assert lines["clusters"] == "k = 3, alpha = 2.5"
    assert lines["training"].startswith(f"n_iter={model.header['training']['n_iter']}, converged=")
    assert "random_state=0" in out and "finetune_iter=60" in out and f'numpy="{np.__version__}"' in out
    assert max(map(len, out.splitlines())) <= 118


def test_info_of_what_is_no_model(work, refused):
    assert "x.npy is not a decnp model file" in refused("info", "x.npy")
    assert refused("info", "none.decnp") == "cannot read none.decnp: No such file or directory"


def test_info_of_a_model_that_was_made_elsewhere_and_is_stored_small(work, says):
    model = from_arrays([np.eye(6, 2)], [np.zeros(2)], np.eye(3, 2, dtype=np.float32))
    save(model, "one.decnp", "float16")
    status, out, err = says("info", "one.decnp", "--json")
    told = json.loads(out)
    assert (status, err) == (0, "") and told["architecture"] == [6, 2] and told["storage"] == "float16"
    assert told["n_weights"]["decoder"] == 0 and "training" not in told and "profile" not in told
    status, out, err = says("info", "one.decnp")
    assert (status, err) == (0, "") and "6-2 (linear), float32, stored in float16" in out and "training" not in out


@pytest.mark.parametrize("model_file", ["float32"], indirect=True)
@pytest.mark.parametrize("words", ["info", "predict", "export"])
def test_hostile_files_end_in_one_sentence(work, refused, words):
    """Every eighth of them; test_hostile_models.py reads all, and checks what each sentence says."""
    DEC(3, hidden_layer_sizes=(5, 4, 2), alpha=2.5, profile=QUICK, random_state=0).fit(work[1][:150]).save("good.decnp")
    good = Path("good.decnp").read_bytes()
    more = {"info": [], "predict": ["x.npy", "-q"], "export": ["m.onnx"]}[words]
    for name, (make, _) in list(CORRUPTIONS.items())[::8]:
        Path("bad").write_bytes(make(good))
        assert refused(words, "bad", *more).startswith("bad "), name


def test_what_a_header_says_cannot_drive_the_terminal(work, says, monkeypatch):
    model, _ = work
    arrays = {"centers": model.centers, "shift": model.shift, "scale": model.scale}
    header = {**model.header, "versions": {"a\x1b[2J": "b\x1b[2J"}, "training": {"x": [{"\x07": 1}]}}
    monkeypatch.setattr("decnp.io.model_file.read_model", lambda path: (header, arrays))
    status, out, _ = says("info", "m.decnp")
    assert status == 0 and not re.search(r"[\x00-\x09\x0b-\x1f]", out)


def test_the_command_in_a_process_of_its_own(work):
    status, out, err = whole("info", "m.decnp", "--json")
    assert (status, err) == (0, "") and json.loads(out)["n_clusters"] == 3
    status, out, err = whole("info", "x.npy")
    assert (status, out) == (2, "") and err.startswith("decnp: error: x.npy is not a decnp model file")


def test_labels_in_a_csv_are_labels_for_a_fit(work, says):
    """Its line of names is recognized where decnp takes labels."""
    model, x = work
    assert says("predict", "m.decnp", "x.npy", "--out", "labels.csv", "-q")[0] == 0
    assert_array_equal(read_labels("labels.csv", N), model.predict(x))
