"""How fast training is beside its limits, as one table in Markdown, for docs/speed.md.

By hand, alone on the machine, from an environment that has torch: python tests/benchmarks/run_all.py [--threads 2]
Ten minutes or more of it are a whole ``decnp fit mnist``.
"""

import equations
import fits
import steps
from contest import HAS_TORCH, arguments, machine


def fit_rows(run: dict, step: dict, threads: int):
    """The whole fit beside the sum of its products' times, and its memory beside the data's."""
    iterations = {phase: max(s["iteration"] for s in run["history"] if s["phase"] == phase)
                  for phase in ("finetune", "cluster")}
    refreshes = sum(s["phase"] == "cluster" for s in run["history"])
    products = (iterations["finetune"] * step["autoencoder step, D = 784"]["products"]
                + iterations["cluster"] * step["DEC step, D = 784"]["products"]
                + refreshes * 70_000 / 256 / 3 * step["DEC step, D = 784"]["products"])  # forward is a third
    seconds, memory = run["seconds"]["total"], run["peak_memory_mb"] - 70_000 * 784 * 4 / 2**20
    print(f"fit mnist: {seconds:.0f} s, of which products {products:.0f} s; scores {run['scores']}; {run['seconds']}")
    yield "whole `fit mnist`", "the sum of its products' time", 1.3, seconds / products
    yield "peak memory of `fit mnist`, MB above the data", "-", 300, memory


def main():
    args = arguments(__doc__)
    print(machine(args.threads))
    step, kernel = steps.measure(args.threads, args.rounds), equations.measure(args.threads, args.rounds)
    lines = []
    for title, seconds in step.items():
        if HAS_TORCH:
            lines.append((title, "PyTorch eager", 0.95, seconds["decnp"] / seconds["PyTorch"]))
        lines.append((title, "its bare products", 1.15, seconds["decnp"] / seconds["products"]))
    for title, seconds in kernel.items():
        if "PyTorch" in seconds:
            limit = 0.9 if title.startswith("refresh") else 0.2
            lines.append((title, "PyTorch eager", limit, seconds["decnp"] / seconds["PyTorch"]))
        if "n = 1000000" in title:
            lines.append((title, "one pass over its bytes", 3, seconds["decnp"] / seconds["pass"]))
    lines.append(("ten epochs, 10 times the rows", "the same on a tenth", 10.5, fits.growth(args.threads)))
    lines.append(("two fits at once", "one after the other", 1.2, fits.at_once(args.threads)))
    fits.other_growth(args.threads)
    fits.cold(args.threads)
    lines += fit_rows(fits.mnist(args.threads), step, args.threads)
    print("\n| what | against | at most | measured |\n|---|---|---|---|")
    for what, against, limit, measured in lines:
        print(f"| {what} | {against} | {limit:g} | {measured:.2f} |")


if __name__ == "__main__":
    main()
