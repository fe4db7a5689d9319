"""Tables whose rows differ by less than float32 can tell: ``decnp fit`` reads and trains on them in float64."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
from commands import QUICK
from conftest import blobs
from numpy.testing import assert_array_equal

from decnp import DEC, cluster_accuracy
from decnp.io import tables
from decnp.io.precision import float32_suffices
from decnp.io.table_warnings import table_warnings
from decnp.io.tables import read_table

SECONDS = 1.7e9 + np.arange(60.0)[:, None]  # float32 rounds them to multiples of 128
NOISE = np.random.default_rng(0).normal(size=(60, 3))


@pytest.mark.parametrize("X, dtype", [
    (SECONDS, "float64"),
    (SECONDS.astype(np.int64), "float64"),
    (np.c_[SECONDS, NOISE], "float64"),
    (1e6 + NOISE, "float64"),  # rounded to multiples of 1/16: errors of 2 % of the spread
    (1e4 + NOISE, "float32"),
    (np.c_[1e6 * NOISE, 1e6 + NOISE], "float32"),  # the last columns decide nothing
    (np.c_[NOISE, 0.1 + np.zeros(60), 0.3 + 1e-16 * np.arange(60)], "float32"),  # constant, nearly
    (1e-300 * NOISE, "float64"),
    (1e-30 * NOISE, "float32"),
    (np.full((60, 2), 0.1), "float32"),
    (np.zeros((60, 2)), "float32"),
    (NOISE.astype(np.float32), "float32"),
    (1e-300 * sp.random(60, 5, density=0.3, format="csr", random_state=0), "float64"),
    (sp.random(60, 5, density=0.3, format="csr", random_state=0), "float32"),
])
@pytest.mark.parametrize("mapped", [False, True])
def test_float64_where_float32_loses_the_differences(tmp_path, monkeypatch, X, dtype, mapped):
    path = tmp_path / ("x.npz" if sp.issparse(X) else "x.npy")
    if sp.issparse(X):
        sp.save_npz(path, X)
    else:
        np.save(path, X)
    monkeypatch.setattr(tables, "MMAP_THRESHOLD", 0 if mapped else 1 << 30)
    table = read_table(path)
    assert table.X.dtype == dtype
    assert_array_equal(table.X[:], (X.toarray() if sp.issparse(X) else X).astype(dtype))


def test_seconds_since_1970_are_clustered(data, says):
    y = np.arange(60) % 3
    np.savetxt("epoch.csv", 1.7e9 + np.c_[9 * y + NOISE[:, 0], NOISE[:, 1]], delimiter=",", header="start,stop",
               comments="")
    status, out, err = says("fit", "epoch.csv", *QUICK, "--out", "run", "--seed", "1", "--set", "center=true")
    assert status == 0, err
    assert "epoch.csv: 60 rows of 2 columns, in float64 (float32 would round off their differences), with a first line" in err
    assert cluster_accuracy(y, np.load("run/labels.npy")) == 1
    with open("run/run.json") as file:
        assert json.load(file)["parameters"]["dtype"] == "float64"
    status, out, err = says("predict", "run/model.decnp", "epoch.csv")
    assert_array_equal(np.fromstring(out, sep="\n", dtype=int), np.load("run/labels.npy"))


def test_other_tables_stay_in_float32(data, says):
    assert says("fit", "x.npy", *QUICK, "-q", "--out", "run")[0] == 0
    with open("run/run.json") as file:
        assert json.load(file)["parameters"]["dtype"] == "float32"


def test_a_kind_of_row_that_repeats_does_not_choose_the_dtype():
    """Every tenth of 20,480 rows is exact in float32; evenly spaced rows, of which there would be 2048, are all of them."""
    X = 1.7e9 + np.random.default_rng(0).normal(size=(20_480, 1))
    X[::10] = 1.7e9
    assert not float32_suffices(X)


@pytest.mark.parametrize("column, counts", [
    (1.7e9 + np.arange(5000), True), (1e8 + np.arange(60), True), (np.arange(60), True),
    (1.7e9 + np.zeros(60), False), (1.7e9 + 2 * np.arange(5000), False), (np.arange(60) / 2, False),
    (1.7e9 + np.arange(60), False),  # float32 holds one value only
])
def test_numbers_of_the_rows_are_known_in_float32(column, counts):
    found = table_warnings(np.c_[column, blobs(len(column), 1)].astype(np.float32), ["id", "size"])
    assert any("'id' counts the rows" in sentence for sentence in found) is counts


def test_too_few_rows_in_float32_are_said_so():
    with pytest.raises(ValueError, match="at least n_clusters = 3 distinct rows; got 1 in float32$"):
        DEC(3, dtype="float32").fit(SECONDS)
