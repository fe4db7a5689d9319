"""The report as HTML: facts, words and pictures in one page. Whatever comes from a file is escaped."""

from __future__ import annotations

import shlex
from html import escape
from typing import Iterable

import numpy as np

from .folder import Finished
from .pictures import pictures

__all__ = ["html_of"]

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{tiles}
</header>
{body}
<footer>Deep Embedded Clustering (Xie, Girshick, Farhadi, ICML 2016) by decnp {version}, {date}.</footer>
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #f6f7f9; --card: #ffffff; --line: #d9dee4;
  --blue: #0072b2; --bar: #0072b2; --warn: #fff4e0; --warn-line: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a7b0ba; --paper: #14171a; --card: #1e2226;
  --line: #353b42; --blue: #56b4e9; --bar: #56b4e9; --warn: #332813; --warn-line: #e69f00; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1.05rem/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 2rem 1.2rem 3rem; }
h1 { font-size: clamp(1.8rem, 4.5vw, 2.9rem); line-height: 1.15; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 0 0 .4rem; }
.lead { color: var(--soft); font-size: 1.15rem; margin: 0 0 1.4rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .8rem 1rem; }
.tiles dt { color: var(--soft); font-size: .92rem; }
.tiles dd { margin: 0; font-size: clamp(1.3rem, 4vw, 1.9rem); white-space: nowrap; font-weight: 650;
  line-height: 1.25; font-variant-numeric: tabular-nums; }
.notes { background: var(--warn); border-left: .35rem solid var(--warn-line); border-radius: .4rem;
  padding: .8rem 1.2rem;
  margin: 1.3rem 0 0; overflow-wrap: anywhere; }
.notes ul { margin: .2rem 0 0; padding-left: 1.2rem; }
.grid { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.2rem; margin-top: 1.3rem;
  align-items: start; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: 1.1rem 1.2rem;
  margin: 0;
  min-width: 0; break-inside: avoid; }
.wide { grid-column: 1 / -1; }
figcaption { color: var(--soft); font-size: .95rem; margin-top: .6rem; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff; border-radius: .4rem;
  padding: .4rem; }
.grid img { width: 100%; } .wide img { width: auto; max-height: 26rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .28rem .5rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; white-space: nowrap; }
tr.best td { font-weight: 650; }
td.bar { width: 45%; } .bar span { display: block; height: .85rem; background: var(--bar); border-radius: .2rem;
  min-width: 1px; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem;
  overflow-x: auto;
  font-size: .95rem; margin: .5rem 0; }
details { margin-top: .6rem; } summary { cursor: pointer; color: var(--blue); }
dl.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: .6rem 0 0; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .9rem; margin-top: 1.6rem; }
@media (max-width: 56rem) { .grid { grid-template-columns: minmax(0, 1fr); } main { padding: 1.2rem .8rem 2rem; } }
@media print { body { background: #fff; } .grid { display: block; } .card { margin-bottom: 1rem; } }
"""

SENTENCES = {"ACC": "accuracy (Eq. 10)", "NMI": "normalised mutual information", "ARI": "adjusted Rand index"}


def html_of(run: Finished, tsne: bool, image_shape) -> str:
    """The whole page."""
    record = run.record
    name, k = record["source"]["name"], record["n_clusters"]
    clusters, training = ([_figure(picture) for picture in drawn] for drawn in pictures(run, tsne, image_shape))
    tables = [_sizes(run), _scores(record) if record.get("scores") else _no_scores(run)]
    cards = [*clusters, *tables, *training, _usage(run), _recipe(record)]
    body = _notes(run) + '<div class="grid">' + "\n".join(cards) + "</div>"
    return PAGE.format(
        title=escape(f"{name}, in {k} cluster{'s' * (k != 1)}"), style=STYLE, body=body, tiles=_tiles(record),
        lead=escape(f"{record['source']['n_samples']:,} rows of {record['source']['n_features']:,} columns, clustered "
                    f"by DEC; profile {_profile_name(record)}, seed {record.get('seed')}."),
        version=escape(str(record["versions"].get("decnp"))), date=escape(record["date"][:10]))


def _profile_name(record):
    """As it was asked for: the word after --profile, which may be shortened, else the default."""
    words = record["command"].split()
    name = "fast"
    for word, following in zip(words, [*words[1:], ""]):
        option, equals, value = word.partition("=")
        if option.startswith("--p") and "--profile".startswith(option):
            name = value if equals else following
    return f"{name}, changed by --set" if "--set" in words else name


def _tiles(record):
    """The headline: the scores where there are any, and what the run was."""
    end = (record.get("scores") or {}).get("end", {})
    tiles = [(SENTENCES.get(metric, metric), f"{100 * value:.2f} %") for metric, value in list(end.items())[:1]]
    tiles += [("clusters", f"{record['n_clusters']:,}"), ("rows", f"{record['source']['n_samples']:,}"),
              ("time", _time(record["seconds"]["total"])), ("threads", str(_threads(record))),
              ("clustering steps", f"{record['n_iter']:,}")]
    return '<dl class="tiles">' + "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(value)}</dd></div>" for what, value in tiles) + "</dl>"


def _time(seconds):
    return f"{seconds:.1f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _threads(record):
    """Of the library for matrix products."""
    counts = [pool["num_threads"] for pool in record["threads"]
              if isinstance(pool, dict) and pool.get("internal_api") != "openmp" and "num_threads" in pool]
    return max(counts, default="?")


def _notes(run):
    """What a reader should know before believing the pictures."""
    notes = [f"{warning[0].upper()}{warning[1:]}." for warning in map(str, run.record["warnings"]) if warning]
    if not run.record["converged"]:
        notes.append("That the limit was reached is no error: the labels are those of the last refresh. "
                     "A larger --max-iter lets the clustering go on.")
    doubts = run.record["source"].get("doubts") or []
    notes += [f"Of the data: {doubt}." for doubt in doubts if isinstance(doubt, str)] + run.missing
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="notes"><strong>Worth knowing</strong><ul>{items}</ul></section>'


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _sizes(run):
    """The clusters' sizes as bars, and how sure they are of their rows."""
    sizes = np.bincount(run.labels, minlength=run.record["n_clusters"])
    own = run.q[np.arange(len(run.labels)), run.labels]
    rows = []
    for j, size in enumerate(sizes.tolist()):
        sure = f"{np.median(own[run.labels == j]):.2f}" if size else "–"
        rows.append(f'<tr><td>{j}</td><td>{size:,}</td><td>{size / len(own):.1%}</td><td>{sure}</td>'
                    f'<td class="bar"><span style="width:{100 * size / sizes.max():.1f}%"></span></td></tr>')
    table = _table(("cluster", "rows", "share", "median q", ""), rows)
    return (f'<section class="card"><h2>How large they are</h2>{table}'
            '<p>q (Eq. 1) is how sure a row is of its own cluster: 1 is certain, '
              f"{1 / len(sizes):.2g} is no more than chance.</p></section>")


def _scores(record):
    """k-means in the embedding, where the clustering phase started, beside its end."""
    names = list(record["scores"]["end"])
    rows = []
    for name, scores in record["scores"].items():
        cells = "".join(f"<td>{100 * scores[metric]:.2f} %</td>" for metric in names)
        best, name = (" class=best", "DEC, at the end") if name == "end" else ("", name)
        rows.append(f"<tr{best}><td>{escape(name)}</td>{cells}</tr>")
    words = "; ".join(f"{metric} {SENTENCES[metric]}" for metric in names if metric in SENTENCES)
    return ('<section class="card"><h2>How good it is</h2>' + _table(["", *names], rows)
            + f"<p>{escape(words)}. The k-means start is k-means in the autoencoder's embedding, from which the "
              "clustering began. The labels were used for these figures and for nothing else.</p></section>")


def _no_scores(run):
    losses = [step["loss"] for step in run.record["history"] if step["phase"] == "cluster"]
    words = (f"The clustering loss went from {losses[0]:.4f}, at the k-means start, to {losses[-1]:.4f} nats per "
             "sample. " if losses else "")
    return ('<section class="card"><h2>How good it is</h2><p>No labels were given, so there is no accuracy to tell. '
            f"{words}Look at the pictures, run it with another seed, and see whether the clusters are the same.</p>"
            "</section>")


def _figure(picture):
    image = f'<img src="{picture.uri}" alt="{escape(f"{picture.title}. {picture.caption}")}">' if picture.uri else ""
    return (f'<figure class="card{" wide" if picture.wide else ""}"><h2>{escape(picture.title)}</h2>{image}'
            f"<figcaption>{escape(picture.caption)}</figcaption></figure>")


def _usage(run):
    """The model at work."""
    model = str(run.folder / "model.decnp")
    lines = ("# the cluster of each row, or its q in each",
             f"decnp predict {shlex.quote(model)} new.csv",
             f"decnp predict {shlex.quote(model)} new.csv --proba --out q.csv",
             f"decnp info {shlex.quote(model)}")
    python = (f"# NumPy alone; X has the shape (n, {run.record['source']['n_features']})",
              "from decnp.inference import load_model",
              f"model = load_model({model!r})",
              "model.predict(X)")
    return ('<section class="card"><h2>How to use the model</h2>'
            + "".join(f"<pre>{escape(chr(10).join(part))}</pre>" for part in (lines, python))
            + "<p>labels.npy and embedding.npy, beside this page, have a row for each row of the data.</p></section>")


def _recipe(record):
    """All that it takes to make the run again."""
    machine = record["machine"]
    facts = {
        "command": record["command"],
        "stopped": f"{record['n_iter']:,} clustering steps: {record['stop_reason']}",
        "seconds": ", ".join(f"{phase} {seconds}" for phase, seconds in record["seconds"].items()),
        "peak memory": f"{record.get('peak_memory_mb')} MB",
        "machine": f"{machine.get('cpu')}, {machine.get('cores')} cores, {machine.get('system')}",
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        "date": record["date"],
    }
    return ('<section class="card"><h2>The recipe</h2>' + _list(facts)
            + "<details><summary>Profile and parameters</summary>" + _list(record["profile"])
            + _list(record["parameters"]) + "</details></section>")


def _list(facts):
    return '<dl class="facts">' + "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items()) + "</dl>"
