"""By hand: how fast and in how much memory REUTERS is counted, on a made-up corpus in the official layout.

    python tests/benchmarks/reuters.py [DOCUMENTS]

Tokens follow Zipf's law over 200,000 terms; a document has 135 of them on average, which is about what the 626 MB of
the official files come to for 804,414 documents. One in seven has no root topic, or two.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from decnp.datasets import _rcv1
from decnp.datasets.reuters import tfidf

N_TERMS = 200_000


def write_corpus(folder: Path, n: int) -> int:
    """The six files; returns the bytes of the token files."""
    rng = np.random.default_rng(0)
    terms = np.array([f"{'bcdfglmnprst'[i % 12]}{'aeiou'[i % 5]}{i:x}" for i in range(N_TERMS)])
    chance = 1 / np.arange(1, N_TERMS + 1)
    sums = np.cumsum(chance / chance.sum())
    n_bytes, number = 0, 0
    with open(folder / _rcv1.TOPICS, "w") as topics:
        for i, name in enumerate(_rcv1.TOKENS):
            with open(folder / name, "w") as file:
                for _ in range(n // 5 + (i < n % 5)):
                    number += 1
                    tokens = terms[np.minimum(np.searchsorted(sums, rng.random(rng.poisson(134) + 1)), N_TERMS - 1)]
                    lines = (" ".join(tokens[j : j + 12]) for j in range(0, len(tokens), 12))
                    n_bytes += file.write(f".I {number}\n.W\n" + "\n".join(lines) + "\n\n")
                    for root in rng.choice(_rcv1.CLASSES, [1, 1, 1, 1, 1, 1, rng.choice([0, 2])][number % 7], False):
                        topics.write(f"{root} {number} 1\n")
    return n_bytes


def peak_memory() -> float:
    """MB, of this process so far (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        size = write_corpus(Path(folder), n)
        before, start = peak_memory(), time.perf_counter()
        counts = _rcv1.count_terms(folder, verify=False)
        counted, memory = time.perf_counter() - start, peak_memory()
        X = tfidf(counts.matrix)
        total = time.perf_counter() - start
    print(f"{n} documents, {size / 1e6:.1f} MB of tokens, {X.shape[0]} kept, {X.nnz / X.shape[0]:.1f} terms in each")
    print(f"counted in {counted:.1f} s ({n / counted:.0f} documents/s), tf-idf in {total - counted:.2f} s")
    print(f"peak memory {memory:.0f} MB when counted, {peak_memory():.0f} MB in the end, {before:.0f} MB before")


if __name__ == "__main__":
    main()
