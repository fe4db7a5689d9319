"""The tables of data/results/PAPER.md, made from the raw JSON beside it. ``python tests/paper_page.py`` writes them.

The page's words are written by hand; every number of ours on it stands between two marks, and comes from here.
"""

import json
import re
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "data" / "results" / "PAPER.md"
RAW = ROOT / "data" / "results" / "paper"
MARKED = re.compile(r"(<!-- ([\w ]+) -->\n)(.*?)(<!-- end of \2 -->)", re.DOTALL)


def raw(name) -> dict:
    """Return the JSON that ``decnp reproduce`` wrote for a table or a figure."""
    return json.loads((RAW / f"{name}.json").read_text())


def rows(*lines) -> str:
    """A table in Markdown; the first line is its head."""
    lines = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([lines[0], "|" + "---|" * (lines[0].count("|") - 1), *lines[1:]]) + "\n"


def percent(value, std=None) -> str:
    return "" if value is None else f"{100 * value:.2f}" + ("" if std is None else f" ± {100 * std:.2f}")


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
    lines = [["", *(f"r_min {r_min}" for r_min in r_mins)]]
    for method in dict.fromkeys(row["method"] for row in found):
        own = [row for row in found if row["method"] == method]
        lines.append([f"{method}, the paper", *(f"{row['paper']:.2f}" for row in own)])
        lines.append([f"{method}, ours", *(
            f"{percent(row['fixed']['mean'], row['fixed']['std'])} ({len(row['fixed']['values'])})"
            if row["fixed"] else "" for row in own)])
    by = {(row["method"], row["r_min"]): row for row in found}
    for whose in ("the paper", "ours"):
        gains = ["DEC above AE+k-means, " + whose]
        for r_min in r_mins:
            dec, start = by["DEC", r_min], by["AE+k-means", r_min]
            if whose == "ours":
                both = dec["fixed"] and start["fixed"]
                gains.append(f"{100 * (dec['fixed']['mean'] - start['fixed']['mean']):+.2f}" if both else "")
            else:
                gains.append(f"{dec['paper'] - start['paper']:+.2f}")
        lines.append(gains)
    return rows(*lines)


def figure2() -> str:
    lines = [["data", "method", *range(1, 10), "spread"]]
    for row in raw("figure2")["rows"]:
        for whose, curve, spread in (("the paper", row["paper"], row["paper_spread"]),
                                     ("ours", row["curve"], row["spread"])):
            if curve and any(value is not None for value in curve):
                lines.append([row["data"], f"{row['method']}, {whose}",
                              *("" if value is None else f"{100 * value:.1f}" for value in (*curve, spread))])
    return rows(*lines)


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
    lines = [["k", "NMI, the paper", "ours", "G, the paper", "ours"]]
    for k, nmi, g in zip(row["k"], row["NMI"], row["G"]):
        theirs = [f"{value:.3f}" for value in paper[k]] if k in paper else ["", ""]
        lines.append([k, theirs[0], f"{nmi:.3f}", theirs[1], f"{g:.3f}"])
    signs = [f"{whose}: NMI has its peak at k = {row[said]['peak_of_NMI']}, and G falls most after k = "
             f"{row[said]['G_falls_most_after']}" for whose, said in (("The paper", "paper_signs"), ("ours", "signs"))]
    return rows(*lines) + "\n" + "; ".join(signs) + ".\n"


def claims() -> str:
    """Return the table of the paper's claims, and whether the results confirm them."""
    lines = [["expected", "ours", "holds"]]
    table = {name: {(row["data"], row["method"]): row for row in raw(name)["rows"]} for name in ("table2", "table3")}

    def value(name, data, method, column="fixed"):
        cell = table[name][data, method][column]
        return None if cell is None else 100 * cell["mean" if column == "fixed" else "ACC"]

    def add(words, numbers, holds):
        """``numbers`` as words; None for what has not been run."""
        if numbers is None or any(number is None for number in numbers):
            lines.append([words, "", "not run yet"])
        else:
            said = " / ".join(f"{number:.2f}" for number in numbers)
            lines.append([words, said, "yes" if holds(*numbers) else "**no**"])

    sample = "reuters10k-sample"
    for data, paper in (("mnist", 84.30), (sample, 72.17)):
        for column, words in (("fixed", "mean over seeds"), ("best_of_nine", "best of 9 on one seed")):
            add(f"{data}: DEC at least the paper's {paper:.2f}, {words}",
                [value("table2", data, "DEC", column)], lambda ours, paper=paper: ours >= paper)
    for data, other in product(("mnist", sample), ("AE+k-means", "AE+LDMGI", "AE+SEC")):
        add(f"{data}: DEC / above {other}, means over seeds",
            (value("table3", data, "DEC"), value("table3", data, other)), lambda dec, other: dec > other)
    for method, paper in (("LDMGI", 84.09), ("SEC", 80.37)):
        add(f"MNIST: {method} within a point of the paper's {paper:.2f}, fixed setting",
            (value("table2", "mnist", method),), lambda ours, paper=paper: abs(ours - paper) <= 1)
    by = {(row["method"], row["r_min"]): row for row in raw("table4")["rows"]}
    for r_min in dict.fromkeys(row["r_min"] for row in raw("table4")["rows"]):
        cells = [by[method, r_min]["fixed"] for method in ("DEC", "AE+k-means")]
        add(f"Table 4, r_min {r_min}: DEC / at least 3 points above AE+k-means",
            [cell and 100 * cell["mean"] for cell in cells], lambda dec, start: dec >= start + 3)
    spreads = {(row["data"], row["method"]): row for row in raw("figure2")["rows"]}
    for data in ("mnist", sample):
        for other in ("LDMGI", "SEC"):
            pair = [spreads[data, method] for method in ("DEC", other)]
            whole = all(None not in row["curve"] for row in pair)
            add(f"Figure 2, {data}: spread of DEC / smaller than that of {other}",
                [100 * row["spread"] for row in pair] if whole else None, lambda dec, other: dec < other)
    if (RAW / "figure6.json").exists():
        [row] = raw("figure6")["rows"]
        signs = row["signs"]
        lines.append(["Figure 6: NMI has its peak at k = 9 or 10, and G falls most right after it",
                      f"{signs['peak_of_NMI']} / {signs['G_falls_most_after']}",
                      "yes" if signs["peak_of_NMI"] in (9, 10)
                      and signs["G_falls_most_after"] == signs["peak_of_NMI"] else "**no**"])
    else:
        lines.append(["Figure 6: NMI has its peak at k = 9 or 10, and G falls most right after it", "", "not run yet"])
    return rows(*lines)


def costs() -> str:
    """The command of each, its cells and their minutes."""
    lines = [["", "command", "cells", "minutes of cells", "of processor"]]
    for name in [*WRITERS, "figure1", "figure3"]:
        if not (RAW / f"{name}.json").exists():
            continue
        result = raw(name)
        cells = result["cells"].values()
        lines.append([name, f"`{result['command']}`", len(cells), f"{sum(cell['minutes'] for cell in cells):.1f}",
                      f"{sum(cell['cpu_minutes'] or 0 for cell in cells):.1f}"])
    return rows(*lines)


WRITERS = {"table1": table1, "table2": lambda: accuracies("table2"), "table3": lambda: accuracies("table3"),
           "table4": table4, "kmeans": kmeans, "figure2": figure2, "figure4": figure4, "figure5": figure5,
           "figure6": figure6, "costs": costs, "claims": claims}


def fresh(page: str) -> str:
    """The page with what stands between its marks made anew."""
    return MARKED.sub(lambda found: found[1] + block(found[2]) + found[4], page)


def block(name) -> str:
    """Return the text between the marks of that name."""
    if name in ("costs", "kmeans", "claims") or (RAW / f"{name}.json").exists():
        picture = f"\n![{name}](paper/{name}.png)\n" if (RAW / f"{name}.png").exists() else ""
        return WRITERS[name]() + picture
    return f"**Not run yet**: `decnp reproduce {name}`.\n"


if __name__ == "__main__":
    PAGE.write_text(fresh(PAGE.read_text()))
