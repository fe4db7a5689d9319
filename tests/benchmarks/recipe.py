"""By hand: one run of the default profile, or of a rival, on one data set. The result is added to recipe.json.

    python tests/benchmarks/recipe.py DATA SEED [--method decnp|k-means|clustpy] [--results FILE] [--labels FOLDER]

DATA is mnist, usps, pendigits, digits, rcv, or mnist5000.SEED: 5,000 random images, others for each seed, and likewise for
other numbers. The folder of usps.npz, pendigits.npz and reuters10k_counts.npz is $DECNP_DATA. Other DATA is the name of a
file in this folder: NAME for NAME.npz with the arrays X and y, or agnews.txt for lines of a class, a tab and words, which are
taken as tf-idf. It needs --results. Labels are used for the scores only. The stored runs have one thread:
OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1.

``clustpy`` is the DEC of ClustPy 0.0.3 with its defaults, on rows scaled as ours are (mean of ||x||^2 / D = 1). With
``--labels``, the labels of decnp are kept in FOLDER/DATA-SEED.npy, to compare seeds. ``python tests/recipe_page.py`` then
writes the table of the pages.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer

from decnp import DEC, cluster_accuracy, load_digits, load_mnist, normalized_mutual_info
from decnp.datasets import load_reuters10k_sample
from decnp.io.atomic import write_atomically
from decnp.restarts import CRITERIA

RESULTS = Path(__file__).parents[2] / "data" / "results" / "recipe.json"
KEYS = {"decnp": "runs", "k-means": "k_means_on_rows", "clustpy": "clustpy"}


def load(name):
    """Return the rows, classes and number of classes of a data set."""
    base, _, sample = name.partition(".")
    if base.startswith("mnist"):
        X, y = load_mnist()[:2]
        if sample:
            n = int(base.removeprefix("mnist"))
            rows = np.random.default_rng(1000 + int(sample)).choice(len(X), n, replace=False)
            X, y = X[rows], y[rows]
    elif base == "digits":
        X, y = load_digits()
    elif base == "rcv":
        X, y = load_reuters10k_sample(data_home=os.environ["DECNP_DATA"])
    elif name.endswith(".txt"):
        X, y = load_text(Path(os.environ["DECNP_DATA"]) / name)
    else:
        with np.load(Path(os.environ["DECNP_DATA"]) / f"{base}.npz") as file:
            X, y = file["X"].astype(np.float32), file["y"]
    return X, y, len(np.unique(y))


def load_text(path):
    """Return tf-idf of the 2,000 most frequent terms, and the classes; lines without a term are left out."""
    classes, words = zip(*(line.split("\t", 1) for line in path.read_text().splitlines() if "\t" in line))
    X = TfidfVectorizer(max_features=2000, stop_words="english", dtype=np.float32).fit_transform(words)
    rows = np.diff(X.indptr) > 0
    return X[rows], np.unique(classes, return_inverse=True)[1][rows]


def scores(y, labels, when=""):
    """Return ACC and NMI in per cent."""
    return {f"acc{when}": round(100 * cluster_accuracy(y, labels), 2),
            f"nmi{when}": round(100 * normalized_mutual_info(y, labels), 2)}


def decnp(X, y, k, seed, keep=None):
    """Fit DEC with its defaults. k-means on the code of the same autoencoder is not part of the seconds."""
    model, begun, pause, found = DEC(k, random_state=seed), time.process_time(), 0.0, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in model.iter_fit(X):
            if step.phase in ("neighbors", "k-means", "spherical k-means"):
                stopped = time.process_time()
                code = KMeans(k, n_init=20, random_state=seed).fit_predict(model.autoencoder_.encode(X))
                found, pause = {"ae_kmeans": scores(y, code)["acc"]}, time.process_time() - stopped
    found["cpu"] = round(time.process_time() - begun - pause, 1)
    if keep:
        np.save(keep, model.labels_)
    z = model.transform(X)
    found["scores"] = {name: float(f(model, z, [])) for name, f in CRITERIA.items() if name != "agreement"}
    return {**found, "start": model.init_, "acc_start": scores(y, model.initial_labels_)["acc"],
            **scores(y, model.labels_), "n_iter": model.n_iter_, "warnings": list(model.warnings_)}


def k_means(X, y, k, seed):
    """Run k-means on the rows, 20 starts, as ``KMeans(k, n_init=20)``."""
    begun = time.process_time()
    labels = KMeans(k, n_init=20, random_state=seed).fit_predict(X)
    return {"cpu": round(time.process_time() - begun, 1), **scores(y, labels)}


def clustpy(X, y, k, seed):
    """Fit the DEC of ClustPy with its defaults."""
    import torch
    from clustpy.deep import DEC as Theirs

    torch.set_num_threads(1)
    X = np.asarray(X / np.sqrt(np.mean(np.square(X, dtype=np.float64))), np.float32)
    begun = time.process_time()
    model = Theirs(k, random_state=seed).fit(X)
    return {"cpu": round(time.process_time() - begun, 1), **scores(y, model.labels_),
            "acc_dec_labels": scores(y, model.dec_labels_)["acc"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("seed", metavar="SEED", type=int)
    parser.add_argument("--method", choices=KEYS, default="decnp")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--labels", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    keep = {"keep": args.labels / f"{args.data}-{args.seed}.npy"} if args.labels else {}
    fit = {"decnp": decnp, "k-means": k_means, "clustpy": clustpy}[args.method]
    run = {"data": args.data, "seed": args.seed, **fit(*load(args.data), args.seed, **keep)}
    print(json.dumps(run))
    raw = json.loads(args.results.read_text())
    raw.setdefault(KEYS[args.method], []).append(run)
    write_atomically(args.results, lambda file: file.write((json.dumps(raw, indent=1) + "\n").encode()))


if __name__ == "__main__":
    main()
