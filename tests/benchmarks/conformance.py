"""By hand: ``check_against`` on other people's DEC, entry by entry, against what is right there.

    python tests/benchmarks/conformance.py FOLDER [--only TEXT] [--markdown TABLE.md]

Needs torch and keras (any version from 3 on, KERAS_BACKEND=torch). FOLDER holds the peers, none of which is part of
this project. Each has a folder of its own in it:

- the GitHub repository OWNER/NAME is cloned to FOLDER/OWNER+NAME, at the commit that was read or later; of apache/mxnet,
  which dropped the example, only example/deep-embedded-clustering/dec.py of that commit is needed;
- a package of PyPI is unpacked: ``pip download --no-deps NAME==VERSION``, then ``unzip FILE.whl -d FOLDER/NAME-VERSION``,
  or ``tar xf FILE.tar.gz -C FOLDER`` (pydbm needs ``--no-build-isolation`` and numpy and Cython, as its setup.py imports
  both).

``python tests/benchmarks/conformance.py FOLDER --list`` prints the folders and commits. What is not there is named as such in the
table and in the last line. Functions are cut out of their files and executed (``peers/source.py``); what can't be
(Caffe's CUDA, R) is transcribed. What is expected follows from what a peer's code computes, not from what the tool
says. Seconds are processor time of one thread. Exit status 1 if a finding is not as expected.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: F401  (it takes seconds, which are not the tool's)
import numpy as np
import torch
from peers import by_hand, departures, on_keras, on_torch, pt_dec
from peers.entry import ENTRIES, READ_AT, Entry, opener

from decnp.gradcheck import check_against

ORDER = [module.__name__ for module in (pt_dec, on_torch, departures, on_keras, by_hand)]  # each adds its entries
ENTRIES.sort(key=lambda entry: ORDER.index(entry.make.__module__))


def run(entry: Entry, root: Path) -> tuple[list[Any], list[str], float]:
    """Return the findings on one entry, what is not as expected, and the processor seconds that it took."""
    start = time.process_time()
    try:
        given = entry.make(opener(root, entry.folder))
        start = time.process_time()
        report = check_against(**given)
    except Exception as error:  # whatever the tool lets pass
        return [], [f"raises {type(error).__name__}: {error}"], time.process_time() - start
    seconds = time.process_time() - start
    findings, unexpected = report.findings, of_report(report, entry)
    for finding in findings:
        expected = entry.expected.get((finding.argument, finding.equation), entry.expected.get(finding.equation))
        missing = expected.misses(finding) if expected else ["a finding that is not expected"]
        missing += ["wrong without a name"] * is_unnamed(finding)
        unexpected += [f"{finding.argument}, Eq. {finding.equation}: {what}" for what in missing]
    said = {key for finding in findings for key in (finding.equation, (finding.argument, finding.equation))}
    unexpected += [f"Eq. {equation}: nothing is said" for equation in entry.expected.keys() - said]
    return findings, unexpected, seconds


def of_report(report: Any, entry: Entry) -> list[str]:
    """Return what is not as expected of the report as a whole: a mean is no fault, and what is wrong comes first."""
    verdicts = {key if isinstance(key, int) else key[1]: e.verdict for key, e in entry.expected.items() if not e.edge}
    wrong = min((equation for equation, verdict in verdicts.items() if verdict == "wrong"), default=None)
    if wrong is not None and report.equation != wrong:
        return [f"report.equation: expected {wrong}, it is {report.equation}"]
    harmless = "holds|holds as a mean|holds in single precision".split("|")
    if not any(e.edge for e in entry.expected.values()) and all(
            verdict in harmless for e in entry.expected.values() for verdict in e.verdict.split("|")):
        return [] if report.ok and report.equation is None else [f"report.ok: {report.ok}, of Eq. {report.equation}"]
    return []


def is_unnamed(finding: Any) -> bool:
    """Return whether a finding says "wrong" and neither names a slip nor gives a constant factor."""
    return finding.verdict == "wrong" and not finding.slip and finding.factor is None


def show(entry: Entry, findings: list[Any], unexpected: list[str], seconds: float) -> None:
    """Print one entry."""
    print(f"{'??' if unexpected else 'ok'}  {entry.name}   [{entry.folder or 'transcribed'}, {seconds:.2f} s]")
    for finding in findings:
        print(f"      {finding.sentence}")
    for what in unexpected:
        print(f"   ?? {what}")
    sys.stdout.flush()


def row(entry: Entry, findings: list[Any]) -> str:
    """Return one line of the table in Markdown."""
    def said(equation: int) -> str:
        texts = [f"{f.verdict}{f'; {f.slip}' if f.slip else ''}{' (edge)' if f.edges and f.verdict != 'edge' else ''}"
                 for f in findings if f.equation == equation]
        return "<br>".join(texts).replace("|", "\\|")

    return f"| {entry.name} | {' | '.join(said(equation) for equation in range(1, 6))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="entries whose name or folder contains this")
    parser.add_argument("--skip", help="leave out the folders that contain this")
    parser.add_argument("--markdown", type=Path, help="file that the table is written to")
    parser.add_argument("--list", action="store_true", help="print the folders that are needed")
    args = parser.parse_args()
    if args.list:
        for folder in sorted({entry.folder for entry in ENTRIES if entry.folder}):
            print(folder, READ_AT.get(folder, ""))
        return
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    torch.Tensor.cuda = lambda self, *_: self  # a peer's line for the GPU
    torch.set_num_threads(1)
    absent, wrong, unnamed, times, rows = [], [], 0, [(0.0, "")], []
    for entry in ENTRIES:
        if args.only.lower() not in f"{entry.name} {entry.folder}".lower() or (args.skip and args.skip in entry.folder):
            continue
        if entry.folder and not (args.folder / entry.folder).is_dir():
            print(f"--  {entry.name}   [{entry.folder}: not there]")
            absent.append(entry.name)
            continue
        findings, unexpected, seconds = run(entry, args.folder)
        show(entry, findings, unexpected, seconds)
        wrong += [entry.name] * bool(unexpected)
        unnamed += sum(map(is_unnamed, findings))
        times.append((seconds, entry.name))
        rows.append(row(entry, findings))
    if args.markdown:
        head = "| peer | Eq. 1 | Eq. 2 | Eq. 3 | Eq. 4 | Eq. 5 |\n|---|---|---|---|---|---|\n"
        args.markdown.write_text(head + "\n".join(rows) + "\n")
    slowest = max(times)
    print(f"{len(rows)} entries; {len(wrong)} not as expected; {unnamed} findings wrong without a name; slowest "
          f"{slowest[0]:.2f} s ({slowest[1]}), {sum(t >= 2 for t, _ in times)} of 2 s or more; {len(absent)} not there")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
