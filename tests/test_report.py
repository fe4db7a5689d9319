"""The report of a run: a newcomer's way from a .csv to the page, the page itself, in a browser too, and mistakes."""

import base64
import io
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import BROWSER, look
from commands import QUICK, here
from conftest import blobs

from decnp import plotting
from decnp.io.tables import read_table
from decnp.plotting.embed import data_uri
from decnp.report import page as report_page
from decnp.report import write_report
from decnp.report.folder import read_run

TABLE = 'a<b>&"c.csv'  # a name that has to be escaped
CLASSES = ("<script>alert(1)</script>", "fish & 'chips'", "Füchse")


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A folder with a .csv of 64 named columns and one of labels, in the middle, and its run with a report."""
    folder = tmp_path_factory.mktemp("newcomer")
    X = blobs(60, n_features=64, spread=0.4)
    y = [CLASSES[j] for j in (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]
    rows = [[f"p{j}" for j in range(32)] + ["species"] + [f"p{j}" for j in range(32, 64)]]
    rows += [[*map(repr, x[:32].tolist()), f'"{label}"', *map(repr, x[32:].tolist())] for x, label in zip(X, y)]
    (folder / TABLE).write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    done = here("fit", TABLE, *QUICK, "--label-column", "species", "--out", "run", "--report", cwd=folder)
    return folder, X, y, done


@pytest.fixture
def run(newcomer, tmp_path, monkeypatch):
    """A copy of that run, and of its data, to spoil."""
    shutil.copytree(newcomer[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    change(lambda record: record["source"].update(folder=str(tmp_path)))
    return Path("run")


def change(how):
    record = json.loads(Path("run/run.json").read_text())
    how(record)
    Path("run/run.json").write_text(json.dumps(record))


class Page(HTMLParser):
    """The text of a page, its tags, and the addresses that it names."""

    def __init__(self, content):
        super().__init__()
        self.text, self.tags, self.addresses, self.alts = "", [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.alts += [value for name, value in attrs if name == "alt"]

    def handle_data(self, text):
        self.text += text


# ---------------------------------------------------------------- from a table to its page

def test_from_a_table_with_a_header_and_labels_to_the_report(newcomer):
    folder, X, y, (status, out, err) = newcomer
    assert status == 0, err
    assert err.startswith(f"decnp: {TABLE}: 60 rows of 64 columns, with a first line of names; "
                          "the labels in 'species' are for the scores only\n")
    assert out.splitlines()[-2:] == ["written to run/", "report: run/report.html"]
    record = json.loads((folder / "run/run.json").read_text())
    assert record["source"] == {"name": TABLE, "n_samples": 60, "n_features": 64, "labels": None,
                                "label_column": "species", "drop": [], "columns": [], "header": None,
                                "folder": str(folder), "notes": [], "warnings": []}
    page = Page((folder / "run/report.html").read_text(encoding="utf-8"))
    assert f"{TABLE}, in 3 clusters" in page.text and "60 rows of 64 columns" in page.text
    assert "profile fast, changed by --set, seed 0." in page.text
    for name, scores in record["scores"].items():
        for value in scores.values():
            assert f"{100 * value:.2f} %" in page.text, name
    for size in record["cluster_sizes"]:
        assert f"{size / 60:.1%}" in page.text
    assert f"Not converged: {record['stop_reason']}." in page.text or record["converged"]
    assert record["command"] in page.text and "decnp predict run/model.decnp new.csv" in page.text


def test_the_labels_of_a_table_never_change_the_result(newcomer, data, says):
    folder, X, y, _ = newcomer
    np.save("x.npy", read_table(folder / TABLE, "species").X)
    np.testing.assert_array_equal(np.load("x.npy"), X.astype(np.float32))
    assert says("fit", "x.npy", *QUICK, "-q", "--out", "other")[0] == 0
    assert Path("other/labels.npy").read_bytes() == (folder / "run/labels.npy").read_bytes()
    assert Path("other/embedding.npy").read_bytes() == (folder / "run/embedding.npy").read_bytes()


def test_the_same_table_can_be_labelled_by_the_model(newcomer):
    folder = newcomer[0]
    status, out, err = here("predict", "run/model.decnp", TABLE, "--label-column", "species", cwd=folder)
    assert (status, err) == (0, "") and [*map(int, out.split())] == np.load(folder / "run/labels.npy").tolist()


def test_the_page_is_alone_and_executes_nothing(newcomer):
    content = (newcomer[0] / "run/report.html").read_text(encoding="utf-8")
    page = Page(content)
    assert not {"script", "iframe", "object", "embed", "form"} & {*page.tags}
    assert page.tags.count("img") == 7 and all(address.startswith("data:") for address in page.addresses)
    assert len(page.alts) == 7 and all(len(alt) > 20 for alt in page.alts)
    assert "http" not in re.sub(r"data:image[^\"]*", "", content).replace("http-equiv", "")
    assert "default-src 'none'" in content and "prefers-color-scheme: dark" in content


def test_the_page_takes_no_high_q_for_a_right_cluster(newcomer):
    content = (newcomer[0] / "run/report.html").read_text(encoding="utf-8")
    assert "a high q does not mean that a cluster is right" in content
    assert not re.search(r"\b(sure|certain|confident|came to rest|come to rest|always)\b", content)
    for sentence in ("0 is a perfect copy", "0 if the soft assignments Q equal their targets P",
                     "Neither loss says whether the clusters are right"):
        assert content.count(sentence) == 2  # below the figure, and in the text that stands for it
    assert f"This run: {json.loads((newcomer[0] / 'run/run.json').read_text())['stop_reason']}." in content


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")
def test_in_a_browser_every_picture_renders_and_the_console_is_silent(newcomer, tmp_path):
    (wide, narrow), console = look(newcomer[0] / "run/report.html", 1280, 400)
    assert console == []
    for seen in (wide, narrow):
        assert len(seen["images"]) == 7 and all(width > 100 for width in seen["images"])
        assert seen["too_wide"] == seen["hidden"] == 0 and seen["smallest"] >= 14 and TABLE in seen["text"]
    spoiled = tmp_path / "spoiled.html"  # would it be seen?
    spoiled.write_text('<img src="data:image/png;base64,AAAA"><p style="width:999px">x<script>console.log(1)</script>')
    (seen,), console = look(spoiled, 390)
    assert seen["images"] == [0] and seen["too_wide"] > 500 and len(console) == 1


def test_decnp_report_makes_the_same_page_from_the_folder(run):
    before = Path("run/report.html").read_bytes()
    Path("run/report.html").unlink()
    assert here("report", "run") == (0, "written to run/report.html\n", "")
    assert Path("run/report.html").read_bytes() == before
    assert sorted(os.listdir("run")) == sorted(
        ["centroids.npy", "clusters.csv", "embedding.npy", "labels.npy", "model.decnp", "report.html", "run.json"])


# ---------------------------------------------------------------- which pictures, of what

def titles(run, monkeypatch, **kwargs):
    """The pictures of a page by title, with the arguments that they are drawn from; nothing is drawn."""
    calls, network_diagram = {}, plotting.network_diagram

    def drawn(name):
        def draw(*args, **kwargs):
            calls[name] = args, kwargs
            return network_diagram([2, 1])
        return draw
    for name in plotting.__all__:
        monkeypatch.setattr(plotting, name, drawn(name))
    monkeypatch.setattr("decnp.report.pictures.data_uri", lambda ax: "data:,")
    page = Page(write_report(run, **kwargs).read_text(encoding="utf-8"))
    seen = re.findall(r"Typical images of each cluster|Column means of each cluster|Embedding z|Clusters and classes|Images between clusters", page.text)
    return seen, calls, page.text


def test_the_pictures_are_of_this_run(newcomer, run, monkeypatch):
    _, X, y, _ = newcomer
    seen, calls, text = titles(run, monkeypatch)
    assert seen == ["Typical images of each cluster", "Embedding z", "Clusters and classes", "Images between clusters"]
    (rows, labels, q), montage = calls["cluster_montage"]
    np.testing.assert_array_equal(rows, X.astype(np.float32))
    np.testing.assert_array_equal(labels, np.load("run/labels.npy"))
    np.testing.assert_array_equal(q.argmax(axis=1), labels)
    assert montage == {"image_shape": (8, 8), "least": True}
    assert calls["embedding_scatter"][1]["method"] == "pca"
    np.testing.assert_array_equal(calls["embedding_scatter"][0][0], np.load("run/embedding.npy"))
    assert calls["confusion_matrix"][0][0].tolist() == y
    assert [step["loss"] for step in calls["learning_curves"][0][0]] == [
        step["loss"] for step in json.loads(Path("run/run.json").read_text())["history"]]
    assert calls["label_changes"][1] == {"tol": 1e-3}


def test_tsne_and_image_shapes_as_asked_for(run, monkeypatch, says):
    seen, calls, _ = titles(run, monkeypatch, tsne=True, image_shape=None)
    assert seen == ["Column means of each cluster", "Embedding z", "Clusters and classes"]
    assert calls["embedding_scatter"][1]["method"] == "tsne" and "cluster_montage" not in calls
    _, labels, columns = calls["cluster_columns"][0]  # no images: a table
    assert columns == [f"p{j}" for j in range(64)] and len(labels) == 60
    asked = []
    monkeypatch.setattr("decnp.report.write_report", lambda *args: asked.append(args) or "there")
    for words in ([], ["--tsne", "--image-shape", "4,16"], ["--image-shape", "none"], ["--image-shape", "8,8,3"]):
        assert says("report", "run", *words) == (0, "written to there\n", "")
    assert asked == [("run", False, "auto"), ("run", True, (4, 16)), ("run", False, None), ("run", False, (8, 8, 3))]
    for wrong in ("8", "8,0", "8,8,2", "a,b", "8,8,3,3"):
        status, _, err = says("report", "run", "--image-shape", wrong)
        assert status == 2 and f"must be height,width or height,width,3, in pixels, none or auto; got {wrong!r}" in err


def test_a_picture_that_cannot_be_drawn_says_why(run):
    page = Page(write_report(run, image_shape=(5, 5)).read_text(encoding="utf-8"))
    assert page.text.count("Not drawn: image_shape (5, 5) needs 25 columns; got (64,).") == 2
    assert page.tags.count("img") == 5


def test_a_table_is_no_image_unless_it_is_a_square(run, monkeypatch):
    from decnp.report.pictures import _shape

    found = read_run(run)

    def shape(n_features, name="x.csv", asked="auto"):
        record = {"source": {"name": name, "n_features": n_features}}
        return _shape(found._replace(record=record), asked)
    assert [shape(D) for D in (1, 4, 49, 63, 64, 65, 784)] == [None, None, None, None, (8, 8), None, (28, 28)]
    assert shape(784, "mnist") == (28, 28) and shape(64, "digits") == (8, 8) and shape(64, asked=(2, 32)) == (2, 32)
    assert shape(64, asked=None) is None


def test_the_smaller_kind_is_taken():
    rng = np.random.default_rng(0)
    for ax, wanted in ((plotting.network_diagram([4, 2]), "svg+xml"),
                       (plotting.accuracy_curve(range(2000), rng.normal(size=2000)), "png")):
        kind, content = re.fullmatch(r"data:image/([a-z+]*);base64,(.*)", data_uri(ax)).groups()
        sizes = {}
        for name in ("svg", "png"):
            file = io.BytesIO()
            ax.figure.savefig(file, format=name, dpi=144)
            sizes[name] = len(file.getvalue())
        assert kind == wanted and abs(len(base64.b64decode(content)) - min(sizes.values())) < 500
        assert data_uri(ax) == f"data:image/{kind};base64,{content}"


# ---------------------------------------------------------------- what is no longer there

def test_without_the_data_the_page_says_so(run, monkeypatch):
    os.rename(TABLE, "elsewhere.csv")
    seen, _, text = titles(run, monkeypatch)
    assert seen == ["Embedding z"]
    assert f"the data could not be read again: no such file: {Path.cwd() / TABLE}." in text
    assert "DEC, at the end" in text  # the scores are those of the run


@pytest.mark.parametrize("spoil, sentence", [
    (lambda rows: rows[:1] + rows[:0:-1], "the model gives another embedding of its rows"),
    (lambda rows: rows[:-1], "59 rows of 64 columns now, and 60 of 64 then"),
])
def test_data_that_have_changed_are_not_shown(run, spoil, sentence):
    rows = Path(TABLE).read_text(encoding="utf-8").splitlines()
    Path(TABLE).write_text("\n".join(spoil(rows)), encoding="utf-8")
    found = read_run(run)
    assert found.X is None and found.y is None and len(found.missing) == 1 and f"({sentence})" in found.missing[0]


def test_labels_that_have_changed_are_not_shown(run):
    text = Path(TABLE).read_text(encoding="utf-8")
    Path(TABLE).write_text(text.replace(CLASSES[0], CLASSES[1], 9), encoding="utf-8")
    found = read_run(run)
    assert found.X is not None and found.y is None
    assert found.missing == [
        "The figures of the classes are left out, because the labels have changed since the run: they give another accuracy."]


def test_labels_from_a_file_of_their_own(newcomer, run):
    y = newcomer[2]
    change(lambda record: record["source"].update(labels="y.txt"))
    assert "no such file" in read_run(run).missing[0]
    Path("y.txt").write_text("\n".join(y), encoding="utf-8")
    found = read_run(run)
    assert found.missing == [] and found.y.tolist() == y


def test_a_run_of_an_earlier_version_has_no_folder(run):
    change(lambda record: [record["source"].pop(name) for name in ("folder", "labels", "label_column", "warnings")])
    assert "is not a number" in read_run(run).missing[0]  # relative to here, and the column of labels is not known


def test_the_first_targets_are_explained(run, sketched):
    change(lambda record: (record["profile"].update(label_iter=8), record.update(scores=None), record.update(start="neighbors")))
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "P is the clusters of the start in the first steps, and then sharper than Q (Eq. 3)." in text


@pytest.mark.parametrize("value, std, shown", [
    (4.657e-10, 0.03, "0"), (-4.657e-10, 0.03, "0"), (1034.5, 733.0, "1034.5"), (1012.2999878, 6.0, "1012.3"),
    (2013.0, 0.0, "2013"), (123456.0, 9e4, "123456"), (0.00012345, 1e-4, "0.0001234"), (-0.4, 5e5, "0")])
def test_medians_have_digits_for_a_thousandth_of_the_standard_deviation(value, std, shown):
    assert report_page._in_units(value, std) == shown


def test_without_labels_the_page_looks_for_no_accuracy(run, sketched):
    change(lambda record: record.update(scores=None))
    found = read_run(run)
    assert found.y is None and found.X is not None and found.missing == []
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    losses = [step["loss"] for step in found.record["history"] if step["phase"] == "cluster"]
    assert f"was {losses[0]:.4f} nats per sample at the k-means start, and {losses[-1]:.4f} at the end." in text
    assert "So it may rise or jump where P changes, and it does not say whether the clusters are right." in text
    assert "P is sharper than Q, of which it is made (Eq. 3)." in text

    assert "No labels were given" in text and "DEC, at the end" not in text and "accuracy (Eq. 10)" not in text


@pytest.mark.parametrize("start, words", [
    ("neighbors", "The clustering phase started from clusters of the neighbor graph of the embedding."),
    ("array", "The clustering phase started from the array of --init."),
    (None, "The clustering phase started from k-means in the embedding of the autoencoder."),  # a run of an earlier version
])
def test_the_start_that_was_taken(run, sketched, start, words):
    sentence = "the clustering phase started from k-means, not from the neighbor graph of the embedding: it has 9 parts"

    def taken(record):
        assert record["start"] == "k-means"
        record.update(start=start, warnings=[sentence])
        if start is None:
            del record["start"]

    change(taken)
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert words in text
    assert f"start{words.partition(' from ')[2][:-1]}stopped" in text  # among the facts of the recipe
    assert f"T{sentence[1:]}." in text
    change(lambda record: record.update(scores=None))
    assert f"nats per sample at the {start or 'k-means'} start, and " in Page(write_report(run).read_text(encoding="utf-8")).text


def test_notes_in_words(run, sketched):
    def spoil(record):
        record.update(warnings=["1 of 3 clusters have no rows (number <b>2</b>)", "not converged: slow"], converged=False)
        record["source"]["warnings"] = ["a & b"]
        record["seconds"]["total"] = 600.0
    change(spoil)
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    for sentence in ("1 of 3 clusters have no rows (number <b>2</b>).", "Not converged: slow.", "Use a larger --max-iter",
                     "Data: a & b.", "10.0 min"):
        assert sentence in text
    assert "The run ended at its limit" not in text  # the warning says it
    change(lambda record: record.update(warnings=[], stop_reason="max_iter = 40 steps were taken; 2% still changed"))
    text = Page(write_report(run).read_text(encoding="utf-8")).text
    assert "The run ended at its limit: max_iter = 40 steps were taken; 2% still changed. Reaching the limit is not" in text
    change(lambda record: (record.update(warnings=[], converged=True), record["source"].update(warnings=[])))
    assert "Notes" not in Page(write_report(run).read_text(encoding="utf-8")).text
    change(lambda record: record["source"].update(doubts=[record["source"].pop("warnings"), "c"][1:]))  # as version 0.1
    assert "Data: c." in Page(write_report(run).read_text(encoding="utf-8")).text


# ---------------------------------------------------------------- mistakes

@pytest.fixture
def refused_report(says):
    """``decnp report``, which must end with status 2 and one sentence, which is returned."""
    def refused(*argv):
        status, out, err = says("report", *argv)
        assert (status, out) == (2, "") and err.count("\n") == 1 and err.startswith("decnp: error: ")
        return err[len("decnp: error: "):-1]
    return refused


def test_folders_that_hold_no_finished_run(run, refused_report):
    assert refused_report("nowhere") == ("nowhere holds no finished run: there is no nowhere/run.json "
                                         "(decnp fit --out writes one)")
    assert refused_report(TABLE).endswith("(decnp fit --out writes one)")
    Path("run/run.json").rename("run/resume.json")
    assert refused_report("run") == "the run in run is not complete: resume it with decnp fit --resume run"
    Path("run/choose_k.cells").touch()
    assert refused_report("run") == ("run holds a comparison of decnp choose-k that is not complete; a report needs a folder "
                                     "that decnp fit --out has filled")


@pytest.mark.parametrize("spoil, sentence", [
    (lambda r: r.pop("n_clusters"), "run/run.json is damaged, or is of another version: n_clusters in it is None"),
    (lambda r: r.update(n_clusters=True), "n_clusters in it is True"),
    (lambda r: r["source"].update(drop=3), "source.drop in it is 3"),
    (lambda r: r.update(stability=[0.5]), "stability in it is [0.5]"),
    (lambda r: r.update(stability={"clusters": [1]}), "stability in it is {'clusters': [1]}"),
    (lambda r: r.update(stability={"n_runs": 2, "agreement": "1", "kmeans_agreement": 1, "clusters": [None] * r["n_clusters"]}),
     "stability in it is {'n_runs': 2, 'agreement': '1'"),
    (lambda r: r.update(stability={"n_runs": 2, "agreement": 1, "kmeans_agreement": 1, "clusters": [""] * r["n_clusters"]}),
     "stability in it is {'n_runs': 2, 'agreement': 1, "),
    (lambda r: r["source"].update(labels=True), "source.labels in it is True"),
    (lambda r: r["source"].update(label_column=False), "source.label_column in it is False"),
    (lambda r: r["source"].update(warnings=True), "source.warnings in it is True"),
    (lambda r: r["source"].update(drop=[3]), "source.drop in it is [3]"),
    (lambda r: r.update(n_clusters=4), "the files in run do not fit together: labels (60,), embedding (60, 2), "
                                       "centroids (3, 2), and run.json says 60 rows in 4 clusters"),
    (lambda r: r.update(source="x"), "source in it is 'x'"),
    (lambda r: r.update(columns=["a"]), "columns in it is ['a']"),
    (lambda r: r["columns"].append(r["columns"].pop() and None), "columns in it is ['p0', "),
    (lambda r: r["source"].update(name=3), "source.name in it is 3"),
    (lambda r: r["seconds"].update(total=float("nan")), "seconds.total in it is nan"),
    (lambda r: r["parameters"].update(hidden_layer_sizes=None), "parameters.hidden_layer_sizes in it is None"),
    (lambda r: r["history"].append(7), "a step of history in it is 7"),
    (lambda r: r["history"][0].update(loss="low"), "a step of history in it is {"),
    (lambda r: r["scores"].update(end=3), "scores in it is {"),
    (lambda r: r["scores"]["end"].update(ACC="<b>"), "scores in it is {"),
])
def test_a_damaged_record_is_refused(run, refused_report, spoil, sentence):
    change(spoil)
    assert sentence in refused_report("run")


def test_other_damage(run, refused_report, monkeypatch):
    record = Path("run/run.json").read_bytes()
    Path("run/run.json").write_bytes(record[:99])
    assert refused_report("run").startswith("run/run.json is damaged: it is not JSON (")
    Path("run/run.json").write_bytes(record)
    model = Path("run/model.decnp").read_bytes()
    Path("run/model.decnp").write_bytes(model[:-99])
    assert refused_report("run").startswith("cannot use run/model.decnp: ")
    Path("run/model.decnp").write_bytes(model)
    z = np.load("run/embedding.npy")
    np.save("run/embedding.npy", np.full_like(z, np.nan))
    assert refused_report("run").startswith("the files in run do not fit together")
    np.save("run/embedding.npy", z)
    os.rename("run/labels.npy", "labels.npy")
    assert refused_report("run") == "cannot read run/labels.npy: No such file or directory"
    os.rename("labels.npy", "run/labels.npy")
    monkeypatch.setattr(report_page, "pictures", lambda *_: ([], []))
    Path("run/report.html").unlink()
    Path("run/report.html").mkdir()
    assert refused_report("run") == "run/report.html could not be written: there is something that is not a file"


def test_without_matplotlib_it_is_said_before_training(data, refused, refused_report, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("decnp.plotting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("decnp.plotting")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sentence = 'the report\'s figures need matplotlib: pip install "decnp[plot]"'
    assert refused("x.npy", "--out", "run", "--report") == sentence and not Path("run").exists()
    assert refused_report("run") == sentence


def test_fit_with_a_report_needs_a_folder_and_replaces_an_earlier_one(data, refused, says, monkeypatch):
    assert refused("x.npy", "--report") == "--report needs --out DIR, the folder that takes report.html"
    Path("mine").mkdir()
    Path("mine/report.html").write_text("my own")
    assert "has report.html but no run.json" in refused("x.npy", "--out", "mine")
    monkeypatch.setattr(
        "decnp.cli.run_fit.write_report", lambda out, data: (out / "report.html").write_text(str(data[0].shape)))
    assert says("fit", "x.npy", *QUICK, "-q", "--out", "run", "--report")[0] == 0
    assert Path("run/report.html").read_text() == "(60, 6)"
    assert says("fit", "x.npy", *QUICK, "-q", "--out", "run", "--overwrite")[0] == 0
    assert not Path("run/report.html").exists()  # it was of the run before


@pytest.mark.parametrize("words, name", [
    ("decnp fit mnist", "fast"), ("decnp fit mnist --profile paper --out x", "paper"), ("decnp fit --prof=paper m", "paper"),
    ("decnp fit m --profile fast --set lr=1", "fast, changed by --set")])
def test_the_profile_is_the_one_asked_for(words, name):
    assert report_page._profile_name({"command": words}) == name
