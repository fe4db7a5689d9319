"""The number of clusters: agreement of seeds, the rule and its words, files of finished runs, and ``decnp choose-k``."""

import errno
import json
import os
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from commands import QUICK as WORDS
from commands import here, start
from conftest import QUICK, blobs
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.pipeline import make_pipeline

from decnp import DEC, CheckpointError, StackedAutoencoder, choose_k
from decnp.choosing import cells, plan
from decnp.choosing.agreement import agreement, cluster_agreement, matrix_of
from decnp.choosing.cells import Cell, CellStore, held_out
from decnp.choosing.verdict import choice_of, reference_silhouettes
from decnp.cli import resume, run_choose_k
from decnp.equations import kl_divergence, target_distribution
from decnp.utils.rows import LazyRows, is_mapped

K_WORDS = [word for word in WORDS if word not in ("--n-clusters", "3")]
"""The options of ``commands.QUICK`` without --n-clusters 3."""


LONGER = replace(QUICK, finetune_iter=400)


def groups(n=200):
    """Four groups in six columns."""
    rng = np.random.default_rng(0)
    return rng.normal(scale=4, size=(4, 6))[np.arange(n) % 4] + rng.normal(size=(n, 6))


@pytest.fixture(scope="module")
def model():
    return DEC(hidden_layer_sizes=(16, 4), profile=LONGER, init="k-means", n_init=3, engine="numpy", random_state=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cells")


@pytest.fixture(scope="module")
def choice(model, folder):
    return choose_k(model, groups(), [5, 3, 4], 3, folder=folder)


# ---------------------------------------------------------------- agreement

def test_agreement_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    runs = [rng.integers(3, size=50) for _ in range(4)]
    assert_allclose(agreement(runs), np.mean([adjusted_rand_score(a, b) for a, b in combinations(runs, 2)]), rtol=1e-12)
    assert agreement(runs[:1]) is None and agreement([runs[0], runs[0]]) == 1


def test_each_cluster_has_its_best_match_in_the_other_runs():
    rng = np.random.default_rng(0)
    labels, *others = (rng.integers(4, size=60) for _ in range(4))
    expected = []
    for j in range(4):
        own, best = set(np.flatnonzero(labels == j)), []
        for other in others:
            sets = [set(np.flatnonzero(other == i)) for i in range(4)]
            best.append(max(len(own & one) / len(own | one) for one in sets))
        expected.append(np.mean(best))
    found = cluster_agreement(labels, others, 5)
    assert_allclose(found[:4], expected, rtol=1e-12)
    assert found[4] is None and cluster_agreement(labels, [], 4) == [None] * 4  # empty, and nothing to compare with


# ---------------------------------------------------------------- the rule

def cell(k, seed, labels, kmeans=None, silhouette=0.5, kmeans_silhouette=0.5, losses=(1.0, 1.0)):
    return Cell(k, seed, list(labels), list(labels if kmeans is None else kmeans), 0.9, silhouette, kmeans_silhouette, *losses,
                "k-means")


STABLE = [[0, 1] * 10, [1, 0] * 10]
UNSTABLE = [[0, 1] * 10, [0] * 10 + [1] * 10]


def chosen(*cells, references):
    return choice_of(cells, references, [0, 1], 20)


def two(k, runs, **others):
    return [cell(k, seed, labels, **others) for seed, labels in enumerate(runs)]


def test_the_largest_silhouette_among_those_that_are_stable_and_compact():
    found = chosen(*two(2, STABLE), *two(3, [[0, 1, 2, 0] * 5] * 2, silhouette=0.6), *two(4, UNSTABLE, silhouette=0.9),
                   *two(5, [[0, 1, 2, 3, 4] * 4] * 2, silhouette=0.95), references={2: 0.4, 3: 0.4, 4: 0.4, 5: 0.96})
    assert [row.supported for row in found.rows] == [True, True, False, False] and found.best_k == 3
    words = found.sentences[0]
    assert words.startswith("k = 3: 2 seeds agree to 1.00") and "0.60, is above that" in words and "k = 2 too" in words
    assert "3*" in str(found) and "2*" not in str(found) and words in str(found)


def test_an_empty_cluster_excludes_a_k():
    assert chosen(*two(3, STABLE), references={3: 0.1}).best_k is None


@pytest.mark.parametrize("runs, reference, words", [
    (UNSTABLE, 0.6, ["agree to -0.06 at most (k = 2), below 0.7", "not more compact", "There may be no clusters in these data."]),
    (UNSTABLE, 0.1, ["agree to -0.06 at most", "above that of data without clusters for k = 2."]),
    (STABLE, 0.6, ["not more compact than those of k-means in data without clusters"])])
def test_no_k_is_supported(runs, reference, words):
    found = chosen(*two(2, runs), references={2: reference})
    assert found.best_k is None and found.sentences[0].startswith("No k is supported. ")
    for part in words:
        assert part in found.sentences[0]
    assert ("There may be" in found.sentences[0]) == ("There may be" in words[-1])
    assert found.sentences[1] == "k-means on the same rows: no k is supported either."


def test_seeds_that_agree_for_one_k_and_compact_clusters_for_another():
    found = chosen(*two(2, STABLE), *two(3, UNSTABLE), references={2: 0.6, 3: 0.4})
    assert found.best_k is None and "not for the same k" in found.sentences[0] and "k = 3." in found.sentences[0]


def test_k_means_is_judged_by_the_same_conditions():
    assert "k-means is as stable and as compact" in chosen(*two(2, STABLE), references={2: 0.1}).sentences[1]
    other = chosen(*two(2, STABLE, kmeans_silhouette=0.2), references={2: 0.1}).sentences[1]
    assert "k = 2 (agreement 1.00, silhouette in the data 0.20)" in other and "as stable" not in other
    cells = [cell(2, seed, labels, kmeans) for seed, (labels, kmeans) in enumerate(zip(STABLE, UNSTABLE))]
    assert chosen(*cells, references={2: 0.1}).sentences[1].endswith("conditions, no k is supported.")


def test_close_silhouettes_and_tiny_clusters_are_said():
    assert any("close" in words for words in chosen(*two(2, STABLE), references={2: 0.45}).sentences)
    assert not any("close" in words for words in chosen(*two(2, STABLE), references={2: 0.4}).sentences)
    labels = [0] * 199 + [1]
    found = choice_of(two(2, [labels, labels]), {2: 0.1}, [0, 1], 200)
    assert any("has 1 of 200 rows" in words for words in found.sentences)


def test_G_is_a_mean_of_ratios_and_its_largest_fall_is_said():
    cells = [*two(2, STABLE, losses=(1.0, 1.0)), *two(3, STABLE, losses=(1.0, 2.0)), *two(5, STABLE, losses=(1.0, 4.0))]
    found = chosen(*cells, references={2: 0, 3: 0, 5: 0})
    assert [row.G for row in found.rows] == [1, 0.5, 0.25] and "falls most after k = 2." in found.sentences[-1]
    none = chosen(*two(2, STABLE, losses=(0.0, 0.0)), references={2: 0})
    assert none.rows[0].G is None and not any("G of" in words for words in none.sentences)


def test_data_without_clusters_are_less_compact_than_groups_and_not_than_noise():
    noise = np.random.default_rng(1).uniform(size=(150, 4))
    for X, groups_are_there in ((groups(), True), (noise, False)):
        reference = reference_silhouettes(X, [4], 0)[4]
        found = silhouette_score(X, KMeans(4, n_init=3, random_state=0).fit_predict(X))
        assert (found > 1.5 * reference) == groups_are_there and (found < reference) != groups_are_there


# ---------------------------------------------------------------- the runs

def test_four_groups_are_found(choice):
    assert choice.best_k == 4 and [row.k for row in choice.rows] == [3, 4, 5]
    row = choice.rows[1]
    assert row.agreement > 0.95 and row.smallest > 45 and row.silhouette > row.data_silhouette > row.reference
    assert json.loads(json.dumps(choice.as_dict()))["rows"][1]["supported"] is True


def test_uniform_noise_has_no_clusters(model):
    found = choose_k(model, np.random.default_rng(0).uniform(size=(200, 6)), [2, 4], 3)
    assert found.best_k is None and found.sentences[0].startswith("No k is supported.")
    assert "There may be no clusters in these data." in found.sentences[0]


def test_the_order_of_the_rows_does_not_hide_the_clusters(model, monkeypatch):
    for module in (cells, plan):
        monkeypatch.setattr(module, "SAMPLE", 50)
    X = np.random.default_rng(0).normal(size=(100, 3)) + np.where(np.arange(100) % 2, 6, -6)[:, None]
    assert choose_k(model, X, [2], 2).best_k == 2


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_k_means_sees_both_kinds_of_rows_that_alternate(kind):
    found = matrix_of(LazyRows(kind(np.arange(100.0)[:, None] % 2), float), 50)
    assert found.shape == (50, 1) and 10 < found.sum() < 40


def test_a_memory_map_is_read_into_memory_and_an_array_is_not_copied(model, tmp_path):
    np.save(tmp_path / "X.npy", groups().astype(np.float32))
    found = plan.plan_of(model, np.load(tmp_path / "X.npy", mmap_mode="r"), [2], 2).X
    assert_array_equal(found, groups().astype(np.float32))
    assert not is_mapped(found) and matrix_of(found) is found


def test_a_cell_is_dec_on_four_fifths_of_the_rows(model, choice, folder):
    X, seed = groups(), choice.seeds[1]
    training, validation = held_out(len(X), seed)
    assert_array_equal(np.sort(np.concatenate([training, validation])), np.arange(200))
    assert len(validation) == 40 and not np.array_equal(validation, held_out(200, choice.seeds[0])[1])
    ae = StackedAutoencoder((16, 4), profile=LONGER, engine="numpy", random_state=np.random.default_rng(seed).spawn(3)[0])
    dec = DEC(4, autoencoder=ae.fit(X[training]), profile=LONGER, init="k-means", n_init=3, engine="numpy", random_state=seed)
    dec.fit(X[training])
    stored = Cell(**json.loads((folder / f"k4-seed{seed}.json").read_bytes())["cell"])
    assert_array_equal(stored.labels, dec.predict(X))
    kmeans = KMeans(4, n_init=1, random_state=seed).fit(X[training]).predict(X)
    assert_array_equal(stored.kmeans_labels, kmeans)
    expected = [silhouette_score(dec.transform(X), stored.labels), silhouette_score(X, stored.labels),
                silhouette_score(X, kmeans)]
    assert_allclose([stored.silhouette, stored.data_silhouette, stored.kmeans_silhouette], expected, rtol=1e-9)
    for rows, loss in ((training, stored.train_loss), (validation, stored.validation_loss)):
        q = dec.predict_proba(X[rows])
        assert_allclose(loss, kl_divergence(target_distribution(q), q) / len(rows), rtol=1e-9)


def test_finished_cells_are_read_and_missing_ones_computed(model, choice, folder, monkeypatch):
    fitted = []
    monkeypatch.setattr(DEC, "iter_fit", lambda self, X, fit=DEC.iter_fit: fitted.append(self.n_clusters) or fit(self, X))
    assert choose_k(model, groups(), [3, 4, 5], 3, folder=folder) == choice and fitted == []
    (folder / f"k4-seed{choice.seeds[1]}.json").unlink()
    assert choose_k(model, groups(), [3, 4, 5], 3, folder=folder) == choice and fitted == [4]


def test_cells_of_another_run_and_damaged_ones_are_refused(model, choice, folder):
    with pytest.raises(CheckpointError, match=r"k3-seed\d+\.json is of another run: alpha differs"):
        choose_k(DEC(**{**model.get_params(), "alpha": 2.0}), groups(), [3], 3, folder=folder)
    with pytest.raises(CheckpointError, match="is of another run: the sha256 of X differs"):
        choose_k(model, groups() + 1, [3], 3, folder=folder)
    path = folder / f"k3-seed{choice.seeds[0]}.json"
    content = path.read_bytes()
    record = json.loads(content)
    others = [{**record, "cell": {**record["cell"], **change}} for change in (
        {"labels": True}, {"labels": [0]}, {"kmeans_labels": ["0"] * 200}, {"silhouette": "0.5"}, {"train_loss": None}, {"start": 3})]
    for damaged in (content[:99], *(json.dumps(other).encode() for other in others)):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="is damaged: delete it"):
            choose_k(model, groups(), [3], 3, folder=folder)
    path.write_bytes(content)


def test_sparse_rows_and_other_workers_give_the_same(model, choice):
    import joblib

    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert choose_k(model, sp.csr_array(groups()), [3, 4, 5], 3) == choice


def test_bad_parameters_are_named(model, autoencoder):
    X = groups(20)
    for arguments, words in (
            (dict(ks=[]), "ks must have at least one"), (dict(ks=3), "^ks must be an iterable of .*; got 3$"),
            (dict(ks=np.array(3)), r"^ks must be an iterable of whole numbers >= 2; got array\(3\)$"),
            (dict(ks=[2, 1]), "each of ks must be a whole number >= 2; got 1"),
            (dict(ks=[2], n_seeds=1), "n_seeds must be a whole number >= 2; got 1"),
            (dict(ks=[17]), "four fifths of the rows, 16; of these, X must have at least n_clusters = 17")):
        with pytest.raises(ValueError, match=words):
            choose_k(model, X, **arguments)
    for name, value in (("autoencoder", autoencoder), ("checkpoint", "x"), ("init", np.zeros((2, 4)))):
        with pytest.raises(ValueError, match=f"{name} must be None"):
            choose_k(DEC(**{**model.get_params(), name: value}), X, [2])
    with pytest.raises(ValueError, match="X must have at least 5 rows"):
        choose_k(model, X[:4], [2])
    with pytest.raises(ValueError, match="^model must be a DEC, and X the rows that it takes; got the model Pipeline$"):
        choose_k(make_pipeline(model), X, [2])


# ---------------------------------------------------------------- the command

def rows_of(folder):
    return json.loads(Path(folder, "choose_k.json").read_text())["rows"]


def test_a_killed_comparison_is_resumed(data, says):
    command = ("choose-k", "x.npy", *K_WORDS, "--k", "2..3")
    status, out, err = says(*command, "--out", "alone")
    assert status == 0 and "decnp: seed 3 of 3: k = 3\n" in err and out.endswith("written to alone/\n"), err
    assert sorted(os.listdir("alone")) == ["choose_k.json", "choose_k.png"]
    process = start(*command, "--out", "run")
    while "seed 2 of 3: k = 2" not in process.stderr.readline():
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.communicate(timeout=300)
    assert len(os.listdir("run/choose_k.cells")) >= 3 and "choose_k.json" not in os.listdir("run")
    status, _, err = says(*command, "--out", "run")
    cells = os.path.join("run", "choose_k.cells")
    incomplete = "decnp: error: --out run holds a run that is not complete: decnp choose-k --resume run resumes it; delete "
    assert status == 2 and err.endswith(f"{incomplete}{cells} to start again\n")
    both = f"{cells} and {os.path.join('run', 'resume.json')}"
    assert says("fit", "x.npy", *WORDS, "--out", "run", "--overwrite") == (2, "", f"{incomplete}{both} to start again\n")
    assert "run/resume.json holds no command of decnp fit, but one of decnp choose-k" in says("fit", "--resume", "run")[2]
    for name in (".choose_k.json.0123abcd.part", ".resume.json.0123abcd.part"):
        Path("run", name).write_bytes(b"half")  # of a write that another kill interrupted
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    status, out, err = says("choose-k", "--resume", "../run")
    assert status == 0 and "seed 1 of 3" not in err and "seed 3 of 3: k = 3" in err, err
    assert sorted(os.listdir("../run")) == ["choose_k.json", "choose_k.png"] and rows_of("../run") == rows_of("../alone")
    status, again, err = says("choose-k", "--resume", "../run")
    assert status == 0 and again == out and "is complete: these are its results" in err
    assert says(*command, "--out", "../alone")[0] == 2


@pytest.mark.parametrize("finished", [0, 1])
def test_a_full_disk_is_one_sentence_and_finished_runs_stay(data, says, monkeypatch, finished):
    def write(self, cell, write=CellStore.write):
        if len(list(self.folder.iterdir())) >= finished:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, cell)

    with monkeypatch.context() as patch:
        patch.setattr(CellStore, "write", write)
        status, out, err = says("choose-k", "x.npy", *K_WORDS, "--k", "2", "--seeds", "2", "-q", "--out", "run")
    resumes = "; to resume: decnp choose-k --resume run" * finished
    assert (status, out, err) == (2, "", f"decnp: error: --out run could not be written: {os.strerror(errno.ENOSPC)}{resumes}\n")
    assert os.path.exists("run/choose_k.cells") == os.path.exists("run") == bool(finished)
    if finished:
        assert len(os.listdir("run/choose_k.cells")) == 1 and says("choose-k", "--resume", "run", "-q")[0] == 0


def test_results_that_do_not_fit_on_the_disk_are_written_when_resumed(data, says, monkeypatch):
    def fail(files):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(run_choose_k, "write_all_atomically", fail)
        status, _, err = says("choose-k", "x.npy", *K_WORDS, "--k", "2", "--seeds", "2", "-q", "--out", "run")
    assert status == 2 and err.endswith(f"{os.strerror(errno.ENOSPC)}; to resume: decnp choose-k --resume run\n")
    status, _, err = says("choose-k", "--resume", "run")
    assert status == 0 and "autoencoder\n" not in err


def test_a_sparse_file_gives_what_a_dense_one_gives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = groups(60).astype(np.float32) * (np.arange(360).reshape(60, 6) % 3 > 0)
    np.savez("x.dense.npz", X=X, y=np.arange(60) % 2)
    sp.save_npz("x.npz", sp.csr_matrix(X))
    for name, words in (("x.dense.npz", "columns; the labels are not used"), ("x.npz", "columns, sparse")):
        status, out, err = here("choose-k", name, *K_WORDS, "--k", "2,4", "--seeds", "2", "--out", name[2:])
        assert status == 0 and f"of 6 {words}\n" in err, err
    assert rows_of("dense.npz") == rows_of("npz")


@pytest.mark.parametrize("started, files, refused, words", [
    ("fit", [], ["choose-k"], "decnp fit --resume run resumes it; delete run/resume.json to start again"),
    ("choose-k", [], ["fit"], "decnp choose-k --resume run resumes it; delete run/resume.json to start again"),
    ("fit", ["checkpoint-restart-1.decnp", "checkpoint-restart-2.decnp"], ["choose-k"],
     "decnp fit --resume run resumes it; delete run/checkpoint*.decnp and run/resume.json to start again"),
    ("fit", ["checkpoint-restart-1.decnp", "checkpoint-restart-2.decnp"], ["fit"],
     "decnp fit --resume run resumes it; delete run/checkpoint*.decnp to start again"),
    (None, ["choose_k.cells"], ["choose-k", "fit"], "delete run/choose_k.cells to start again"),
    (None, ["checkpoint.decnp"], ["choose-k", "fit"], "delete run/checkpoint.decnp to start again"),
])
def test_an_incomplete_run_of_either_command_is_not_replaced(data, says, started, files, refused, words):
    os.mkdir("run")
    if started:
        resume.start(Path("run"), [started, "x.npy"])
    for name in files:
        Path("run", name).touch()
    before = sorted(os.listdir("run"))
    for command in refused:
        source = [command, "x.npy", *(WORDS if command == "fit" else [*K_WORDS, "--k", "2"])]
        for overwrite in ([], ["--overwrite"]):
            status, out, err = says(*source, "--out", "run", *overwrite)
            assert (status, out) == (2, "") and err.replace(os.sep, "/") == (
                f"decnp: error: --out run holds a run that is not complete: {words}\n")
    assert sorted(os.listdir("run")) == before


@pytest.mark.parametrize("content", [None, "{", '{"argv": []}'], ids=["choose-k", "damaged", "empty"])
def test_a_comparison_that_has_computed_nothing_is_replaced(data, says, content):
    os.mkdir("run")
    resume.start(Path("run"), ["choose-k", "x.npy"])
    if content:
        Path("run/resume.json").write_text(content)
    assert says("choose-k", "x.npy", *K_WORDS, "--k", "2", "--seeds", "2", "--out", "run", "-q")[0] == 0
    assert sorted(os.listdir("run")) == ["choose_k.json", "choose_k.png"]


def test_a_raw_table_as_json_and_without_matplotlib(tmp_path, monkeypatch):
    rows = [f"r{i},{'' if i % 9 == 0 else round(a, 3)},{b:.3f},{'xyz'[i % 3]},{i % 2}" for i, (a, b) in enumerate(blobs(60, 2))]
    (tmp_path / "raw.csv").write_text("\n".join(["id,size,weight,kind,label", *rows]))
    monkeypatch.setitem(sys.modules, "decnp.plotting", None)
    status, out, err = here("choose-k", "raw.csv", *K_WORDS, "--k", "2,3", "--seeds", 2, "--standardize", "--missing", "median",
                            "--categories", "auto", "--drop", "id", "--out", "k", "--json", cwd=tmp_path)
    assert status == 0 and "decnp: no picture: " in err and "of them); the column 'label' is left out\n" in err, err
    record = json.loads(out)
    assert [row["k"] for row in record["rows"]] == [2, 3] and len(record["seeds"]) == 2
    assert record["source"]["n_features"] == 5 and os.listdir(tmp_path / "k") == ["choose_k.json"]


def test_mistakes(data, says):
    np.save("start.npy", np.arange(60) % 3)
    Path("odd/choose_k.json").mkdir(parents=True)
    Path("own").mkdir()
    Path("own/choose_k.png").write_text("mine")
    for words, sentence in (
            (["--out", "own", "--overwrite"], "has choose_k.png but no choose_k.json, so it holds no earlier comparison"),
            (["--out", "odd"], "has a folder called choose_k.json: choose another"), (["--overwrite"], "needs --out DIR"),
            (["--k", "1..3"], "must be whole numbers >= 2"), (["--k", "3..2"], "must begin with the smaller number"),
            (["--k", "50"], "x.npy: each seed trains on four fifths of the rows, 48"), (["--init", "start.npy"], "a file is for one k"),
            (["--out", "x.npy"], "is a file, not a folder"), (["--resume", "there"], "--resume takes everything from DIR")):
        status, out, err = says("choose-k", "x.npy", *K_WORDS, *words)
        assert (status, out) == (2, "") and sentence in err and err.count("\n") <= 2, err
    assert says("choose-k", "x.npy", *K_WORDS, "--k", "50", "--out", "new")[0] == 2 and not os.path.exists("new")
    assert "there is no run to resume" in says("choose-k", "--resume", "nowhere")[2]
    assert "needs a SOURCE" in says("choose-k")[2]
