"""The paper's tables and figures: cells that are kept, the store of autoencoders, and all ten commands, quick."""

import json
import signal
import sys
from dataclasses import asdict, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from commands import start
from conftest import identical
from datafiles import empty_folders, put, rcv1_files, stl_bytes, stl_contents

from decnp import DEC, cluster_accuracy
from decnp.cli import main
from decnp.cli.reproduce import NAMES
from decnp.exceptions import UserError
from decnp.experiments import data as data_room
from decnp.experiments import figure1, figure2, figure6, methods, options, store, sweeps, table2, table3, table4
from decnp.experiments.cells import Cell, cell_work, read_record, run_cells
from decnp.experiments.options import QUICK, Options, Plan
from decnp.layers import arrays_of
from decnp.profiles import Profile, fast

NETWORK = {"hidden": [16, 4], "profile": options.settings_of(QUICK), "seed": 3}
DIGITS = {"name": "digits", "quick": True}


@pytest.fixture
def says(capsys):
    """Runs ``decnp reproduce`` here; returns status, output and errors."""
    def says(*argv):
        try:
            status = main(["reproduce", *map(str, argv)])
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()
    return says


# ---------------------------------------------------------------- cells

@cell_work("add one")
def add_one(folder, number, log):
    """A cell's work: notes that it was done."""
    with open(folder / log, "a") as file:
        file.write(f"{number} ")
    if number < 0:
        raise ValueError(f"{number} is below zero")
    if number == 13:
        raise KeyboardInterrupt
    return {"sum": number + 1}


def cell(number, needs=(), log="log"):
    return Cell(f"number {number}", add_one, {"number": number, "log": log, "data_sum": "abc"}, needs)


def run_here(cells, folder, jobs=1):
    lines = []
    return run_cells(cells, folder, jobs, lines.append), lines


def test_a_finished_cell_is_not_done_again(tmp_path):
    done, _ = run_here([cell(1), cell(2)], tmp_path)
    assert {name: kept["result"]["sum"] for name, kept in done.results.items()} == {"number 1": 2, "number 2": 3}
    again, lines = run_here([cell(1), cell(2), cell(3)], tmp_path)
    assert (tmp_path / "log").read_text() == "1 2 3 "
    assert lines[0] == "2 of 3 cells are already finished" and again.results["number 1"] == done.results["number 1"]
    assert not again.failures and not again.interrupted


@pytest.mark.parametrize("change", [{"number": 5}, {"log": "other"}, {"data_sum": "abd"}])
def test_another_recipe_or_other_data_is_another_cell(tmp_path, change):
    one = cell(1)
    other = Cell(one.name, one.work, {**one.recipe, **change})
    run_here([one], tmp_path)
    assert read_record(other, tmp_path) is None
    assert read_record(Cell(one.name, square_root, one.recipe), tmp_path) is None  # the work is part of it


@pytest.mark.parametrize("content", ["", "{", "[]", '{"recipe": {}}'])
def test_half_a_result_is_none(tmp_path, content):
    run_here([cell(1)], tmp_path)
    cell(1).path(tmp_path).write_text(content)
    done, _ = run_here([cell(1)], tmp_path)
    assert done.results["number 1"]["result"] == {"sum": 2} and (tmp_path / "log").read_text() == "1 1 "


def test_a_cell_that_fails_leaves_the_others_alone_and_is_tried_again(tmp_path):
    for _ in range(2):
        done, lines = run_here([cell(-1), cell(2)], tmp_path)
        assert list(done.results) == ["number 2"] and done.failures == ["number -1: -1 is below zero"]
        assert "number -1: failed: -1 is below zero" in lines
    assert (tmp_path / "log").read_text() == "-1 2 -1 "


def test_what_is_done_before_an_interruption_is_kept(tmp_path):
    done, _ = run_here([cell(1), cell(13), cell(2)], tmp_path)
    assert list(done.results) == ["number 1"] and done.interrupted
    assert (tmp_path / "log").read_text() == "1 13 "


def test_needs_come_first_once_and_only_where_they_are_needed(tmp_path):
    deep = cell(10)
    shared = cell(11, (deep,))
    run_here([cell(1, (shared,)), cell(2, (shared,)), cell(3)], tmp_path)
    assert (tmp_path / "log").read_text() == "10 11 1 2 3 "
    run_here([cell(1, (cell(12),)), cell(4, (shared,))], tmp_path)  # 1 is done and needs nothing, 4's needs are done
    assert (tmp_path / "log").read_text() == "10 11 1 2 3 4 "


def test_two_jobs_do_the_same(tmp_path):
    done, _ = run_here([Cell(f"root {n}", square_root, {"n": n}) for n in (4, 9)], tmp_path, jobs=2)
    assert [kept["result"] for kept in done.results.values()] == [{"root": 2.0}, {"root": 3.0}]


@cell_work("square root")
def square_root(folder, n):
    return {"root": n**0.5}


# ---------------------------------------------------------------- the keys of cells

class Rows:
    """Stands for rows that a plan only counts."""

    def __init__(self, shape):
        self.shape = shape

    def __len__(self):
        return self.shape[0]


def pretend_all_data(monkeypatch):
    """Let every data set be here, with a made-up fingerprint, so that a plan needs no file."""
    shapes = {"mnist": (70_000, 784), "stl": (13_000, 1428), "reuters10k": (10_000, 2000), "reuters": (685_071, 2000)}

    def load(**spec):
        n, width = shapes[spec["name"].removesuffix("-sample")]
        X = Rows((300 if spec.get("quick") else n * 6 // 7 if spec.get("part") == "train" else n, width))
        return data_room.Data(X, np.zeros(0), 10, f"rows of {json.dumps(spec, sort_keys=True)}")

    def autoencoder_rows(spec):
        return Rows((90_400, 1428)) if spec["name"] == "stl" and not spec.get("quick") else load(**spec).X

    for module in (options, figure1, table4):
        monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(options, "autoencoder_rows", autoencoder_rows)


def with_needs(cells):
    for cell in cells:
        yield from with_needs(cell.needs)
        yield cell


KEYS = {  # (number of cells, digest of their files' names) at commit 2591c86; of fast, whose settings changed, later
    "table1": {"quick": (5, "88a05484a4d3948a"), "fast": (5, "54d6c93d7dc106e6"), "paper": (5, "54d6c93d7dc106e6")},
    "table2": {"quick": (248, "a7780dfba9224e7d"), "fast": (325, "8f0829972b3f7b75"), "paper": (317, "523fd7fd827c14b3")},
    "table3": {"quick": (207, "809e8f556f8d577c"), "fast": (292, "5bcabd9b27156951"), "paper": (288, "40598c2c439274d8")},
    "table4": {"quick": (20, "ee22c59d57dd1ba1"), "fast": (20, "d65671fef7d2ce35"), "paper": (20, "d28727728dcf81b0")},
    "figure1": {"quick": (0, "e3b0c44298fc1c14"), "fast": (0, "e3b0c44298fc1c14"), "paper": (0, "e3b0c44298fc1c14")},
    "figure2": {"quick": (216, "11022987942b01ab"), "fast": (216, "d328633f0fca3c5c"), "paper": (216, "08721152d84cb283")},
    "figure3": {"quick": (4, "fee0c8bdd3109b31"), "fast": (4, "ead20d5a36c6e46a"), "paper": (4, "bfaed54f5bcf6e5d")},
    "figure4": {"quick": (2, "4e0c8230c1d778e2"), "fast": (2, "c1c8ec4145349890"), "paper": (2, "e65b8a14a4eb4d70")},
    "figure5": {"quick": (2, "768a90d017e3daa0"), "fast": (2, "f23917076a27dc9f"), "paper": (2, "96d8b27756e62cbc")},
    "figure6": {"quick": (19, "cd3c9c428e7ad551"), "fast": (19, "5df42b903c5b9b00"), "paper": (19, "ab49cfe94fe83b84")},
}


@pytest.mark.parametrize("kind", ["quick", "fast", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_cells_of_earlier_versions_are_found_by_the_same_keys(name, kind, monkeypatch):
    """The file of a cell is named after its recipe and its work: whoever changes a name loses days of results."""
    pretend_all_data(monkeypatch)
    seeds = None if name in ("table2", "table3") else (0,)  # the default was one seed
    plan = Plan(Options(Path(), seeds=seeds, quick=kind == "quick", profile="fast" if kind == "quick" else kind))
    import_module(f"decnp.experiments.{name}").cells(plan)
    assert not plan.missing
    paths = sorted({str(cell.path(Path())) for cell in with_needs(plan.cells)})
    assert KEYS[name][kind] == (len(paths), sha256("\n".join(paths).encode()).hexdigest()[:16])


def test_shared_files_of_earlier_versions_are_found_by_the_same_keys(monkeypatch):
    monkeypatch.setattr(store, "load", lambda **spec: data_room.Data(None, None, 10, "abc"))
    assert store._path(Path(), "autoencoder", DIGITS, NETWORK).name == "autoencoder-digits-seed3-3b95256884d836be.decnp"
    assert store._path(Path(), "cliques", {"name": "mnist"}, None).name == "cliques-mnist-1046b33fa46f8f64.decnp"


# ---------------------------------------------------------------- the store

def test_dec_from_the_store_is_dec_by_itself(tmp_path):
    X, _, k, _ = data_room.load(**DIGITS)
    own = DEC(k, hidden_layer_sizes=(16, 4), profile=QUICK, update_interval=10, dtype="float32", random_state=3).fit(X)
    for _ in range(2):  # trained, then loaded
        ae = store.autoencoder(tmp_path, DIGITS, NETWORK)
        assert identical(own, methods.new_dec(k, ae, NETWORK, 10).fit(X))
    assert len(list((tmp_path / "shared").iterdir())) == 1
    result = methods.dec(tmp_path, DIGITS, NETWORK, 10)
    assert result["ACC"] == result["refreshes"][-1][3] == cluster_accuracy(data_room.load(**DIGITS).y, own.labels_)
    assert result["start"]["ACC"] == cluster_accuracy(data_room.load(**DIGITS).y, own.initial_labels_)


def test_dec_without_backprop_is_that_of_the_estimator(tmp_path):
    X, y, k, _ = data_room.load(**DIGITS)
    ae = store.autoencoder(tmp_path, DIGITS, NETWORK)
    own = DEC(k, hidden_layer_sizes=(16, 4), profile=QUICK, update_interval=10, dtype="float32", random_state=3,
              autoencoder=ae, update_encoder=False).fit(X)
    result = methods.dec(tmp_path, DIGITS, NETWORK, 10, update_encoder=False)
    assert result["ACC"] == cluster_accuracy(y, own.labels_) and result["n_iter"] == own.n_iter_
    assert result["sizes"] == np.bincount(own.labels_, minlength=k).tolist()
    assert [loss for _, _, loss, _ in result["refreshes"]] == [
        round(step.loss, 6) for step in own.history_ if step.phase == "cluster"]


def test_a_kept_autoencoder_is_the_one_that_was_trained(tmp_path):
    trained = store.new_autoencoder(NETWORK).fit(data_room.load(**DIGITS).X)
    store.save_autoencoder(tmp_path, DIGITS, NETWORK, trained, 1.0)
    kept = store.autoencoder(tmp_path, DIGITS, NETWORK)
    layers = (arrays_of(ae.encoder_ + ae.decoder_) + [ae.shift_, ae.scale_] for ae in (trained, kept))
    assert identical(*layers)
    assert [layer.act for layer in kept.encoder_ + kept.decoder_] == ["relu", "linear", "relu", "linear"]
    assert kept.history_ == trained.history_ and kept.n_features_in_ == 64
    np.testing.assert_array_equal(kept.encode(data_room.load(**DIGITS).X), trained.encode(data_room.load(**DIGITS).X))


@pytest.mark.parametrize("change", [{"seed": 4}, {"hidden": [16, 5]}, {"profile": asdict(Profile())}])
def test_another_network_has_another_file(tmp_path, change):
    assert store._path(tmp_path, "autoencoder", DIGITS, NETWORK) != store._path(
        tmp_path, "autoencoder", DIGITS, {**NETWORK, **change})
    assert store._path(tmp_path, "autoencoder", DIGITS, NETWORK) != store._path(
        tmp_path, "autoencoder", {"name": "digits"}, NETWORK)


def test_a_damaged_autoencoder_is_one_sentence(tmp_path):
    store.prepare_autoencoder(tmp_path, DIGITS, NETWORK)
    path, = (tmp_path / "shared").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged.*; delete it, and it will be computed again"):
        store.autoencoder(tmp_path, DIGITS, NETWORK)


def test_cliques_are_kept_and_are_those_of_what_is_asked_for(tmp_path):
    for features in (None, NETWORK):
        rows = store.features(tmp_path, DIGITS, features)
        found = store.cliques(tmp_path, DIGITS, features)
        assert rows.shape[1] == (64 if features is None else 4)
        i = int(np.argsort(((rows - rows[0]) ** 2).sum(axis=1), kind="stable")[1])
        assert found.neighbors[0, :2].tolist() == [0, i]
        np.testing.assert_array_equal(store.cliques(tmp_path, DIGITS, features).grams, found.grams)
    assert len(list((tmp_path / "shared").glob("cliques-*"))) == 2


# ---------------------------------------------------------------- what they run on

def test_the_imbalanced_and_the_split_data():
    whole = data_room.load("digits")
    rare = data_room.load("digits", r_min=0.1, seed=1)
    assert np.bincount(rare.y)[0] < 0.3 * np.bincount(whole.y)[0] and np.bincount(rare.y)[9] == np.bincount(whole.y)[9]
    train, validation = data_room.load("digits", part="train"), data_room.load("digits", part="validation")
    np.testing.assert_array_equal(np.concatenate([train.X, validation.X]), whole.X)
    assert len(train.X) == 1797 * 6 // 7
    assert data_room.load("mnist", part="train").X.shape == (60_000, 784)
    assert len({kept.fingerprint for kept in (whole, rare, train, validation)}) == 4


def test_the_papers_profile_is_that_of_decnp_fit(tmp_path):
    plan = Plan(Options(tmp_path, profile="paper"))
    profile = plan.network({"name": "mnist"}, 0)["profile"]
    assert profile["input_scale"] is None and profile["autoencoder_rows"] == 60_000
    assert profile["finetune_iter"] == 100_000
    assert plan.network({"name": "mnist", "part": "train"}, 0)["profile"]["autoencoder_rows"] is None
    assert plan.network({"name": "digits"}, 0)["profile"] == options.settings_of(Profile())


def test_the_default_profile_is_that_of_decnp_fit_but_for_the_mean(tmp_path):
    """Catches a start that is not the profile's: k-means for every experiment, as in version 0.1."""
    network = Plan(Options(tmp_path)).network({"name": "digits"}, 0)
    profile = Profile(**network["profile"])
    assert profile == replace(fast(1797), center=False)
    X, _, k, _ = data_room.load(**DIGITS)
    model = methods.new_dec(k, None, network, profile.update_interval)
    assert model.init is None and model._schedule(1797).init == "neighbors"


def test_fields_that_came_later_are_in_a_key_unless_they_have_their_defaults():
    assert "init" not in options.settings_of(Profile()) and "label_iter" not in options.settings_of(Profile())
    assert options.settings_of(fast(100)) == asdict(fast(100))


# ---------------------------------------------------------------- numbers

def results_of(values):
    return {str(i): {"result": {"ACC": value}} for i, value in enumerate(values)}


def test_the_best_of_nine_is_marked_and_waits_for_all_nine():
    names = [str(i) for i in range(9)]
    results = results_of([0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    best = sweeps.best_of_nine("DEC", names, results)
    assert (best["ACC"], best["setting"], best["chosen_by_labels"]) == (0.9, "lambda 40", True)
    del results["8"]
    assert sweeps.best_of_nine("DEC", names, results) is None and sweeps.best_of_nine("GMM", [], results) is None


def test_mean_and_standard_deviation_over_the_seeds_that_are_done():
    assert sweeps.fixed_over_seeds(["0", "1", "9"], results_of([0.5, 0.7])) == {
        "values": [0.5, 0.7], "mean": pytest.approx(0.6), "std": pytest.approx(0.02**0.5)}
    assert sweeps.fixed_over_seeds(["0"], results_of([0.5]))["std"] is None
    assert sweeps.fixed_over_seeds(["9"], results_of([0.5])) is None


def test_the_papers_tables_agree_with_its_figures():
    for data, curves in figure2.PAPER.items():
        for method, curve in curves.items():
            best = table2.PAPER[method][data]
            assert len(curve) == 9 and 100 * max(curve) == pytest.approx(best, abs=0.5 if method != "k-means" else 0.7)
    assert table3.PAPER["DEC"] == table2.PAPER["DEC"]
    assert figure6.signs(**figure6.PAPER) == {"peak_of_NMI": 9, "G_falls_most_after": 9}


def test_figure_2_has_a_curve_for_each_seed_of_dec_and_their_mean(tmp_path, monkeypatch):
    plan = Plan(Options(tmp_path, data=("digits",), seeds=(3, 5)))
    planned = [one for one in figure2.cells(plan) if one.method in ("DEC", "SEC")]
    assert {one.method: list(one.nine) for one in planned} == {"DEC": [3, 5], "SEC": [3]}
    done = [(f"{value}", value) for value in (0.5, 0.6, 0.9)]
    results = {name: {"result": {"ACC": value}} for name, value in done}
    cells = [["0.5", "0.6", *["x"] * 7], ["0.9", "x", "0.6", *["x"] * 6]]
    row, = figure2.gather([figure2.Sweeps("DEC", "mnist", {3: cells[0], 5: cells[1]})], results)
    assert row["curve"] == [pytest.approx(0.7), 0.6, 0.6, *[None] * 6] and row["curves"][1][:3] == [0.9, None, 0.6]
    assert row["spreads"] == [pytest.approx(0.1), pytest.approx(0.3)] and row["spread"] == pytest.approx(0.2)
    assert figure2.format_rows([row]).splitlines()[-1].split()[-2:] == ["20.0", "2"]


def test_figure_6_has_the_k_that_every_seed_has_finished():
    result = {"NMI": 0.5, "G": 0.8, "train_loss": 0.4, "validation_loss": 0.5}
    results = {name: {"result": {**result, "NMI": nmi}} for name, nmi in (("a", 0.5), ("b", 0.7), ("c", 0.9))}
    row, = figure6.gather([figure6.CellsByK("mnist", {9: {0: "a", 1: "b"}, 3: {0: "c", 1: "c"}, 4: {0: "c", 1: "missing"}})],
                          results)
    assert row["k"] == [3, 9] and row["NMI"] == pytest.approx([0.9, 0.6]) and row["seeds"] == [0, 1]
    assert row["by_seed"]["NMI"] == [[0.9, 0.5], [0.9, 0.7]] and row["by_seed"]["train_loss"] == [[0.4, 0.4]] * 2
    assert [signs["peak_of_NMI"] for signs in row["signs_by_seed"]] == [3, 3] and row["signs"]["peak_of_NMI"] == 3


def test_the_falls_of_G_are_for_one_more_cluster():
    assert figure6.signs([3, 5, 6], [0.1, 0.3, 0.2], [0.9, 0.6, 0.4]) == {"peak_of_NMI": 5, "G_falls_most_after": 5}


def test_sweeps_are_the_papers():
    assert sweeps.UPDATE_INTERVALS == (10, 20, 40, 80, 160, 320, 640, 1280, 2560)
    assert sweeps.GRID == (1e-8, 1e-6, 1e-4, 1e-2, 1, 1e2, 1e4, 1e6, 1e8)


@pytest.mark.filterwarnings("ignore:Graph is not fully connected:UserWarning")
def test_methods_find_groups_that_are_far_apart(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 30)
    X = (rng.normal(size=(90, 5)) + 30 * np.eye(5)[y]).astype(np.float32)
    monkeypatch.setitem(data_room.LOADERS, "digits", lambda: (X, y))
    monkeypatch.setattr(data_room, "n_clusters", lambda name: 3)
    data_room.load.cache_clear(), data_room._source.cache_clear()
    try:
        for work, more in ((methods.kmeans, {}), (methods.gmm, {}), (methods.ldmgi, {"lam": 1e-2}),
                           (methods.sec, {"mu": 1e-8}), (methods.spectral, {})):
            result = work(tmp_path, {"name": "digits"}, None, 0, **more)
            assert min(result["ACC"], result["NMI"], result["ARI"]) > (0.9 if work is methods.ldmgi else 0.999), work
    finally:
        data_room.load.cache_clear(), data_room._source.cache_clear()


# ---------------------------------------------------------------- the command

@pytest.mark.parametrize("name", NAMES)
def test_each_table_and_figure_runs_quick(says, tmp_path_factory, name):
    out = tmp_path_factory.getbasetemp() / "quick"  # they share cells
    argv = [name, "--quick", "--data", "mnist", "--seeds", "0", "--out", out]
    status, words_, errors = says(*argv)
    assert status == 0, errors
    assert words_.startswith("QUICK: ") and "paper" in words_ and f"{name}.json" in words_
    result = json.loads((out / f"{name}.json").read_text())
    assert result["quick"].startswith("QUICK") and result["rows"] and not result["failures"]
    for done in result["cells"].values():
        assert done["recipe"]["data"]["quick"] and done["minutes"] >= 0 and done["versions"]["decnp"]
    if name.startswith("figure"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    again, _, errors = says(*argv)
    if result["cells"]:
        assert again == 0 and f"{len(result['cells'])} of {len(result['cells'])} cells are already finished" in errors


def test_without_matplotlib_the_numbers_are_written_all_the_same(says, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("decnp.plotting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, errors = says("figure1", "--quick", "--data", "digits", "--out", tmp_path)
    assert status == 0 and 'pip install "decnp[plot]"' in errors and "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["figure1.json"]
    assert json.loads((tmp_path / "figure1.json").read_text())["rows"][0]["sizes"] == [64, 32, 10]


def test_data_that_is_not_here_is_named_and_the_rest_goes_on(says, tmp_path, monkeypatch):
    empty_folders(tmp_path, monkeypatch)
    fresh_data()
    status, words_, _ = says("table1", "--quick", "--data", "reuters,digits,stl", "--out", tmp_path / "out")
    assert status == 0 and "digits" in words_
    for name in ("reuters", "stl"):
        assert f"\n{name} is not available: " in words_ and f"`decnp data fetch {name}" in words_
    status, _, errors = says("table1", "--data", "stl", "--out", tmp_path / "out")
    assert status == 2 and errors.startswith("decnp: error: stl is not available: ") and errors.count("\n") == 1


@pytest.mark.parametrize("argv, sentence", [
    (["table5"], "invalid choice: 'table5'"),
    (["table1", "--data", "mnist,x"], "--data must be names of data sets: mnist, "),
    (["table1", "--data", "MNITS"], "got 'MNITS', did you mean 'mnist'?"),
    (["table1", "--seeds", "0,0"], "--seeds: must be different whole numbers >= 0, separated by commas; got '0,"),
    (["table1", "--seeds", "-1"], "--seeds: must be different whole numbers"),
    (["table1", "--jobs", "0"], "--jobs: must be a whole number from 1 to 4096; got '0'"),
    (["table1", "--data", "digits", "--out", __file__], "cannot be used: "),
])
def test_bad_options_are_one_sentence(says, argv, sentence):
    status, out, errors = says(*argv)
    assert (status, out) == (2, "") and sentence in errors and errors.count("\n") == 1


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path, says):
    argv = ["reproduce", "table2", "--quick", "--data", "digits", "--out", str(tmp_path)]
    run = start(*argv, warnings="default")
    for line in run.stderr:
        if "k-means, seed 1" in line:
            run.send_signal(signal.SIGINT)
            break
    errors = run.stderr.read()
    assert run.wait(300) == 130 and "interrupted; repeat the command to resume" in errors and "Traceback" not in errors
    run.stdout.close(), run.stderr.close()
    rows = json.loads((tmp_path / "table2.json").read_text())["rows"]
    assert rows[0]["best_of_nine"] is None and rows[0]["fixed"]["values"]
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    (tmp_path / "table2.json").unlink()
    assert main([*argv, "-q", "--so-far"]) == 0
    assert json.loads((tmp_path / "table2.json").read_text())["rows"] == rows
    assert done == {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    status, _, errors = says(*argv[1:], "-q")
    assert status == 0 and errors == ""
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert json.loads((tmp_path / "table2.json").read_text())["rows"][0]["best_of_nine"]


# ---------------------------------------------------------------- archives in the official layout

def fresh_data():
    """Forget what was loaded, as the folders are others now."""
    for kept in (data_room.load, data_room._source, data_room._stl_rows):
        kept.cache_clear()


@pytest.fixture
def folders(folders):
    fresh_data()
    yield folders
    fresh_data()


@pytest.fixture
def stl(folders):
    contents = stl_contents(14, 11, 5)
    put(folders["env"], {f"stl10_binary/{name}": stl_bytes(array) for name, array in contents.items()})
    return contents


@pytest.fixture
def rcv1(folders):
    rng = np.random.default_rng(0)
    documents = [(i, " ".join(f"{'cgme'[i % 4]}word{rng.integers(6)}" for _ in range(8)),
                  [["CCAT", "GCAT", "MCAT", "ECAT"][i % 4]]) for i in range(60)]
    put(folders["env"], rcv1_files(documents))


@pytest.mark.filterwarnings("ignore::decnp.datasets._files.UnofficialData")
def test_an_stl_archive_goes_from_verify_to_table_2_and_figure_3(says, stl, tmp_path, capsys):
    assert main(["data", "verify", "stl"]) == 2
    assert "use it without a check as stl-unofficial" in capsys.readouterr().err
    options = ("--quick", "--data", "stl-unofficial", "--seeds", "0", "--out", tmp_path / "out")
    status, words_, errors = says("table2", *options)
    assert status == 0, errors
    assert [line.split()[:2] for line in words_.splitlines() if line.startswith("stl-unofficial")][0] == [
        "stl-unofficial", "k-means"]
    row = json.loads((tmp_path / "out" / "table2.json").read_text())["rows"][-3]
    assert row["method"] == "DEC" and row["paper"] == 35.90 and 0 < row["best_of_nine"]["ACC"] <= 1
    status, _, errors = says("figure3", *options)
    assert status == 0 and (tmp_path / "out" / "figure3.png").exists(), errors


@pytest.mark.filterwarnings("ignore::decnp.datasets._files.UnofficialData")
def test_stls_autoencoder_learns_from_the_unlabelled_images_too(stl, tmp_path):
    spec = {"name": "stl-unofficial"}
    rows = data_room.autoencoder_rows(spec)
    assert rows.shape == (30 * 4 // 5, 1428) and data_room.load(**spec).X.shape == (25, 1428)
    ae = store.autoencoder(tmp_path, spec, NETWORK)
    assert ae.scale_ == pytest.approx(1 / np.sqrt(np.mean(np.square(rows, dtype=np.float64))), rel=1e-6)
    profile = Plan(Options(tmp_path)).network(spec, 0)["profile"]
    assert profile["finetune_iter"] == fast(24).finetune_iter and profile["max_iter"] == fast(25).max_iter


@pytest.mark.filterwarnings("ignore::decnp.datasets._files.UnofficialData")
def test_the_photographs_behind_the_rows(stl, folders):
    from decnp.datasets.hog import stl_hog
    from decnp.datasets.stl import load_stl, stl_images

    X, _ = load_stl(verify=False)
    rows = np.array([20, 0, 20, 3])
    images = stl_images(rows, verify=False)
    assert images.shape == (4, 96, 96, 3) and images.dtype == np.uint8
    np.testing.assert_allclose(stl_hog(images), X[rows], atol=1e-5)


@pytest.mark.filterwarnings("ignore::decnp.datasets._files.UnofficialData")
def test_rcv1_files_go_from_verify_to_tables_1_and_2(says, rcv1, tmp_path, capsys):
    assert main(["data", "verify", "reuters10k"]) == 2
    assert "reuters10k-unofficial" in capsys.readouterr().err
    out = tmp_path / "out"
    status, words_, errors = says("table1", "--data", "reuters10k-unofficial,reuters-unofficial", "--out", out)
    assert status == 0, errors
    assert "reuters-unofficial" in words_ and "685071 / 60" in words_ and "4 / 4" in words_ and "2000 / 24" in words_
    X = data_room.load("reuters-unofficial").X
    assert isinstance(X, np.memmap) and X.dtype == np.float32
    np.testing.assert_allclose((X**2).sum(axis=1), 24, rtol=1e-5)  # |x|^2 / D = 1
    status, words_, errors = says("table2", "--quick", "--data", "reuters-unofficial", "--seeds", "0", "--out", out)
    assert status == 0, errors
    methods_ = [row["method"] for row in json.loads((out / "table2.json").read_text())["rows"]]
    assert methods_ == ["k-means", "DEC w/o backprop", "DEC", "GMM"]  # the others are N/A in the paper, too
