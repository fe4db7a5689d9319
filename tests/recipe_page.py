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


def runs(key="runs"):
    """Return the runs of each data set, by name."""
    found = {name: [] for name in NAMES}
    for run in json.loads(RAW.read_text()).get(key, []):
        found[run["data"].split(".")[0]].append(run)
    return found


def spread(values):
    """Return the mean, with the standard deviation if there are several values; nothing for no values."""
    return f"{np.mean(values):.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else "") if values else ""


def seeds(found):
    """Return the seeds, in order: "0-4" if they follow each other."""
    numbers = sorted(run["seed"] for run in found)
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def others(found):
    """Return mean, standard deviation and seeds of the runs of another method."""
    return f"{spread([run['acc'] for run in found])} ({seeds(found)})" if found else ""


def table():
    """Return the rows of the table, in Markdown."""
    rows, clustpy = runs("k_means_on_rows"), runs("clustpy")
    lines = ["| data | k-means on the rows | ClustPy's DEC | seeds | k-means on our code | start | ACC of the start | ACC of DEC | "
             "lowest | NMI | processor seconds, ClustPy's |", "|---" * 11 + "|"]
    for name, found in runs().items():
        starts = ", ".join(f"{sum(run['start'] == start for run in found)} {start}"
                           for start in ("neighbors", "k-means") if any(run["start"] == start for run in found))
        acc = [run["acc"] for run in found]
        code = [run["ae_kmeans"] for run in found if "ae_kmeans" in run]
        code = "" if not code else spread(code) if len(code) == len(found) else f"{spread(code)} ({len(code)} seeds)"
        seconds = f"{np.mean([run['cpu'] for run in found]):.0f}" + "".join(
            f", {np.mean([run['cpu'] for run in theirs]):.0f}" for theirs in [clustpy[name]] if theirs)
        lines.append(f"| {NAMES[name]} | {others(rows[name])} | {others(clustpy[name])} | {seeds(found)} | {code} | {starts} | "
                     f"{spread([run['acc_start'] for run in found])} | **{spread(acc)}** | {min(acc):.2f} | "
                     f"{spread([run['nmi'] for run in found])} | {seconds} |")
    return "\n".join(lines) + "\n"


def fresh(text):
    """Return the text of a page with the table of today."""
    return re.sub(r"(<!-- recipe -->\n).*?(<!-- end of recipe -->)", lambda found: found[1] + table() + found[2], text,
                  flags=re.S)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fresh(page.read_text()))
