"""By hand: DEC on a sparse matrix of REUTERS's size, 685,071 x 2,000 tf-idf rows, and the memory that it takes.

    python tests/benchmarks/sparse.py [ROWS] [WIDTHS, such as 500,500,2000,10]
    python tests/benchmarks/sparse.py --save FILE.npz [ROWS]        # write the matrix, for ``decnp fit FILE.npz``

The matrix is made up: term frequencies follow a Zipf law, and a row has about 60 of the 2,000 terms, as in RCV1's
sample ``reuters10k_counts.npz``. Training is real and short: what is measured is memory, not quality. A dense float32
copy of all rows would take 5.5 GB. With ``--save``, the whole fit is that of the command.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from scipy.sparse import csr_matrix, save_npz

from decnp import DEC, Profile
from decnp.datasets.reuters import tfidf

N, D, BLOCK = 685_071, 2000, 10_000
TERMS = 68
"""Words in a row on average, of which about 60 differ."""


def made_up(n: int) -> csr_matrix:
    """Counts (n, 2000): rows of some length, each word drawn by its frequency."""
    rng = np.random.default_rng(0)
    chance = 1 / (np.arange(D) + 20.0)
    sums = np.cumsum(chance / chance.sum())
    values, columns, ends = [], [], [np.zeros(1, np.int64)]
    for start in range(0, n, BLOCK):
        lengths = 5 + rng.geometric(1 / (TERMS - 5), min(BLOCK, n - start))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        words = np.minimum(np.searchsorted(sums, rng.random(len(rows))), D - 1)
        block = csr_matrix((np.ones(len(rows), np.int32), (rows, words)), (len(lengths), D))
        block.sum_duplicates()
        values.append(block.data)
        columns.append(block.indices.astype(np.int32))
        ends.append(ends[-1][-1] + block.indptr[1:])
    return csr_matrix((np.concatenate(values), np.concatenate(columns), np.concatenate(ends)), (n, D))


def peak_memory() -> float:
    """MB, of this process so far (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=N)
    parser.add_argument("widths", nargs="?", default="500,500,2000,10")
    parser.add_argument("--save", metavar="FILE.npz")
    args = parser.parse_args()
    n, widths = args.rows, tuple(map(int, args.widths.split(",")))
    start = time.perf_counter()
    X = tfidf(made_up(n))
    stored = (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 1e6
    print(f"{n} x {D}, {X.nnz / n:.1f} terms in a row: {stored:.0f} MB sparse, {4 * n * D / 1e9:.2f} GB dense; made in "
          f"{time.perf_counter() - start:.0f} s, peak memory until here {peak_memory():.0f} MB", flush=True)
    if args.save:
        save_npz(args.save, X.astype(np.float32))
        return
    profile = Profile(init_std=None, pretrain_iter=0, finetune_iter=50, lr=0.5, shuffle=True, burn_in=20,
                      update_interval=20, max_iter=20)
    start = time.perf_counter()
    dec = DEC(4, hidden_layer_sizes=widths, profile=profile, n_init=2, random_state=0)
    for step in dec.iter_fit(X):
        if step.phase == "finetune" and step.iteration < step.n_iter:
            continue
        print(f"{time.perf_counter() - start:6.0f} s  {step.phase} {step.iteration}, loss {step.loss:.4f}, "
              f"peak memory {peak_memory():.0f} MB", flush=True)
    start = time.perf_counter()
    labels = dec.predict(X)
    print(f"predicted in {time.perf_counter() - start:.0f} s, cluster sizes {np.bincount(labels).tolist()}, "
          f"equal to labels_: {np.array_equal(labels, dec.labels_)}")
    print(f"network {D}-{'-'.join(map(str, widths))}: peak memory {peak_memory():.0f} MB")


if __name__ == "__main__":
    main()
