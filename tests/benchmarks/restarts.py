"""By hand: which criterion without labels tracks ACC over seeds. Raw JSON, and a table of rank correlations.

    python tests/benchmarks/restarts.py OUT.json [SOURCE] [SEEDS] [PROFILE] [--store FOLDER [--generalizability]] [--jobs 1]

SOURCE is digits (default), mnist, or another name of ``decnp data list``; SEEDS is 12 by default. PROFILE is ``quick``
(default: 800 autoencoder steps and at most 400 of clustering), ``fast`` or ``paper``. Labels come in when all runs are
over. Ten seeds of MNIST with ``fast`` take more than an hour.

With --store the runs are those of ``decnp fit SOURCE --seed 0``, 1, 2, ..., from the autoencoders that ``decnp
reproduce --out FOLDER`` keeps. With --generalizability (the paper's section 6) each is clustered a second time on the
first 6/7 of the rows, from the same autoencoder, which has seen all rows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy.stats import spearmanr

from decnp import DEC, Profile, cluster_accuracy, generalizability
from decnp.datasets.registry import SOURCES, n_clusters
from decnp.experiments import store
from decnp.experiments.data import load
from decnp.experiments.methods import loss_within, new_dec
from decnp.experiments.options import Options, Plan
from decnp.restarts import CRITERIA, run_restarts, scores_of

QUICK = Profile(init_std=None, pretrain_iter=0, finetune_iter=800, lr=0.5, lr_by_spectrum=True, lr_decay="cosine",
                lr_halvings=5, burn_in=200, bias_lr=1.0, shuffle=True, update_interval=20, max_iter=400)


def kept_run(folder, spec, network, with_part):
    """One seed's run from its kept autoencoder, and G of its other run, on the first 6/7 of the rows, or None."""
    X, _, k, _ = load(**spec)
    start, interval = time.perf_counter(), network["profile"]["update_interval"]
    model = new_dec(k, store.autoencoder(folder, spec, network), network, interval).fit(X)
    print(f"seed {network['seed']}: {time.perf_counter() - start:.0f} s", flush=True)
    if not with_part:
        return model, None
    cut = len(X) * 6 // 7
    part = new_dec(k, store.autoencoder(folder, spec, network), network, interval).fit(X[:cut])
    return model, float(generalizability(*(loss_within(part, rows) for rows in (X[:cut], X[cut:]))))


def kept_runs(args):
    plan = Plan(Options(args.store, profile=args.profile))
    spec = plan.spec(args.source)
    work = [(args.store, spec, plan.network(spec, seed), args.generalizability) for seed in range(args.seeds)]
    found = Parallel(n_jobs=args.jobs)(delayed(kept_run)(*of_one) for of_one in work)
    return [list(part) for part in zip(*found)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT.json")
    parser.add_argument("source", nargs="?", default="digits")
    parser.add_argument("seeds", nargs="?", type=int, default=12)
    parser.add_argument("profile", nargs="?", default="quick")
    parser.add_argument("--store", type=Path, metavar="FOLDER")
    parser.add_argument("--generalizability", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    X, y = SOURCES[args.source]()
    widths = (64, 10) if args.source == "digits" and not args.store else (500, 500, 2000, 10)
    start, names = time.perf_counter(), list(CRITERIA)
    if args.store:
        runs, G = kept_runs(args)
    else:
        model = DEC(n_clusters(args.source), hidden_layer_sizes=widths, random_state=0,
                    profile=QUICK if args.profile == "quick" else args.profile)
        runs, G = run_restarts(model, X, args.seeds, args.jobs), []
    scores = scores_of(runs, X)
    if args.generalizability:
        names.append("generalizability")
        for score, g in zip(scores, G, strict=True):
            score["generalizability"] = g
    for run, score in zip(runs, scores):
        score["ACC"] = float(cluster_accuracy(y, run.labels_))
        score["ACC of the k-means start"] = float(cluster_accuracy(y, run.initial_labels_))
    acc = np.array([score["ACC"] for score in scores])
    table = {}
    for criterion in names:
        values = np.array([score[criterion] for score in scores])
        table[criterion] = {"spearman": float(spearmanr(values, acc)[0]), "ACC of its choice": float(acc[values.argmax()])}
    study = {"source": args.source, "profile": args.profile, "hidden_layer_sizes": widths, "runs": scores,
             "criteria": table, "mean ACC": float(acc.mean()), "std ACC": float(acc.std(ddof=1)),
             "seconds": round(time.perf_counter() - start, 1)}
    with open(args.out, "w") as file:
        json.dump(study, file, indent=1)
    print(f"{args.source}, {args.seeds} seeds, profile {args.profile}: ACC {acc.mean():.4f} ± {acc.std(ddof=1):.4f}, "
          f"best {acc.max():.4f}, aim (mean + std) {acc.mean() + acc.std(ddof=1):.4f}")
    print("| criterion | Spearman's rank correlation with ACC | ACC of the run it keeps |\n|---|---|---|")
    for criterion, row in sorted(table.items(), key=lambda item: -item[1]["spearman"]):
        print(f"| {criterion} | {row['spearman']:+.2f} | {row['ACC of its choice']:.4f} |")


if __name__ == "__main__":
    main()
