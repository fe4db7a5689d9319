"""Table of the runs with the profile ``fast``, from recipe.json: python tests/recipe_page.py writes it into the pages."""

import json
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RAW = ROOT / "data" / "results" / "recipe.json"
PAGES = [ROOT / "data" / "results" / "README.md", ROOT / "docs" / "results.md"]
NAMES = {"mnist": "MNIST, 70,000", "mnist5000": "MNIST, 5,000", "usps": "USPS", "pendigits": "pendigits", "digits": "digits",
         "rcv": "RCV1 sample"}


def runs():
    """Return the runs of each data set, by name."""
    found = {name: [] for name in NAMES}
    for run in json.loads(RAW.read_text())["runs"]:
        found[run["data"].split(".")[0]].append(run)
    return found


def spread(values):
    """Return the mean, with the standard deviation if there are several values."""
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def table():
    """Return the rows of the table, in Markdown."""
    lines = ["| data | seeds | start | ACC of the start | ACC of DEC | lowest | NMI | processor seconds |", "|---|---|---|---|---|---|---|---|"]
    for name, found in runs().items():
        if found:
            seeds = ", ".join(str(run["seed"]) for run in sorted(found, key=lambda run: run["seed"]))
            starts = ", ".join(f"{sum(run['start'] == start for run in found)} {start}"
                               for start in ("neighbors", "k-means") if any(run["start"] == start for run in found))
            acc = [run["acc"] for run in found]
            lines.append(f"| {NAMES[name]} | {seeds} | {starts} | {spread([run['acc_start'] for run in found])} | "
                         f"**{spread(acc)}** | {min(acc):.2f} | {spread([run['nmi'] for run in found])} | "
                         f"{np.mean([run['cpu'] for run in found]):.0f} |")
    return "\n".join(lines) + "\n"


def fresh(text):
    """Return the text of a page with the table of today."""
    return re.sub(r"(<!-- recipe -->\n).*?(<!-- end of recipe -->)", lambda found: found[1] + table() + found[2], text,
                  flags=re.S)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fresh(page.read_text()))
