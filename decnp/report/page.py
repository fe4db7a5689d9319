"""The report as HTML, from the template ``page.html`` and the style sheet ``style.css`` in this folder.

All text from a file is escaped.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from ..exceptions import DataError
from ..io.clusters_csv import read_clusters_csv
from .describe import ClusterSummary, describe_clusters
from .folder import FinishedRun
from .pictures import Picture, pictures

__all__ = ["html_of"]

MAX_CELL = 40
"""Largest number of characters of a cell of the table that is shown."""
METRICS = {"ACC": "accuracy (Eq. 10)", "NMI": "normalized mutual information", "ARI": "adjusted Rand index"}


def html_of(run: FinishedRun, tsne: bool, image_shape: str | tuple[int, ...] | None) -> str:
    """Return the page of ``run`` as HTML. ``tsne`` and ``image_shape`` are as in ``write_report``."""
    record = run.record
    name, k = record["source"]["name"], record["n_clusters"]
    clusters, training = ([_figure(picture) for picture in drawn] for drawn in pictures(run, tsne, image_shape))
    tables = [_sizes(run), _scores(record) if record.get("scores") else _no_scores(record)]
    described = _described(run)  # first, if the table has names: all else is about the method
    results = [*tables, *clusters] if described else [*clusters, *tables]
    cards = [*described, *results, *training, _usage(run), _recipe(record)]
    return Template(_read("page.html")).substitute(
        title=escape(f"{name}, in {k} cluster{'s' * (k != 1)}"),
        style=_read("style.css"),
        lead=escape(f"{record['source']['n_samples']:,} rows of {_n_columns(run):,} columns, clustered "
                    f"by DEC; profile {_profile_name(record)}, seed {record.get('seed')}."),
        tiles=_tiles(record),
        body=_notes(run) + '<div class="grid">' + "\n".join(cards) + "</div>",
        version=escape(str(record["versions"].get("decnp"))),
        date=escape(record["date"][:10]))


def _read(name: str) -> str:
    """Return the text of a file beside this module."""
    return files(__package__).joinpath(name).read_text("utf-8")


def _profile_name(record: dict[str, Any]) -> str:
    """Return the value of --profile, possibly abbreviated, in the command of the run, or the default."""
    words = record["command"].split()
    name = "fast"
    for word, following in zip(words, [*words[1:], ""]):
        option, equals, value = word.partition("=")
        if option.startswith("--p") and "--profile".startswith(option):
            name = value if equals else following
    return f"{name}, changed by --set" if "--set" in words else name


def _tiles(record: dict[str, Any]) -> str:
    """Return the numbers at the top of the page: the accuracy, if it is known, and the size of the run."""
    end = (record.get("scores") or {}).get("end", {})
    tiles = [(METRICS.get(metric, metric), f"{100 * value:.2f} %") for metric, value in list(end.items())[:1]]
    tiles += [("clusters", f"{record['n_clusters']:,}"), ("rows", f"{record['source']['n_samples']:,}"),
              ("time", _time(record["seconds"]["total"])), ("threads", str(_threads(record))),
              ("clustering steps", f"{record['n_iter']:,}")]
    return '<dl class="tiles">' + "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in tiles) + "</dl>"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _threads(record: dict[str, Any]) -> int | str:
    """Return the number of threads of the BLAS library, or "?" if the run did not record it."""
    counts = [pool.get("num_threads") for pool in record["threads"]
              if isinstance(pool, dict) and pool.get("internal_api") != "openmp"]
    return max((count for count in counts if isinstance(count, int)), default="?")


def _notes(run: FinishedRun) -> str:
    """Return the warnings of the run, how it ended if it did not converge, and the sentences about missing figures."""
    notes = [f"{warning[0].upper()}{warning[1:]}." for warning in map(str, run.record["warnings"]) if warning]
    if not run.record["converged"]:
        said = any("not converged" in str(warning) for warning in run.record["warnings"])
        notes.append(("" if said else f"The run ended at its limit: {run.record['stop_reason']}. ")
                     + "Reaching the limit is not an error. The labels are those of the last refresh. "
                       "Use a larger --max-iter for more clustering steps.")
    source = run.record["source"]
    about_data = source.get("warnings", source.get("doubts")) or []  # the name in version 0.1
    notes += [f"Data: {warning}." for warning in about_data if isinstance(warning, str)] + run.missing
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="notes"><strong>Notes</strong><ul>{items}</ul></section>'


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _sizes(run: FinishedRun) -> str:
    """Return a table of the sizes of the clusters, the median q of their rows, and the agreement of several seeds."""
    stability = run.record.get("stability")
    sizes = np.bincount(run.labels, minlength=run.record["n_clusters"])
    own = run.q[np.arange(len(run.labels)), run.labels]
    rows = []
    for j, size in enumerate(sizes.tolist()):
        median = _two_digits(float(np.median(own[run.labels == j])) if size else None)
        again = "" if not stability else f"<td>{_two_digits(stability['clusters'][j])}</td>"
        rows.append(f'<tr><td>{j}</td><td>{size:,}</td><td>{size / len(own):.1%}</td><td>{median}</td>{again}'
                    f'<td class="bar"><span style="width:{100 * size / sizes.max():.1f}%"></span></td></tr>')
    table = _table(("cluster", "rows", "share", "median q", *["Jaccard"] * bool(stability), ""), rows)
    return (f'<section class="card"><h2>Cluster sizes</h2>{table}'
            f'<p>q (Eq. 1) is the soft assignment of a row to its own cluster, from {1 / len(sizes):.2g} to 1. Training '
            f'raises q, so a high q does not mean that a cluster is right. {_agreement(stability)}</p></section>')


def _agreement(stability: dict[str, Any] | None) -> str:
    """Return what several seeds say about the clusters, or the option that fits them."""
    if not stability:
        return "Compare several seeds: decnp fit --restarts 5."
    return (f"{stability['n_runs']} seeds agree to {stability['agreement']:.2f} (mean adjusted Rand index over pairs), and "
            f"k-means from as many seeds to {stability['kmeans_agreement']:.2f}. Jaccard is the mean over the other runs of "
            "the largest Jaccard index of the cluster with a cluster of that run, and 1 if each run has the same cluster.")


def _two_digits(value: float | None) -> str:
    """Return a number, or a dash."""
    return "–" if value is None else f"{value:.2f}"


def _n_columns(run: FinishedRun) -> int:
    """Return the number of columns of the table that the model takes."""
    return len(run.recipe.columns) if run.recipe else int(run.record["source"]["n_features"])


def _described(run: FinishedRun) -> list[str]:
    """Return a card with a description of each cluster, for a table with names in memory."""
    columns = run.record.get("columns") or []
    if not isinstance(run.X, np.ndarray) or not (columns or run.recipe):
        return []
    found = describe_clusters(run.X, columns, run.labels, run.q, run.recipe)
    filled = " Missing numbers count as they were filled in." if run.recipe and run.recipe.fills else ""
    cells = _rows_of_table(run, found)
    numbering = "as in clusters.csv, where row 1 holds the names" if cells else "from 1, the first row of data"
    return ['<section class="card wide"><h2>Clusters in the units of the table</h2>'
            "<p>For each cluster: the columns whose median differs most from that of all rows, in standard deviations (sd) "
            "of the column; the categories whose share differs most, in percentage points (pp); and the rows with the "
            f"largest and the smallest q. Rows are numbered {numbering}.{filled} These are differences between the clusters "
            "that were found. They do not show that the clusters are in the data.</p>"
            + "".join(_cluster(one, run.q, 1 + bool(cells), cells) for one in found) + "</section>"]


def _rows_of_table(run: FinishedRun, found: list[ClusterSummary]) -> dict[int, dict[str, str]]:
    """Return the cells of the rows to look at by their number, or nothing if there is no file that has them."""
    wanted = {row for one in found for row in [*one.typical, *one.unsure]}
    try:
        return read_clusters_csv(run.folder / "clusters.csv", wanted)
    except (DataError, OSError):
        return {}


def _cluster(summary: ClusterSummary, q: np.ndarray, first: int, cells: dict[int, dict[str, str]]) -> str:
    """Return the description of a cluster: its columns, and some rows with their q.

    The first row of data is row ``first``. ``cells`` has the cells of the rows, if they can be read.
    """
    def listed(numbers: list[int]) -> str:
        return ", ".join(f"{row - 1 + first} ({q[row - 1, summary.cluster]:.2f})" for row in numbers)

    rows = [f"<tr><td>{escape(fact.column)}</td><td>{_in_units(fact.median, fact.std)}</td>"
            f"<td>{_in_units(fact.of_all, fact.std)}</td>"
            f"<td>{fact.difference:+.2f} sd</td></tr>" for fact in summary.numbers]
    rows += [f"<tr><td>{escape(fact.column)} = {escape(fact.category)}</td><td>{fact.share:.1%}</td>"
             f"<td>{fact.of_all:.1%}</td><td>{100 * (fact.share - fact.of_all):+.1f} pp</td></tr>"
             for fact in summary.shares]
    table = _table(("column", "cluster", "all rows", "difference"), rows)
    size = f"{summary.size:,} rows ({summary.size / len(q):.1%})"
    return (f'<details open><summary>Cluster {summary.cluster}: {size}</summary>'
            f'<div class="scroll">{table}</div>'
            f"<p>Most typical rows, with q: {listed(summary.typical)}. "
            f"Least typical rows: {listed(summary.unsure)}.</p>{_cells(summary, q, first, cells)}</details>")


def _in_units(value: float, std: float) -> str:
    """Return a number of a column to about a thousandth of its standard deviation."""
    decimals = min(max(0, 3 - math.floor(math.log10(std))), 12) if std > 0 else 6
    text = f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: no minus zero
    return text.rstrip("0").rstrip(".") if decimals else text


def _cells(summary: ClusterSummary, q: np.ndarray, first: int, cells: dict[int, dict[str, str]]) -> str:
    """Return a table of the rows to look at, in the columns that describe the cluster."""
    columns = list(dict.fromkeys([fact.column for fact in summary.numbers] + [fact.column for fact in summary.shares]))
    rows = ["".join(f"<td>{escape(cell[:MAX_CELL])}</td>" for cell in (
        str(row - 1 + first), f"{q[row - 1, summary.cluster]:.2f}", *(cells[row].get(name, "") for name in columns)))
        for row in dict.fromkeys([*summary.typical, *reversed(summary.unsure)]) if row in cells]
    table = _table(("row", "q", *columns), (f"<tr>{row}</tr>" for row in rows))
    return f'<details><summary>These rows</summary><div class="scroll rows">{table}</div></details>' if rows else ""


def _scores(record: dict[str, Any]) -> str:
    """Return a table of the scores at the start and at the end of the clustering phase."""
    names = list(record["scores"]["end"])
    rows = []
    for name, scores in record["scores"].items():
        cells = "".join(f"<td>{100 * scores[metric]:.2f} %</td>" for metric in names)
        best, name = (" class=best", "DEC, at the end") if name == "end" else ("", name)
        rows.append(f"<tr{best}><td>{escape(name)}</td>{cells}</tr>")
    words = "; ".join(f"{metric}: {METRICS[metric]}" for metric in names if metric in METRICS)
    return ('<section class="card"><h2>Scores</h2>' + _table(["", *names], rows)
            + f"<p>{escape(words)}. The clustering phase started from "
              f"{escape(_source_of_start(record))}. The labels were used only for these scores.</p></section>")


def _start(record: dict[str, Any]) -> str:
    """Return the name of the start that was taken."""
    return str(record.get("start", "k-means"))  # older runs did not record it


def _source_of_start(record: dict[str, Any]) -> str:
    """Return where the start of the clustering phase came from."""
    return {"k-means": "k-means in the embedding of the autoencoder",
            "neighbors": "clusters of the neighbor graph of the embedding",
            "spherical k-means": "spherical k-means in the embedding of the autoencoder",
            "array": "the array of --init"}.get(_start(record), _start(record))


def _no_scores(record: dict[str, Any]) -> str:
    """Return a paragraph for a run without labels."""
    losses = [step["loss"] for step in record["history"] if step["phase"] == "cluster"]
    words = (f"The clustering loss was {losses[0]:.4f} nats per sample at the {_start(record)} start, and "
             f"{losses[-1]:.4f} at the end. It is the distance of the soft assignments Q from their targets P (Eq. 2). "
             f"{_targets(record)} So it may rise or jump where P changes, and it does not say whether the clusters are "
             "right. "
             if losses else "")
    return ('<section class="card"><h2>Scores</h2><p>No labels were given, so there is no accuracy. '
            f"{words}decnp fit --restarts 5 compares the clusters of five seeds.</p></section>")


def _targets(record: dict[str, Any]) -> str:
    """Return a sentence that says what the targets P are."""
    if _start(record) in ("neighbors", "spherical k-means") and record["profile"].get("label_iter"):
        return "P is the clusters of the start in the first steps, and then sharper than Q (Eq. 3)."
    return "P is sharper than Q, of which it is made (Eq. 3)."


def _figure(picture: Picture) -> str:
    image = f'<img src="{picture.uri}" alt="{escape(f"{picture.title}. {picture.caption}")}">' if picture.uri else ""
    return (f'<figure class="card{" wide" if picture.wide else ""}"><h2>{escape(picture.title)}</h2>{image}'
            f"<figcaption>{escape(picture.caption)}</figcaption></figure>")


def _usage(run: FinishedRun) -> str:
    """Return commands and Python code that use the model."""
    model = str(run.folder / "model.decnp")
    lines = ("# cluster of each row, or q of each row in each cluster",
             f"decnp predict {shlex.quote(model)} new.csv",
             f"decnp predict {shlex.quote(model)} new.csv --proba --out q.csv",
             f"decnp info {shlex.quote(model)}")
    rows = f"a DataFrame, or an array (n, {_n_columns(run)}) of raw columns" if run.recipe else (
        f"has the shape (n, {_n_columns(run)})")
    python = (f"# NumPy alone; X {'is ' * bool(run.recipe)}{rows}",
              "from decnp.inference import load_model",
              f"model = load_model({model!r})",
              "model.predict(X)")
    return ('<section class="card"><h2>Use the model</h2>'
            + "".join(f"<pre>{escape(chr(10).join(part))}</pre>" for part in (lines, python))
            + "<p>labels.npy and embedding.npy, in the folder of this page, have one entry for each row of the data."
            + " clusters.csv has the rows themselves, with cluster and q." * (run.folder / "clusters.csv").exists() + "</p>"
              "</section>")


def _recipe(record: dict[str, Any]) -> str:
    """Return the command, parameters, versions and machine of the run."""
    machine = record["machine"]
    facts = {
        "command": record["command"],
        "start": _source_of_start(record),
        "stopped": f"{record['n_iter']:,} clustering steps: {record['stop_reason']}",
        "seconds": ", ".join(f"{phase} {seconds}" for phase, seconds in record["seconds"].items()),
        "peak memory": f"{record.get('peak_memory_mb')} MB",
        "machine": f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('system')}",
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "date": record["date"],
    }
    return ('<section class="card"><h2>Command and environment</h2>' + _list(facts)
            + "<details><summary>Profile and parameters</summary>" + _list(record["profile"])
            + _list(record["parameters"]) + "</details></section>")


def _list(facts: Mapping[str, Any]) -> str:
    return '<dl class="facts">' + "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items()) + "</dl>"
