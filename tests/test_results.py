"""The numbers in the READMEs are those of the raw results beside them."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from decnp.profiles import fast

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
PAPER = 0.8430  # DEC's ACC on MNIST in the paper's Table 2
FAST = [json.loads((RESULTS / f"mnist-fast20-seed{seed}.json").read_text()) for seed in range(5)]
NOW = json.loads((RESULTS / "mnist-fast-seed0.json").read_text())  # 40 epochs
PAPER_PROFILE = json.loads((RESULTS / "mnist-paper-seed0.json").read_text())


def percent(run, when="end", score="ACC"):
    return f"{100 * run['scores'][when][score]:.2f}"


def test_each_run_says_how_it_was_made():
    for run in [NOW, *FAST, PAPER_PROFILE]:
        assert run["command"].startswith("decnp fit mnist")
        assert run["source"]["n_samples"] == sum(run["cluster_sizes"]) == 70_000
        assert run["n_iter"] == run["history"][-1]["iteration"]
    assert [run["seed"] for run in FAST] == list(range(5))
    then = {**asdict(fast(70_000)), "finetune_iter": 5469, "max_iter": 12_000}  # 20 epochs, not 40; 75 refreshes, not 30
    assert all(run["profile"] == then for run in FAST)
    assert NOW["profile"] == asdict(fast(70_000)) and NOW["scores"]["end"]["ACC"] >= PAPER
    assert PAPER_PROFILE["profile"]["finetune_iter"] == 100_000


def test_five_seeds_of_20_epochs_reach_the_papers_accuracy_on_average():
    assert sum(run["scores"]["end"]["ACC"] for run in FAST) / 5 >= PAPER


@pytest.mark.parametrize("readme", [ROOT / "README.md", RESULTS / "README.md"], ids=["README", "results"])
def test_readmes_quote_them(readme):
    text = readme.read_text()
    for run in [NOW, *FAST, PAPER_PROFILE]:
        assert f"{percent(run, 'k-means start')} | {percent(run)} " in text
    assert f"{100 * sum(run['scores']['end']['ACC'] for run in FAST) / 5:.2f}" in text


def test_the_readmes_quote_the_longer_training():
    runs = json.loads((RESULTS / "fast_search.json").read_text())["mnist_epochs"]["runs"]
    longer = {run["seed"]: run for run in runs if run["epochs"] == 40}
    shorter = {run["seed"]: run for run in runs if run["epochs"] == 20}
    table = (RESULTS / "README.md").read_text()
    for seed, run in longer.items():
        end = "not run" if run["dec"] is None else f"{100 * run['dec']:.2f}"
        assert f"| {seed} | {100 * shorter[seed]['start']:.2f} | {100 * run['start']:.2f} | {end} |" in table
    assert all(run["start"] > shorter[seed]["start"] + 0.03 for seed, run in longer.items())
