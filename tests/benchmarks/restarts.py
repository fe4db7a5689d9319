"""By hand: which criterion without labels tracks ACC over seeds. Raw JSON, and a table of rank correlations.

    python tests/benchmarks/restarts.py OUT.json [SOURCE] [SEEDS] [PROFILE]

SOURCE is digits (default), mnist, or another name of ``decnp data list``; SEEDS is 12 by default. PROFILE is ``quick``
(default: 800 autoencoder steps and at most 400 of clustering), ``fast`` or ``paper``. Ten seeds of MNIST with ``fast``
take hours. Labels come in when all runs are over.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from scipy.stats import spearmanr

from decnp import DEC, Profile, cluster_accuracy
from decnp.datasets.registry import SOURCES, n_clusters
from decnp.restarts import CRITERIA, run_restarts, scores_of

QUICK = Profile(init_std=None, pretrain_iter=0, finetune_iter=800, lr=0.5, lr_by_spectrum=True, lr_decay="cosine",
                lr_halvings=5, burn_in=200, bias_lr=1.0, shuffle=True, update_interval=20, max_iter=400)


def main():
    out = sys.argv[1]
    source = sys.argv[2] if len(sys.argv) > 2 else "digits"
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    name = sys.argv[4] if len(sys.argv) > 4 else "quick"
    X, y = SOURCES[source]()
    widths = (64, 10) if source == "digits" else (500, 500, 2000, 10)
    model = DEC(n_clusters(source), hidden_layer_sizes=widths, profile=QUICK if name == "quick" else name, random_state=0)
    start = time.perf_counter()
    runs = run_restarts(model, X, seeds)
    scores = scores_of(runs, X)
    for run, score in zip(runs, scores):
        score["ACC"] = float(cluster_accuracy(y, run.labels_))
        score["ACC of the k-means start"] = float(cluster_accuracy(y, run.initial_labels_))
    acc = np.array([score["ACC"] for score in scores])
    table = {}
    for criterion in CRITERIA:
        values = np.array([score[criterion] for score in scores])
        table[criterion] = {"spearman": float(spearmanr(values, acc)[0]), "ACC of its choice": float(acc[values.argmax()])}
    study = {"source": source, "profile": name, "hidden_layer_sizes": widths, "runs": scores, "criteria": table,
             "mean ACC": float(acc.mean()), "std ACC": float(acc.std(ddof=1)),
             "seconds": round(time.perf_counter() - start, 1)}
    with open(out, "w") as file:
        json.dump(study, file, indent=1)
    print(f"{source}, {seeds} seeds, profile {name}: ACC {acc.mean():.4f} ± {acc.std(ddof=1):.4f}, best {acc.max():.4f}, "
          f"aim (mean + std) {acc.mean() + acc.std(ddof=1):.4f}")
    print("| criterion | Spearman's rank correlation with ACC | ACC of the run it keeps |\n|---|---|---|")
    for criterion, row in sorted(table.items(), key=lambda item: -item[1]["spearman"]):
        print(f"| {criterion} | {row['spearman']:+.2f} | {row['ACC of its choice']:.4f} |")


if __name__ == "__main__":
    main()
