"""Whatever a file holds: it is read, or refused with one sentence, in bounded time and memory.

Files are good ones with changed bytes, cells or JSON values, and arbitrary bytes. Here are some hundred of each kind, always the
same; ``tests/benchmarks/fuzz.py`` draws others for an hour. What it found is in the tests beside the readers.
"""

import contextlib
import gzip
import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from commands import QUICK as OPTIONS
from commands import here
from conftest import QUICK, blobs
from hypothesis import example, given
from hypothesis import strategies as st
from mutated import any_bytes, bounded, changed_bytes, changed_entries, changed_header, changed_json, examples

from decnp import DEC, Checkpoint, CheckpointError, ModelFileError, load
from decnp.cli.info import _format_info, describe_model
from decnp.cli.resume import read_request
from decnp.exceptions import DataError, UserError
from decnp.inference import load_model
from decnp.io.column_choice import ColumnChoice
from decnp.io.raw_table import read_raw_table
from decnp.io.recipe import Recipe, describe_recipe
from decnp.io.row_reader import open_rows
from decnp.io.tables import read_labels, read_table
from decnp.persistence import save, write_model


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read_or_refused(read, *errors, name=""):
    """Return what ``read()`` returns, or None if it raises one of ``errors`` with one printable line that has ``name``."""
    with bounded():
        try:
            return read()
        except errors as error:
            sentence = str(error)
    assert sentence.isprintable() and 10 < len(sentence) < 4000 and name in sentence, repr(sentence)
    return None


# ---------------------------------------------------------------- tables

CELLS = st.one_of(
    st.integers(-3, 9).map(str), st.floats(-9, 9).map(repr), st.sampled_from([
        "1", "2", "0.5", "a", "cat", "dog", "", " ", "NA", "nan", "inf", "-inf", "1e999", "1e-999", "1e39", "true", "False", "-0",
        "+1", "1_0", "0x10", "1,5", "1.234,5", '"', '""', '"a', 'a"', '"a,b"', '"a\nb"', "\0", "\r", "\x85", "\u2028", "\ufeff",
        "\u0661\u0662", "\u00b2", "\ud7ff", "\U0001f600", "#", "sep=;", "label", "Label", "2020-01-01", "1 2", "9" * 400, "x" * 500,
        "\x1b[31m", "\u202e1", "1e", ".", "-", "1.2.3", "NULL", "?", "1d5", "(1+2j)", "\t", ";", "\\N"]))


@st.composite
def texts(draw):
    """The bytes of a text file that is nearly a table."""
    width, delimiter = draw(st.integers(1, 4)), draw(st.sampled_from([",", ",", ";", "\t", " ", ", "]))
    kinds = [draw(st.sampled_from([st.integers(-9, 9).map(str), st.floats(-9, 9).map(repr), st.sampled_from(["a", "b"]), CELLS]))
             for _ in range(width)]
    rows = [[draw(kind) for kind in kinds] for _ in range(draw(st.integers(0, 6)))]
    if draw(st.booleans()):
        rows.insert(0, draw(st.lists(st.sampled_from(["a", "b", "c", "label", "", "1", "x y", "é"]) | CELLS,
                                     min_size=width, max_size=width)))
    for _ in range(draw(st.integers(0, 2))):  # rows of another length, cells of another kind
        if rows:
            row = draw(st.sampled_from(rows))
            row[draw(st.integers(0, len(row))):] = draw(st.lists(CELLS, max_size=3))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n"]))
    text = draw(st.sampled_from(["", "", "", "\ufeff", "# a\n", "sep=;\n", "\n"])) + end.join(map(delimiter.join, rows))
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1"]))
    content = (text + end * draw(st.booleans())).encode(encoding, "ignore")
    return draw(changed_bytes(content)) if draw(st.integers(0, 4)) == 0 else content


@st.composite
def text_files(draw):
    """Ending and bytes of a text file, packed by gzip or not."""
    ending, content = draw(st.sampled_from([".csv", ".tsv", ".txt"])), draw(texts())
    if draw(st.integers(0, 5)) == 0:
        content = gzip.compress(content, mtime=0)
        return ending + ".gz", draw(changed_bytes(content)) if draw(st.booleans()) else content
    return ending, content


def check_table(X):
    assert len(X.shape) == 2 and X.shape[0] and X.shape[1] and X.dtype in ("f4", "f8")
    assert np.isfinite(X[: len(X)]).all()


COLUMN = st.none() | st.sampled_from(["a", "b", "label", "1", ""])


@examples(250)
@given(file=text_files(), header=st.sampled_from([None, None, True, False]), label=COLUMN,
       drop=st.lists(st.sampled_from(["a", "1", "b,c"]), max_size=1))
def test_text_tables(scratch, file, header, label, drop):
    path = scratch / f"x{file[0]}"
    path.write_bytes(file[1])
    table = read_or_refused(lambda: read_table(path, label, header=header, drop=drop), DataError, name=str(path))
    if table is not None:
        check_table(table.X)
        assert table.y is None or len(table.y) == len(table.X)
        assert len(table.names) in (0, table.X.shape[1]) and all(map(str.isprintable, table.notes))


@examples(150)
@given(file=text_files(), header=st.sampled_from([None, True, False]), words=st.lists(st.sampled_from(["auto", "a", "1"]), max_size=1),
       may_miss=st.booleans(), decimal=st.sampled_from([".", ","]))
def test_raw_tables(scratch, file, header, words, may_miss, decimal):
    path = scratch / f"x{file[0]}"
    path.write_bytes(file[1])

    def read():
        choice = ColumnChoice(path, (), (), words)
        return read_raw_table(path, header=header, choice=choice, may_miss=may_miss, decimal=decimal)

    raw = read_or_refused(read, DataError, name=str(path))
    if raw is not None:
        assert len({len(column) for column in raw.columns}) <= 1 and len(raw.names) == len(raw.columns)
        assert all(not np.isinf(column).any() for column in raw.columns if column.dtype.kind == "f")


RECIPE = Recipe.from_json({"columns": ["a", "b"], "named": True, "features": [
    {"column": 0, "fill": 1.5, "mean": 0.5, "std": 2.0, "missing": 3},
    {"column": 1, "values": ["a", "b", None], "counts": [4, 5, 6], "dropped": 0, "unseen": "ignore"}]})


@examples(150)
@given(file=text_files(), recipe=st.booleans())
def test_rows_of_text_to_predict(scratch, file, recipe):
    path = scratch / f"x{file[0]}"
    path.write_bytes(file[1])

    def read():
        with contextlib.closing(open_rows(path, recipe=RECIPE if recipe else None)) as rows:
            return [x for _, x in rows.blocks(2, np.dtype("f4"))]

    found = read_or_refused(read, DataError, name=str(path))
    assert found is None or all(np.isfinite(x).all() for x in found)


@examples(100)
@given(file=text_files(), n=st.integers(1, 5))
def test_labels_in_text(scratch, file, n):
    path = scratch / f"y{file[0]}"
    path.write_bytes(file[1])
    y = read_or_refused(lambda: read_labels(path, n), DataError, name=str(path))
    assert y is None or y.shape == (n,)


# ---------------------------------------------------------------- arrays

def saved(save, *args, **arrays):
    content = io.BytesIO()
    save(content, *args, **arrays)
    return content.getvalue()


T = np.arange(12).reshape(4, 3) / 8
NPY = [saved(np.save, T.astype(dtype)) for dtype in ("f4", ">f8", "i2", "?", "U3", "c8", "M8[s]")]
NPY += [saved(np.save, a) for a in (np.asfortranarray(T), T[0], np.arange(4), np.zeros((2, 0)), np.zeros((2, 2, 2)))]
NPZ = [saved(np.savez, X=T, y=np.arange(4)), saved(np.savez_compressed, X=T, labels=np.array(list("abca"))),
       saved(sp.save_npz, sp.csr_array(T)), saved(sp.save_npz, sp.coo_array(T), compressed=False), saved(sp.save_npz, sp.csc_array(T)),
       saved(sp.save_npz, sp.bsr_array(T)), saved(np.savez, T)]


@st.composite
def headers(draw):
    """An .npy whose header is text that is nearly right, or is not."""
    words = ["(4, 3)", "(4,)", "()", "(-1, 3)", f"(4, {10**12})", "(4, 3.0)", "(True, 3)", "4", "('a', 3)", "(" * 90 + ")" * 90, "(0, 3)",
             f"({2**62}, 4)", "(4, 3, )", "(4L, 3)"]
    kinds = ["'<f8'", "'<f4'", "'|O'", "'|V0'", "'<U0'", "'<U99999999'", "'|S3'", "'<M8[s]'", "'<f16'", "[('a', '<f8')]", "('<f8', (2,))",
             "None", "'<q'", "'>i8'", "{'a': 3}", "'f8, f8'"]
    text = (f"{{'descr': {draw(st.sampled_from(kinds))}, 'fortran_order': {draw(st.sampled_from(['True', 'False', '0', 'None']))}, "
            f"'shape': {draw(st.sampled_from(words))}, }}").encode()
    text = draw(changed_bytes(text)) if draw(st.booleans()) else text
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + T.tobytes()


@examples(250)
@given(content=st.sampled_from(NPY).flatmap(any_bytes) | headers())
def test_npy(scratch, content):
    path = scratch / "x.npy"
    path.write_bytes(content)
    table = read_or_refused(lambda: read_table(path), DataError, name=str(path))
    if table is not None:
        check_table(table.X)

    def read():
        with contextlib.closing(open_rows(path)) as rows:
            return np.concatenate([x for _, x in rows.blocks(3, np.dtype("f4"))])

    rows = read_or_refused(read, DataError, name=str(path))
    assert rows is None or np.isfinite(rows).all()
    y = read_or_refused(lambda: read_labels(path, 4), DataError, name=str(path))
    assert y is None or y.shape == (4,)


@examples(250)
@given(content=st.sampled_from(NPZ).flatmap(lambda content: any_bytes(content) | changed_entries(content)))
def test_npz(scratch, content):
    path = scratch / "x.npz"
    path.write_bytes(content)
    table = read_or_refused(lambda: read_table(path), DataError, name=str(path))
    if table is not None:
        check_table(table.X)
    y = read_or_refused(lambda: read_labels(path, 4), DataError, name=str(path))
    assert y is None or y.shape == (4,)


# ---------------------------------------------------------------- models

@pytest.fixture(scope="module")
def models(X, autoencoder, scratch):
    """The bytes of a model of each kind: complete, in float16, of an encoder alone, with names, and with a recipe."""
    made, path = [], scratch / "good"
    dec = DEC(3, profile=QUICK, autoencoder=autoencoder, max_iter=20, random_state=0).fit(X)
    for storage in (None, "float16"):
        dec.save(path, storage)
        made.append(path.read_bytes())
    save(load_model(path), path)
    made.append(path.read_bytes())
    for more in ({"feature_names": list("abcdef"), "left_out": ["id"]}, {"recipe": recipe_of_six()}):
        with open(path, "wb") as file:
            write_model(dec, file, **more)
        made.append(path.read_bytes())
    for name in ("format1", "format2", "format2-encoder"):
        made.append((Path(__file__).parent / f"data/{name}.decnp").read_bytes())
    return made


def recipe_of_six():
    """A recipe that makes the six columns of the model."""
    features = [{"column": j, "fill": 0.5, "mean": 1.0, "std": 2.0} for j in range(3)]
    words = {"column": 3, "values": ["x", "y", None], "counts": [1, 2, 3], "fill": "x"}
    return Recipe.from_json({"columns": list("abcd"), "named": True, "features": [*features, words], "decimal": ","})


def use_model(path):
    """Read a model in each of the ways, and use it where it was read."""
    dec = read_or_refused(lambda: load(path), ModelFileError, name=str(path))
    model = read_or_refused(lambda: load_model(path), ModelFileError, name=str(path))
    info = read_or_refused(lambda: describe_model(str(path)), ModelFileError, name=str(path))
    if info is not None:
        assert all(map(str.isprintable, _format_info(info).split("\n"))) and json.dumps(info)
    if model is not None and model.n_features < 99 and len(model.centers) < 99:
        rows = [[0.5] * model.n_features] * 2

        def predict():
            with np.errstate(all="ignore"):  # weights of any size
                return model.predict(np.array(rows, object) if model.recipe else np.array(rows))

        with contextlib.suppress(ValueError):
            assert predict().shape == (2,)
    return dec, model


@pytest.mark.filterwarnings("ignore:.*categor", "ignore:X does not have valid feature names")
@examples(125)
@given(data=st.data(), which=st.integers(0, 7))
def test_models(models, scratch, data, which):
    """Catches an exception of another type, a warning, or a message of several lines."""
    path = scratch / "m"
    good = models[which]
    path.write_bytes(data.draw(changed_header(good) | any_bytes(good)))
    use_model(path)


# ---------------------------------------------------------------- recipes

@examples(150)
@given(changed_json(recipe_of_six().to_json()))
def test_recipes(data):
    recipe = read_or_refused(lambda: Recipe.from_json(data), ValueError)
    if recipe is not None:
        again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
        assert again == recipe and len(again.feature_names) == again.n_features
        assert describe_recipe(again).isprintable()


# ---------------------------------------------------------------- checkpoints

@pytest.fixture(scope="module")
def stopped(scratch):
    """A function that makes the DEC of an interrupted run, its data, and the checkpoints of three moments of it."""
    X, path, kept = blobs(40), scratch / "run.checkpoint", []

    def dec(checkpoint=None):
        return DEC(2, hidden_layer_sizes=(4, 2), profile=QUICK, n_init=1, engine="numpy", tol=0, checkpoint=checkpoint, random_state=0)

    class Stopped(Exception):
        pass

    for moment in (3, 80, 130):
        checkpoint = Checkpoint(path, every=0)
        keep, left = checkpoint.keep, iter(range(moment))

        def keep_until(state, keep=keep, left=left):
            if next(left, None) is None:
                keep(state)
                raise Stopped

        checkpoint.keep = keep_until
        with pytest.raises(Stopped):
            dec(checkpoint).fit(X)
        kept.append(path.read_bytes())
    return SimpleNamespace(dec=dec, X=X, path=path, kept=kept)


@pytest.mark.filterwarnings("ignore:the run began with")
@examples(125)
@given(data=st.data(), which=st.integers(0, 2))
def test_checkpoints(stopped, data, which):
    good = stopped.kept[which]
    stopped.path.write_bytes(data.draw(changed_header(good, ["state", "state", "notes", "machine", "recipe", "kind"]) | any_bytes(good)))
    dec = read_or_refused(lambda: stopped.dec(stopped.path).resume(stopped.X), CheckpointError)
    assert dec is None or dec.labels_.shape == (40,)


# ---------------------------------------------------------------- the files of a run

@pytest.fixture(scope="module")
def run(scratch):
    """A finished run, and what its run.json and resume.json hold."""
    np.savetxt(scratch / "x.csv", blobs(30, spread=0.3), delimiter=",", header="a,b,c,d,e,f", comments="")
    status, _, err = here("fit", "x.csv", *OPTIONS, "--out", "run", "-q", cwd=scratch)
    assert status == 0, err
    record = json.loads((scratch / "run/run.json").read_text())
    record["scores"] = {"end": {"ACC": 0.5, "NMI": 0.25, "ARI": 0.125}}
    return scratch / "run", record


def refused_by_command(*argv):
    """Run the command, which must end with status 0, or with 2 and one sentence."""
    with bounded():
        status, _, err = here(*argv)
    last = err.rstrip("\n").split("\n")[-1]
    assert status == 0 or (status == 2 and re.match("decnp: error: .{10}", last) and last.isprintable()), (status, err)
    return status


@pytest.mark.usefixtures("sketched")
@examples(100)
@given(data=st.data())
def test_run_json(run, data):
    """Catches a traceback of the command, and a message that is not one printable line."""
    folder, record = run
    changed = data.draw(changed_json(record).map(lambda value: json.dumps(value).encode()) | any_bytes(json.dumps(record).encode()))
    (folder / "run.json").write_bytes(changed)
    refused_by_command("report", str(folder))
    refused_by_command("fit", "--resume", str(folder), "-q")


REQUEST = {"argv": ["fit", "x.csv", *OPTIONS, "--out", "run"], "folder": "."}


@examples(100)
@given(content=changed_json(REQUEST).map(lambda value: json.dumps(value).encode()) | any_bytes(json.dumps(REQUEST).encode()))
@example(content=json.dumps({**REQUEST, "argv": ["\x1f"]}).encode())
def test_resume_json(scratch, content):
    folder = scratch / "unfinished"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "resume.json").write_bytes(content)
    request = read_or_refused(lambda: read_request(str(folder)), UserError, name=str(folder))
    assert request is None or (request.argv[0] == "fit" and request.folder.parts is not None)
