"""The tables of data/results/PAPER.md, made from the raw JSON beside it. ``python tests/paper_page.py`` writes them.

The page's words are written by hand; every number of ours on it stands between two marks, and comes from here.
"""

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
from page_tables import over, percent, rows, signed
from schedule_tables import (
    PAPER_END,
    SETTINGS,
    answer,
    best_of_nine,
    departures,
    ends,
    lambdas,
    schedule_runs,
    score,
    seeds,
)

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
PAGE = RESULTS / "PAPER.md"
RAW = RESULTS / "paper"
NAMES = {"mnist": "MNIST", "reuters10k-sample": "RCV1 sample"}

MARKED = re.compile(r"(<!-- ([\w ]+) -->\n)(.*?)(<!-- end of \2 -->)", re.DOTALL)


def raw(name) -> dict:
    """Return the JSON that ``decnp reproduce`` wrote for a table or a figure."""
    return json.loads((RAW / f"{name}.json").read_text())


def profile_of(name) -> str:
    """Return the profile of the networks of a table or a figure, in words."""
    adam = {profile["optimizer"] == "adam" for profile in raw(name)["profiles"].values()}
    return {(True,): "`fast`", (False,): "`fast` of version 0.1"}[tuple(adam)]


def table1() -> str:
    lines = [["data", "points", "classes", "dimension", "largest class, %"]]
    for row in raw("table1")["rows"]:
        ours, paper = row["ours"], {what: "-" if value is None else value for what, value in row["paper"].items()}
        lines.append([row["data"], *(f"{paper[what]} / {ours[what]}" for what in ("points", "classes", "dimension")),
                      f"{paper['largest']} / {ours['largest']:.2f}"])
    return rows(*lines)


def accuracies(name) -> str:
    """Tables 2 and 3."""
    lines = [["data", "method", "the paper, best of 9", "ours, best of 9 (labels choose)", "at",
              "ours, one fixed setting", "seeds"]]
    for row in raw(name)["rows"]:
        best, fixed = row["best_of_nine"], row["fixed"]
        some = f"{row['nine_done']} of 9 were run" if row["nine_done"] else ""
        lines.append([row["data"], row["method"], "" if row["paper"] is None else f"{row['paper']:.2f}",
                      percent(best["ACC"]) if best else "", best["setting"] if best else some,
                      percent(fixed["mean"], fixed["std"]) if fixed else "", len(fixed["values"]) if fixed else 0])
    return rows(*lines)


def kmeans() -> str:
    """The nine runs of k-means on the sample of RCV1, the best objective first."""
    runs = [(cell["result"]["objective"], cell["result"]["ACC"], cell["recipe"]["seed"])
            for name, cell in raw("table2")["cells"].items() if name.startswith("reuters10k-sample, k-means, ")]
    lines = [["seed", *(seed for _, _, seed in sorted(runs))]]
    lines.append(["sum of squares / n", *(f"{objective:.2f}" for objective, _, _ in sorted(runs))])
    lines.append(["ACC", *(percent(score) for _, score, _ in sorted(runs))])
    return rows(*lines)


def table4() -> str:
    found = raw("table4")["rows"]
    r_mins = list(dict.fromkeys(row["r_min"] for row in found))
    starts = {r_min: [100 * cell["result"]["start"]["ACC"] for cell in raw("table4")["cells"].values()
                      if cell["recipe"]["data"]["r_min"] == r_min and "start" in cell["result"]] for r_min in r_mins}
    lines = [["", *(f"r_min {r_min}" for r_min in r_mins)]]
    for method in dict.fromkeys(row["method"] for row in found):
        own = [row for row in found if row["method"] == method]
        lines.append([f"{method}, the paper", *(f"{row['paper']:.2f}" for row in own)])
        lines.append([f"{method}, ours", *(
            over(100 * value for value in row["fixed"]["values"]) if row["fixed"] else "" for row in own)])
    lines.append(["start of DEC, ours", *map(over, starts.values())])
    by = {(row["method"], row["r_min"]): row for row in found}
    pairs = [(by["DEC", r_min], by["AE+k-means", r_min]) for r_min in r_mins]
    lines.append(["DEC above AE+k-means, the paper", *(f"{dec['paper'] - start['paper']:+.2f}" for dec, start in pairs)])
    lines.append(["DEC above AE+k-means, ours", *(
        signed(100 * np.subtract(*(row["fixed"]["values"] for row in pair))) if all(row["fixed"] for row in pair) else ""
        for pair in pairs)])
    return rows(*lines)


def figure2() -> str:
    lines = [["data", "method", "seeds", *range(1, 10), "largest minus smallest"]]
    for row in raw("figure2")["rows"]:
        if row["paper"]:
            lines.append([row["data"], f"{row['method']}, the paper", "",
                          *(f"{100 * value:.1f}" for value in (*row["paper"], row["paper_spread"]))])
        at_settings = [[value for value in values if value is not None] for values in zip(*row["curves"])]
        if any(at_settings):
            lines.append([row["data"], f"{row['method']}, ours", len(row["seeds"]),
                          *(short(values) for values in (*at_settings, row["spreads"]))])
    return rows(*lines)


def short(values) -> str:
    """Return mean and standard deviation in percent with one decimal."""
    if not values:
        return ""
    return f"{100 * np.mean(values):.1f}" + (f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def figure4() -> str:
    [row] = raw("figure4")["rows"]
    lines = [["", "q from", "to", "gradient from", "to", "rank correlation with q"],
             ["the paper", *row["paper"]["q"], *row["paper"]["gradient"], ""]]
    for name, words, correlation in (("gradient", "ours, Eq. 4", "rank_correlation"),
                                     ("as_in_the_code", "ours, as the authors' code plots it",
                                      "rank_correlation_as_in_the_code")):
        lines.append([words, *(f"{end:.3f}" for which in ("q", name) for end in row["ends"][which]),
                      f"{row[correlation]:.2f}"])
    return rows(*lines)


def figure5() -> str:
    [row] = raw("figure5")["rows"]
    curve = row["curve"]
    lines = [["epoch, the paper", "ACC", "epoch, ours", "ACC"]]
    for epoch, theirs in zip(*row["paper"].values()):
        ours = min(curve, key=lambda point: abs(point[0] - epoch)) if epoch <= curve[-1][0] + 1 else curve[-1]
        lines.append([epoch, f"{100 * theirs:.1f}", f"{ours[0]:.1f}", percent(ours[1])])
    return rows(*lines)


def figure6() -> str:
    [row] = raw("figure6")["rows"]
    paper = {k: values for k, *values in zip(*row["paper"].values())}
    of_seeds = f"ours, seeds {', '.join(map(str, row['seeds']))}"
    lines = [["k", "NMI, the paper", of_seeds, "G, the paper", of_seeds]]
    for i, k in enumerate(row["k"]):
        theirs = [f"{value:.3f}" for value in paper[k]] if k in paper else ["", ""]
        ours = [", ".join(f"{curve[i]:.3f}" for curve in row["by_seed"][what]) for what in ("NMI", "G")]
        lines.append([k, theirs[0], ours[0], theirs[1], ours[1]])
    said = [("The paper", row["paper_signs"]), *((f"seed {seed}", signs) for seed, signs in zip(row["seeds"], row["signs_by_seed"]))]
    return rows(*lines) + "\n" + "; ".join(
        f"{whose}: NMI has its peak at k = {signs['peak_of_NMI']}, and G falls most after k = {signs['G_falls_most_after']}"
        for whose, signs in said) + ".\n"


def claims() -> str:
    """Return the table of the paper's claims, and whether our results confirm each claim."""
    lines = [["claim of the paper", "our runs", "ours, in the order of the claim", "holds"]]

    def add(words, runs, numbers, holds):
        """Add a row; ``numbers`` are in percent, or None if not run."""
        if any(number is None for number in numbers):
            lines.append([words, runs, "", "not run yet"])
        else:
            said = " / ".join(f"{number:.2f}" for number in numbers)
            lines.append([words, runs, said, "yes" if holds(*numbers) else "**no**"])

    done = schedule_runs()
    gains = [score(run) - score(run, "k-means start") for run in done]
    add("MNIST: DEC above AE+k-means, on every seed (lowest gain)", "paper's schedule", [min(gains)], lambda gain: gain > 0)
    spread = [max(curve) - min(curve) for curve in ([at[seed] for at in map(ends, SETTINGS)] for seed in best_of_nine())]
    curves = {(row["data"], row["method"]): row["spreads"] for row in raw("figure2")["rows"]}
    for other in ("LDMGI", "SEC"):
        add(f"MNIST: λ changes DEC less than {other}'s parameter changes {other} (largest spread of DEC / spread of {other})", "paper's schedule",
            [max(spread, default=None), 100 * curves["mnist", other][0]], lambda dec, other: dec < other)
    table = {name: {(row["data"], row["method"]): row for row in raw(name)["rows"]} for name in ("table2", "table3")}

    def mean(name, data, method):
        cell = table[name][data, method]["fixed"]
        return None if cell is None else 100 * cell["mean"]

    sample = "reuters10k-sample"
    for data, paper in (("mnist", PAPER_END), (sample, 72.17)):
        add(f"{NAMES[data]}: DEC at least {paper:.2f}, mean over seeds", profile_of("table2"), [mean("table2", data, "DEC")],
            lambda ours, paper=paper: ours >= paper)
        best = table["table2"][data, "DEC"]["best_of_nine"]
        add(f"{NAMES[data]}: DEC at least {paper:.2f}, best of nine on one seed", profile_of("table2"), [best and 100 * best["ACC"]],
            lambda ours, paper=paper: ours >= paper)
    for data, other in product(("mnist", sample), ("AE+k-means", "AE+LDMGI", "AE+SEC")):
        add(f"{NAMES[data]}: DEC above {other}, means over seeds", profile_of("table3"),
            (mean("table3", data, "DEC"), mean("table3", data, other)), lambda dec, other: dec > other)
    for method, paper in (("LDMGI", 84.09), ("SEC", 80.37)):
        add(f"MNIST: {method} within a point of the paper's {paper:.2f}", "on the pixels", [mean("table2", "mnist", method)],
            lambda ours, paper=paper: abs(ours - paper) <= 1)
    by = {(row["method"], row["r_min"]): row["fixed"] for row in raw("table4")["rows"]}
    for r_min in dict.fromkeys(row["r_min"] for row in raw("table4")["rows"]):
        cells = [by[method, r_min] for method in ("DEC", "AE+k-means")]
        add(f"Table 4, r_min {r_min}: DEC at least 3 points above AE+k-means", profile_of("table4"),
            [cell and 100 * cell["mean"] for cell in cells], lambda dec, start: dec >= start + 3)
    for data, other in product(("mnist", sample), ("LDMGI", "SEC")):
        add(f"Figure 2, {NAMES[data]}: spread of DEC smaller than that of {other}", profile_of("figure2"),
            [100 * np.mean(curves[data, method]) for method in ("DEC", other)], lambda dec, other: dec < other)
    signs = raw("figure6")["rows"][0]["signs_by_seed"]
    for words, key, expected in (("NMI has its peak at k = 9 or 10", "peak_of_NMI", (9, 10)),
                                 ("G falls most after k = 9", "G_falls_most_after", (9,))):
        lines.append([f"Figure 6: {words}, for each seed", profile_of("figure6"), " / ".join(str(sign[key]) for sign in signs),
                      "yes" if all(sign[key] in expected for sign in signs) else "**no**"])
    return rows(*lines)


def costs() -> str:
    """The command of each, its cells and their minutes."""
    lines = [["", "command", "profile", "cells", "minutes", "processor minutes"]]
    for name in [*WRITERS, "figure1", "figure3"]:
        if not (RAW / f"{name}.json").exists():
            continue
        result = raw(name)
        cells = result["cells"].values()
        command = re.sub(r"--out \S+", "--out DIR", result["command"])
        lines.append([name, f"`{command}`", profile_of(name) if result["profiles"] else "", len(cells),
                      f"{sum(cell['minutes'] for cell in cells):.1f}",
                      f"{sum(cell['cpu_minutes'] or 0 for cell in cells):.1f}"])
    return rows(*lines)


WRITERS = {"table1": table1, "table2": lambda: accuracies("table2"), "table3": lambda: accuracies("table3"),
           "table4": table4, "kmeans": kmeans, "figure2": figure2, "figure4": figure4, "figure5": figure5,
           "figure6": figure6, "costs": costs, "claims": claims, "answer": answer, "seeds": seeds, "lambdas": lambdas,
           "departures": departures}


def fresh(page: str) -> str:
    """Return the page with the text between its marks written again."""
    return MARKED.sub(lambda found: found[1] + block(found[2]) + found[4], page)


def block(name) -> str:
    """Return the text between the marks of that name."""
    if not name.startswith(("table", "figure")) or (RAW / f"{name}.json").exists():
        picture = f"\n![{name}](paper/{name}.png)\n" if (RAW / f"{name}.png").exists() else ""
        return WRITERS[name]() + picture
    return f"**Not run yet**: `decnp reproduce {name}`.\n"


if __name__ == "__main__":
    PAGE.write_text(fresh(PAGE.read_text()))
