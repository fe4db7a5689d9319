"""The pictures: what their artists hold, not that they are drawn."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox
from numpy.testing import assert_allclose, assert_array_equal

from decnp import Step, cluster_accuracy, plotting
from decnp.plotting import (
    accuracy_curve,
    agreement_curves,
    choosing_k,
    cluster_columns,
    cluster_montage,
    confusion_matrix,
    embedding_scatter,
    gradient_against_q,
    label_changes,
    learning_curves,
    network_diagram,
    settings_curves,
)

ROOT = Path(__file__).parents[1]

HISTORY = [
    Step("pretrain 1", 10, 20, 0.9), Step("pretrain 1", 20, 20, np.inf),  # diverged: again at half the rate
    Step("pretrain 1", 10, 20, 0.5), Step("pretrain 1", 20, 20, 0.25),
    Step("finetune", 30, 60, 0.2), Step("finetune", 60, 60, 0.1),
    Step("k-means", 7, 7, 40.0),
    Step("cluster", 0, 80, 0.06, 1.0), Step("cluster", 20, 80, 0.04, 0.05), Step("cluster", 40, 80, 0.03, 0.0),
]


def lines(ax):
    return [line.get_xydata().tolist() for line in ax.lines if len(line.get_xdata()) and line.get_marker() == "o"]


# ---------------------------------------------------------------- curves

def test_learning_curves_are_the_history():
    ax = learning_curves(HISTORY)
    _, right = ax.figure.axes
    assert_array_equal(lines(ax)[0], [[0.5, 0.9], [1, np.nan]])
    assert lines(ax)[1:] == [[[0.5, 0.5], [1, 0.25]], [[1.5, 0.2], [2, 0.1]]]
    assert lines(right) == [[[2, 0.06], [2.5, 0.04], [3, 0.03]]]
    assert [line.get_linestyle() for line in ax.lines[:3]] == [":", "-", "-"]  # what diverged is dotted
    assert [text.get_text() for text in ax.texts] == ["pretrain 1", "end to end", "clustering"]
    assert "nats" in right.get_ylabel() and ax.get_ylabel() == "reconstruction loss"
    ticks = [ax.xaxis.get_major_formatter()(x) for x in (0, 0.5, 1, 1.5, 2, 2.5, 3)]
    assert ticks == ["0", "10", "20", "30", "60", "20", "40"]  # each phase's own steps


def test_agreement_curves_have_dashed_lines_for_k_means_and_a_mark():
    ax = agreement_curves([2, 3], [0.5, 0.9], [0.3, 0.6], [0.2, 0.1], [0.4, 1.0], [0.25, 0.65], best_k=3)
    drawn = {line.get_label(): (line.get_ydata().tolist(), line.get_linestyle()) for line in ax.lines[:5]}
    assert drawn == {
        "agreement of seeds": ([0.5, 0.9], "-"), "silhouette in the data": ([0.3, 0.6], "-"),
        "silhouette without clusters": ([0.2, 0.1], ":"), "k-means: agreement": ([0.4, 1.0], "--"),
        "k-means: silhouette": ([0.25, 0.65], "--")}
    assert ax.lines[5].get_xdata() == [3, 3] and len(agreement_curves([2], [1], [1], [0], [1], [1]).lines) == 5
    with pytest.raises(ValueError, match="k-means: agreement must have 1 entries"):
        agreement_curves([2], [1], [1], [0], [1, 2], [1])


def test_learning_curves_of_one_phase_and_of_records_with_more_fields():
    records = [{**step._asdict(), "gradient": 1.0} for step in HISTORY if step.phase == "cluster"]
    ax = learning_curves(records)
    assert ax.figure.axes == [ax] and "nats" in ax.get_ylabel()
    assert lines(ax) == [[[0, 0.06], [0.5, 0.04], [1, 0.03]]]
    assert "recon" in learning_curves(HISTORY[:4]).get_ylabel()


@pytest.mark.parametrize("losses, said", [
    ([0.9, 0.04], {"0.05", "0.1", "0.2", "0.5", "1"}),
    ([0.38, 0.31], {"0.32", "0.34", "0.36"}),  # no 1, 2 or 5 between them
])
def test_a_logarithmic_axis_has_numbers_at_any_length(losses, said):
    ax = learning_curves([Step("finetune", t, 2, loss) for t, loss in enumerate(losses, 1)])
    ax.figure.canvas.draw()
    low, high = ax.get_ylim()
    seen = {label.get_text() for which in ("major", "minor") for tick, label in
            zip(ax.get_yticks(minor=which == "minor"), ax.get_yticklabels(which=which)) if low <= tick <= high}
    assert said <= seen and len(seen) < 10  # what is left blank is one of them


def test_label_changes_are_in_per_cent_from_the_second_refresh_on():
    ax = label_changes(HISTORY, tol=0.002)
    assert lines(ax) == [[[20, 5], [40, 0]]]
    assert ax.lines[1].get_ydata()[0] == pytest.approx(0.2) and ax.texts[0].get_text() == "tol = 0.2 %"
    low, high = ax.get_ylim()
    assert low == 0 and high > 5


def test_settings_curves_have_the_papers_in_the_same_colour_thin_and_dashed():
    ax = settings_curves({"DEC": [0.5, np.nan, 0.7], "SEC": [0.4]}, paper={"SEC": [0.3, 0.2], "LDMGI": [0.1]})
    got = {(line.get_label(), line.get_color(), line.get_linestyle()):
           line.get_ydata().tolist() for line in ax.lines[:4]}
    dec, sec, sec_paper, other = [*got]
    assert_array_equal(got[dec], [0.5, np.nan, 0.7])
    assert [got[key] for key in (sec, sec_paper, other)] == [[0.4], [0.3, 0.2], [0.1]]
    assert (dec[0], sec[0], other[0]) == ("DEC", "SEC", "LDMGI, paper")
    assert sec[1] == sec_paper[1] != dec[1] and other[1] not in (dec[1], sec[1])
    assert (dec[2], sec[2], sec_paper[2], other[2]) == ("-", "-", "--", "--")
    assert ax.lines[0].get_linewidth() > ax.lines[2].get_linewidth()
    assert ax.lines[1].get_xdata().tolist() == [1] and ax.get_xticks().tolist() == [1, 2, 3]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["DEC", "SEC", "LDMGI, paper", "paper"]


def test_several_runs_have_their_mean_and_a_band():
    ax = settings_curves({"DEC": [[0.5, np.nan, 0.6], [0.7, np.nan, np.nan]], "SEC": [[0.4, 0.3, 0.2]]})
    assert_allclose(ax.lines[0].get_ydata(), [0.6, np.nan, 0.6])
    assert_allclose(ax.lines[1].get_ydata(), [0.4, 0.3, 0.2])
    band, = ax.collections
    assert band.get_facecolor()[0][:3].tolist() == list(to_rgb(ax.lines[0].get_color()))
    assert {tuple(point) for point in band.get_paths()[0].vertices.round(3)} == {(1, 0.5), (1, 0.7)}
    ax = choosing_k([3, 5], [[0.4, 0.5], [0.6, 0.7]], [1.2, 0.8])
    assert_allclose([line.get_ydata() for line in ax.lines], [[0.5, 0.6], [1.2, 0.8]])
    assert len(ax.collections) == 1
    with pytest.raises(ValueError, match="NMI must have 2 entries, as many as the others; got 3"):
        choosing_k([3, 5], [[0.4, 0.5, 0.6]], [1, 1])
    with pytest.raises(ValueError, match="the curve of 'DEC' must hold numbers"):
        settings_curves({"DEC": [[0.4, 0.5], [0.6]]})


def test_accuracy_curve_and_choosing_k_hold_their_values():
    ax = accuracy_curve([0, 1, 3], [0.5, 0.6, 0.7], paper=([0, 9], [0.8, 0.9]))
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0, 0.5], [1, 0.6], [3, 0.7]], [[0, 0.8], [9, 0.9]]]
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--"]
    ax = choosing_k([3, 5], [0.4, 0.5], [1.2, 0.7], paper=([4], [0.6], [0.8]))
    data = [line.get_xydata().tolist() for line in ax.lines[:4]]
    assert data == [[[3, 0.4], [5, 0.5]], [[3, 1.2], [5, 0.7]], [[4, 0.6]], [[4, 0.8]]]
    assert ax.lines[0].get_color() == ax.lines[2].get_color() != ax.lines[1].get_color() == ax.lines[3].get_color()
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 1.2
    assert choosing_k([3], [0.4], [0.5]).get_ylim() == (0, 1)


# ---------------------------------------------------------------- images

def cells(ax, n_rows, n, h, w):
    """The images of a montage, by row and column; None where there is none."""
    sheet = ax.images[0].get_array()
    assert sheet.shape[:2] == (n_rows * (h + 2) - 2, n * (w + 2) - 2)
    cut = [[sheet[i * (h + 2):, j * (w + 2):][:h, :w] for j in range(n)] for i in range(n_rows)]
    return [[None if np.ma.getmaskarray(cell).all() else np.asarray(cell) for cell in row] for row in cut]


def test_a_montage_shows_the_most_typical_rows_and_on_request_the_least():
    X = np.arange(7 * 6).reshape(7, 6)  # each image is known by its numbers
    labels, scores = np.array([4, 1, 4, 4, 1, 4, 9]), np.array([0.3, 0.1, 0.9, 0.3, 0.2, 0.5, 0.0])
    for least, wanted in ((False, [[4, 1, None], [2, 5, 0], [6, None, None]]),  # 0 and 3 are equal: the first one
                          (True, [[1, 4, None], [0, 3, 5], [6, None, None]])):
        ax = cluster_montage(X, labels, scores, n=3, image_shape=(2, 3), least=least)
        for row, rows in zip(cells(ax, 3, 3, 2, 3), wanted):
            assert [None if cell is None else cell.tolist() for cell in row] == [
                None if i is None else X[i].reshape(2, 3).tolist() for i in rows]
        assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1", "4", "9"]
        assert ax.get_yticks().tolist() == [0.5, 4.5, 8.5]  # the middle of each row's two lines
        assert ("least" if least else "most") in ax.get_xlabel()


def test_a_montage_takes_from_q_the_column_of_each_rows_own_cluster():
    X, labels = np.arange(12).reshape(3, 4), [1, 0, 1]
    q = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]  # by its first column row 0 would come before row 2
    ax = cluster_montage(X, labels, q, n=2)
    assert [cell is not None and cell[0, 0] for row in cells(ax, 2, 2, 2, 2) for cell in row] == [4, False, 8, 0]


def test_a_montage_of_colour_images_is_scaled_as_a_whole_and_transparent_between_them():
    X = np.zeros((2, 2, 2, 3))
    X[0, 0, 0] = [51, 0, 0]
    sheet = cluster_montage(X.reshape(2, -1), [0, 0], [2, 1], n=3, image_shape=(2, 2, 3)).images[0].get_array()
    assert sheet.shape == (2, 10, 4)
    assert sheet[0, 0].tolist() == [1, 0, 0, 1] and sheet[0, 4].tolist() == [0, 0, 0, 1]
    assert_array_equal(sheet[:, [2, 3, 6, 9], 3], 0)


def test_the_gradient_picture_has_the_norms_and_the_middle_image_of_each_tenth():
    rng = np.random.default_rng(0)
    q, gradient = rng.permutation(100) / 100, rng.normal(size=(100, 3))
    ax = gradient_against_q(q, gradient, np.arange(400).reshape(100, 4))
    sizes = [sum(g * g for g in row) ** 0.5 for row in gradient]
    assert_allclose(ax.collections[0].get_offsets(), np.c_[q, sizes], rtol=1e-12)
    boxes = sorted((box for box in ax.artists if isinstance(box, AnnotationBbox)), key=lambda box: box.xyann[0])
    chosen = [int(np.flatnonzero(q == rank / 100)[0]) for rank in range(5, 100, 10)]
    assert [box.offsetbox.get_data()[0, 0] // 4 for box in boxes] == chosen
    assert_allclose([box.xy for box in boxes], [(q[i], sizes[i]) for i in chosen])
    few = gradient_against_q([0.1, 0.3, 0.2], [1, 2, 3], np.arange(12).reshape(3, 2, 2))
    assert [box.xy for box in few.artists] == [(0.1, 1), (0.2, 3), (0.3, 2)]
    assert not gradient_against_q(q, gradient).artists


# ---------------------------------------------------------------- the embedding

def test_the_scatter_is_the_first_two_principal_components():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(1)
    z = rng.normal(size=(60, 4)) @ np.diag([1, 5, 0.5, 2]) + 100
    labels = np.repeat(["b", "a", "c"], 20)
    pca = PCA(2).fit(z)
    ax = embedding_scatter(z, labels)
    assert [group.get_label() for group in ax.collections] == ["a", "b", "c"]
    points = [np.asarray(group.get_offsets()) for group in ax.collections]
    signs = np.sign(points[0][0] * pca.transform(z[labels == "a"])[0])  # a direction has two ends
    for own, name, text in zip(points, "abc", ax.texts):
        assert_allclose(own, pca.transform(z[labels == name]) * signs, rtol=1e-8, atol=1e-10)
        assert_allclose(text.get_position(), np.median(own, axis=0))
        assert text.get_text() == name
    assert [f"({share:.0%} of" in label for share, label in zip(
        pca.explained_variance_ratio_, (ax.get_xlabel(), ax.get_ylabel()))] == [True, True]


def test_the_scatter_draws_a_sample_but_turns_by_all_points():
    rng = np.random.default_rng(2)
    z, labels = rng.normal(size=(500, 3)), rng.integers(3, size=500)

    def points(**kwargs):
        """Each point with the cluster that it is drawn in."""
        groups = embedding_scatter(z, labels, **kwargs).collections
        return np.concatenate([np.c_[group.get_offsets(), np.full(len(group.get_offsets()), int(group.get_label()))]
                               for group in groups])

    some, others, everything = points(n=40), points(n=40, random_state=1), points(n=None)
    assert len(some) == len(others) == 40 and not np.array_equal(some, others)
    assert_array_equal(some, points(n=40))
    assert len(everything) == 500 and {*map(tuple, some)} <= {*map(tuple, everything)}


def test_the_scatter_in_one_dimension_and_of_a_single_place():
    ax = embedding_scatter([[3.0], [5.0]], [0, 0])
    assert ax.collections[0].get_offsets().data.tolist() == [[-1, 0], [1, 0]]
    assert embedding_scatter([[3.0], [3.0]], [0, 0]).collections[0].get_offsets().data.tolist() == [[0, 0], [0, 0]]


def test_tsne_keeps_groups_apart_and_depends_on_its_seed_only():
    rng = np.random.default_rng(3)
    z = np.concatenate([rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 60])
    one, other = (embedding_scatter(z, np.repeat([0, 1], 12), method="tsne", random_state=5) for _ in range(2))
    a, b = (group.get_offsets() for group in one.collections)
    assert_array_equal(a, other.collections[0].get_offsets())
    within = max(np.linalg.norm(group - group.mean(axis=0), axis=1).max() for group in (a, b))
    assert np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)) > within
    assert "t-SNE" in one.get_xlabel() and len(one.get_xticks()) == 0


def test_clusters_differ_in_colour_or_in_shape():
    ax = embedding_scatter(np.random.default_rng(4).normal(size=(200, 2)), np.arange(200) % 40)
    looks = {(tuple(group.get_facecolor()[0]), group.get_paths()[0].vertices.tobytes()) for group in ax.collections}
    assert len(looks) == len(ax.collections) == 40


# ---------------------------------------------------------------- tables

def test_the_columns_of_a_table_by_cluster():
    rng = np.random.default_rng(6)
    X, labels = rng.normal(size=(50, 5)) * [1, 100, 1, 0.01, 1] + 7, rng.choice(["b", "a"], 50)
    X[:, 2] = 3  # never changes
    X[labels == "a", 3] += 0.05
    ax = cluster_columns(X, labels, ["p", "q", "r", "s" * 40, "t"])
    for j, column in enumerate(X.T):
        for i, cluster in enumerate("ab"):
            far = (column[labels == cluster].mean() - column.mean()) / (column.std() or 1)
            assert ax.images[0].get_array()[j, i] == pytest.approx(far, abs=1e-12)
            assert ax.texts[2 * j + i].get_text() == f"{far:+.1f}" and ax.texts[2 * j + i].get_position() == (i, j)
    assert ticks(ax) == (["p", "q", "r", "s" * 29 + "…", "t"], ["a", "b"])
    few = cluster_columns(X, labels, n=2)  # the one with the difference put in, and another
    rows = [int(name) - 1 for name in ticks(few)[0]]
    assert 3 in rows and rows == sorted(rows) and len(rows) == 2
    assert_array_equal(few.images[0].get_array(), ax.images[0].get_array()[rows])


# ---------------------------------------------------------------- classes and clusters

Y = ["a"] * 5 + ["b"] * 4 + ["c"] * 3
FOUND = [2, 2, 2, 0, 0] + [0, 0, 0, 1] + [1, 1, 2]
TABLE = [[3, 2, 0], [0, 3, 1], [1, 0, 2]]  # by hand: a is 2's, b is 0's, c is 1's


def counts(ax):
    side = len(ax.get_yticks()), len(ax.get_xticks())
    return np.array([int(text.get_text()) for text in ax.texts]).reshape(side).tolist()


def ticks(ax):
    return [tick.get_text() for tick in ax.get_yticklabels()], [tick.get_text() for tick in ax.get_xticklabels()]


def test_the_confusion_matrix_by_hand_whatever_the_clusters_are_called():
    ax = confusion_matrix(Y, FOUND)
    assert counts(ax) == TABLE and ticks(ax) == (["a", "b", "c"], ["2", "0", "1"])
    assert [text.get_position() for text in ax.texts[:2]] == [(0, 0), (1, 0)]  # a's row, from left to right
    assert_allclose(ax.images[0].get_array(), np.array(TABLE) / [[5], [4], [3]])  # shares of the class
    assert ax.get_title() == f"ACC {cluster_accuracy(Y, FOUND):.2%}" == "ACC 66.67%"
    for names in ([7, 5, 6], ["x", "z", "y"], [0, 2, 1]):
        ax = confusion_matrix(Y, [names[j] for j in FOUND])
        assert counts(ax) == TABLE and ticks(ax)[1] == [str(names[j]) for j in (2, 0, 1)]


def test_the_diagonal_is_the_accuracy_and_what_has_no_partner_comes_last():
    rng = np.random.default_rng(5)
    for k in (2, 3, 6):  # clusters, against four classes
        y = rng.integers(4, size=90)
        labels = np.where(rng.random(90) < 0.6, y % k, rng.integers(k, size=90))
        table = np.array(counts(confusion_matrix(y, labels)))
        assert table.shape == (4, k) and table.sum() == 90
        assert np.trace(table) / 90 == pytest.approx(cluster_accuracy(y, labels))
    ax = confusion_matrix([0] * 7 + [1], [5, 5, 5, 2, 4, 4, 5, 3])
    assert counts(ax) == [[4, 0, 2, 1], [0, 1, 0, 0]] and ticks(ax)[1] == ["5", "3", "4", "2"]  # the larger ones first
    ax = confusion_matrix([0, 1, 1, 2], [0, 0, 0, 1])
    assert counts(ax) == [[2, 0], [0, 1], [1, 0]] and ticks(ax)[0] == ["1", "2", "0"]


def test_a_large_confusion_matrix_is_colours_alone():
    ax = confusion_matrix(np.arange(60) % 30, np.arange(60) % 30)
    assert not ax.texts and ax.images[0].get_array().shape == (30, 30)


# ---------------------------------------------------------------- the network

def test_the_network_is_encoder_and_mirrored_decoder_with_the_head_on_z():
    ax = network_diagram([784, 500, 2000, 10])
    by_gid = lambda gid: [text.get_text() for text in sorted(ax.texts, key=lambda text: text.get_position()[0])
                          if text.get_gid() == gid]
    assert by_gid("width") == ["784", "500", "2000", "10", "2000", "500", "784"]
    assert by_gid("activation") == ["ReLU", "ReLU", "linear", "ReLU", "ReLU", "linear"]
    bars = [bar for bar in ax.patches if (bar.get_gid() or "").startswith("layer")]
    heights = [bar.get_height() for bar in bars]
    assert heights == heights[::-1] and heights[3] < heights[1] < heights[0] < heights[2]
    head, = [text for text in ax.texts if text.get_gid() == "head"]
    code = bars[3]
    assert head.get_position()[0] == pytest.approx(code.get_x() + code.get_width() / 2)
    assert network_diagram([3, 1]).texts[0].get_text() == "3"


# ---------------------------------------------------------------- for all

PICTURES = {
    "learning_curves": lambda ax: learning_curves(HISTORY, ax),
    "label_changes": lambda ax: label_changes(HISTORY, ax, tol=0.1),
    "cluster_columns": lambda ax: cluster_columns(np.eye(4), [0, 0, 1, 1], None, ax),
    "cluster_montage": lambda ax: cluster_montage(np.eye(4), [0, 0, 1, 1], [1, 2, 3, 4], ax),
    "embedding_scatter": lambda ax: embedding_scatter(np.eye(3), [0, 1, 2], ax),
    "confusion_matrix": lambda ax: confusion_matrix(Y, FOUND, ax),
    "gradient_against_q": lambda ax: gradient_against_q([0.1, 0.2], [1, 2], np.eye(4)[:2], ax),
    "network_diagram": lambda ax: network_diagram([4, 2], ax),
    "settings_curves": lambda ax: settings_curves({"DEC": [0.1]}, ax),
    "accuracy_curve": lambda ax: accuracy_curve([0, 1], [0.1, 0.2], ax),
    "choosing_k": lambda ax: choosing_k([2, 3], [0.1, 0.2], [0.3, 0.4], ax),
    "agreement_curves": lambda ax: agreement_curves([2, 3], [0.1, 0.2], [0.3, 0.4], [0.1, 0.1], [0, 1], [0, 0.5], 3, ax),
}


def test_every_picture_draws_into_the_axes_it_is_given_or_into_its_own(tmp_path):
    assert sorted([*PICTURES, "panels"]) == sorted(plotting.__all__)
    for name, draw in PICTURES.items():
        ax = Figure().add_subplot()
        assert draw(ax) is ax
        own = draw(None)
        assert own.figure is not ax.figure and own.figure.axes[0] is own
        own.figure.savefig(tmp_path / f"{name}.png", dpi=30)  # a warning (a glyph that the font lacks) is an error
        with pytest.raises(ValueError, match="^ax must be a matplotlib Axes or None; got 'left'$"):
            draw("left")


def test_names_are_shown_as_they_are_and_not_as_formulas():
    """Without the escape of a dollar sign, matplotlib raises a ValueError when it parses the formula."""
    odd = ["$\\x$", "a_b"]
    for ax in (confusion_matrix(odd, odd), embedding_scatter(np.eye(2), odd), cluster_columns(np.eye(2), odd, odd),
               cluster_montage(np.eye(4)[:2], odd, [1, 2])):
        ax.figure.canvas.draw()


@pytest.mark.parametrize("call, sentence", [
    (lambda: learning_curves([]), "history must hold at least one record of a phase with a loss; got none"),
    (lambda: learning_curves([("finetune", 1)]),
     r"history must hold Records, with phase, iteration and loss; got \('fine"),
    (lambda: label_changes(HISTORY[:8]), "history must hold at least two refreshes of P; got none after the start"),
    (lambda: settings_curves({}), "curves must have at least one method; got none"),
    (lambda: settings_curves({"DEC": "high"}), "the curve of 'DEC' must hold numbers; got 'high'"),
    (lambda: settings_curves({"DEC": []}), r"the curve of 'DEC' must have 1 axis and at least one entry; .* \(0,\)"),
    (lambda: accuracy_curve([0, 1], [0.5]), "accuracy must have 2 entries, as many as the others; got 1"),
    (lambda: choosing_k([3], [np.nan], [1]), "NMI must hold finite numbers; got nan"),
    (lambda: cluster_montage(np.eye(3), [0, 1, 1], [1, 2, 3]),
     "image_shape must be given, because 3 columns are not a square"),
    (lambda: cluster_montage(np.eye(4), [0, 1], [1, 2]), "labels must have 4 entries, as many as the others; got 2"),
    (lambda: cluster_montage(np.eye(4), [0.5] * 4, [1] * 4), "labels must hold integers or strings.* float64"),
    (lambda: cluster_montage(np.eye(4), [0] * 4, [1] * 4, n=0), "n must be a whole number >= 1; got 0"),
    (lambda: cluster_montage(np.eye(4), [0] * 4, [1] * 4, image_shape=(2, 3)), r"image_shape \(2, 3\) needs 6 columns"),
    (lambda: cluster_montage(np.eye(4), [0] * 4, [1] * 4, image_shape=(4,)), r"image_shape must be \(height, width\)"),
    (lambda: cluster_montage(np.eye(4), [0, 1, 2, 1], np.eye(4)[:, :2]),
     "scores with 2 columns need labels from 0 to 1"),
    (lambda: cluster_montage(np.eye(121), range(121), range(121)), "a montage can have at most 100 clusters; got 121"),
    (lambda: cluster_columns(np.eye(2), [0, 1], ["a"]), "columns must have 2 names; got 1"),
    (lambda: cluster_columns(np.eye(2), [0, 1], n=0), "n must be a whole number >= 1; got 0"),
    (lambda: cluster_columns(np.eye(2), [0]), "labels must have 2 entries, as many as the others; got 1"),
    (lambda: embedding_scatter([1.0, 2.0], [0, 1]), r"z must have 2 axes and at least one entry; got the shape \(2,\)"),
    (lambda: embedding_scatter(np.eye(2), [0, 1], method="umap"), "method must be 'pca' or 'tsne'; got 'umap'"),
    (lambda: embedding_scatter(np.eye(2), [0, 1], n=0), "n must be a whole number >= 1 or None; got 0"),
    (lambda: embedding_scatter(np.eye(2), [0, 1], method="tsne"), "t-SNE needs at least 3 points; got 2"),
    (lambda: embedding_scatter(np.eye(2), np.array([0, "a"], object)),
     "labels must hold integers or strings, all of one"),
    (lambda: confusion_matrix([0, 1], [0]), "y_true and labels must have the same length; got 2 and 1"),
    (lambda: confusion_matrix(range(101), range(101)),
     "a matrix can have at most 100 classes and 100 clusters; got 101 and 101"),
    (lambda: gradient_against_q([0.1], [1, 2]), "gradient must have 1 entries, as many as the others; got 2"),
    (lambda: gradient_against_q([0.1], [1], np.eye(4)), "images must have 1 entries, as many as the others; got 4"),
    (lambda: network_diagram([784]), r"sizes must be D and the widths .* at least two; got \[784\]"),
    (lambda: network_diagram([784, 0]), "hidden_layer_sizes must be whole numbers"),
])
def test_bad_input_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        call()


def test_only_the_pictures_and_the_report_need_matplotlib_to_be_imported():
    for path in (ROOT / "decnp").rglob("*.py"):
        imported = {name.split(".")[0] for node in ast.parse(path.read_text()).body
                    for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else
                                 [node.module or ""] if isinstance(node, ast.ImportFrom) else [])}
        assert "matplotlib" not in imported or "plotting" in path.parts or path.name == "pictures.py", path


def test_nothing_is_left_behind_and_matplotlib_is_asked_for():
    program = """if True:
        import sys
        sys.modules["matplotlib"] = None  # as if it were not there
        try:
            import decnp.plotting
        except ImportError as error:
            print(error)
        del sys.modules["matplotlib"]
        import matplotlib
        settings = lambda: {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
        before = settings()
        from decnp.plotting import cluster_montage, embedding_scatter, learning_curves
        learning_curves([{"phase": "finetune", "iteration": 1, "loss": 1.0}]).figure.canvas.draw()
        embedding_scatter([[0, 1], [1, 0]], [0, 1]).figure.canvas.draw()
        print(settings() == before, "matplotlib.pyplot" in sys.modules, "numba" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == 'figures need matplotlib: pip install "decnp[plot]"\nTrue False False\n', done.stderr
