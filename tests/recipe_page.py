"""Table of the runs with the profile ``fast``, from recipe.json: python tests/recipe_page.py writes it into the pages."""

import json
import re
from pathlib import Path

import numpy as np
from page_tables import over

ROOT = Path(__file__).parents[1]
RAW = ROOT / "data" / "results" / "recipe.json"
PAGES = [ROOT / "data" / "results" / "README.md", ROOT / "docs" / "results.md"]
NAMES = {"mnist": "MNIST, 70,000", "mnist20000": "MNIST, 20,000", "mnist5000": "MNIST, 5,000", "mnist1000": "MNIST, 1,000",
         "usps": "USPS", "pendigits": "pendigits", "digits": "digits", "rcv": "RCV1 sample",
         "LetterRecognition": "letters, 20,000 × 16", "DryBean": "dry beans, 13,611 × 16", "Satellite": "Satellite, 6,435 × 36",
         "Vehicle": "Vehicle, 846 × 18", "Vowel": "Vowel, 990 × 9"}
TEXTS = {"R8": "R8 of Reuters-21578", "WebKB": "WebKB", "snippets": "SearchSnippets", "agnews": "AG News",
         "so": "StackOverflow titles", "biomed": "Biomedical titles"}


def runs(key="runs"):
    """Return the runs of each data set, by name."""
    found = {name: [] for name in NAMES}
    for run in json.loads(RAW.read_text()).get(key, []):
        found[run["data"].split(".")[0]].append(run)
    return found


def seconds(found):
    """Return the mean of the processor seconds."""
    return f"{np.mean([run['cpu'] for run in found]):.0f}" if found else ""


def table():
    """Return the rows of the table, in Markdown."""
    rows, clustpy = runs("k_means_on_rows"), runs("clustpy")
    lines = ["| data | k-means on the rows | k-means in our embedding | ClustPy's DEC | our start | our DEC | lowest | seconds, ours "
             "and ClustPy's |", "|---" * 8 + "|"]
    for name, found in [(name, found) for name, found in runs().items() if found]:
        acc, code = [run["acc"] for run in found], [run["ae_kmeans"] for run in found if "ae_kmeans" in run]
        starts = sorted({run["start"] for run in found})
        lines.append(f"| {NAMES[name]} | {over([run['acc'] for run in rows[name]])} | {over(code)} | "
                     f"{over([run['acc'] for run in clustpy[name]])} | {over([run['acc_start'] for run in found])} "
                     f"{', '.join(starts)} | {over(acc)} | {min(acc):.2f} | "
                     f"{' / '.join(filter(None, (seconds(found), seconds(clustpy[name]))))} |")
    return "\n".join(lines).replace("  |", " |") + "\n"


def text_table():
    """Return the rows of the table of other text, in Markdown: the start before and after, and the end of DEC."""
    raw = json.loads(RAW.read_text())["text_sets"]
    lines = ["| data | rows | k | seed | the rule before | labels of the singular directions | `fast` now | start now | NMI before, now |",
             "|---" * 9 + "|"]
    for run in raw["runs"]:
        rows, k = raw["sizes"][run["data"]]
        before, linear = (run.get(key) for key in ("before", "from_labels_of_lsa"))
        cells = [f"{was['acc_start']:.1f} → {was['acc']:.1f}" if was else "" for was in (before, linear)]
        lines.append(f"| {TEXTS[run['data']]} | {rows:,} | {k} | {run['seed']} | {cells[0]} | {cells[1]} | "
                     f"{run['acc_start']:.1f} → {run['acc']:.1f} | {run['start']} | "
                     f"{before['nmi'] if before else np.nan:.1f}, {run['nmi']:.1f} |")
    return "\n".join(lines).replace("  |", " |") + "\n"


def budget_table():
    """Return the rows of the table of other autoencoders, in Markdown, each beside the runs of ``fast`` with its seeds."""
    groups, current = {}, runs()
    for run in json.loads(RAW.read_text())["budget"]:
        key = (run["data"].split(".")[0], run["finetune_iter"], run["batch_size"], run["finetune_dropout"])
        groups.setdefault(key, []).append(run)
    lines = ["| data | steps | minibatch | dropped | k-means in the embedding | start | DEC | `fast`, same seeds |", "|---" * 8 + "|"]
    for (name, steps, rows, dropped), found in groups.items():
        fast = {run["seed"]: run["acc"] for run in current.get(name, [])} | {
            run["seed"]: run["fast"] for run in found if "fast" in run}
        code, start, acc = (over([run[key] for run in found]) for key in ("ae_kmeans", "acc_start", "acc"))
        starts = ", ".join(sorted({run["start"] for run in found}))
        lines.append(f"| {(NAMES | TEXTS)[name]} | {steps} | {rows} | {dropped:g} | {code} | {start} {starts} | {acc} | "
                     f"{over([fast[run['seed']] for run in found])} |")
    return "\n".join(lines) + "\n"


def fresh(text):
    """Return the text of a page with the tables of today."""
    for mark, lines in (("recipe", table), ("text sets", text_table), ("budget", budget_table)):
        text = re.sub(f"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)",
                      lambda found: found[1] + lines() + found[2], text, flags=re.S)
    return text


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fresh(page.read_text()))
