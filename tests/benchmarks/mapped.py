"""By hand: DEC on a memory-mapped .npy of ROWS x 100 float32, 400 MB for a million rows, and the memory that it takes.

    python tests/benchmarks/mapped.py [ROWS] [FOLDER of the file]

The training is real and short: what is measured is memory, not quality. Pages of the file that the system holds in its
cache are not counted (RssAnon of Linux).
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from decnp import DEC, Profile

D, K, BLOCK = 100, 10, 10_000


def memory() -> float:
    """Return the MB of this process now, without pages of files."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def write(path: Path, n: int) -> None:
    """Write n rows in K groups, block by block."""
    rng = np.random.default_rng(0)
    centers = 4 * rng.normal(size=(K, D)).astype(np.float32)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n, D))
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        X[start : start + rows] = centers[rng.integers(K, size=rows)] + rng.normal(size=(rows, D)).astype(np.float32)


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as folder:
        path = Path(folder) / "x.npy"
        write(path, n)
        profile = Profile(init_std=None, pretrain_iter=0, finetune_iter=200, optimizer="adam", lr=1e-3, shuffle=True,
                          update_interval=50, max_iter=100)
        X, before, peak, done = np.load(path, mmap_mode="r"), memory(), 0.0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.01):
                peak = max(peak, memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        dec = DEC(K, hidden_layer_sizes=(64, 10), profile=profile, n_init=1, random_state=0).fit(X)
        trained = time.perf_counter() - start
        dec.predict(X)
        done.set()
        watcher.join()
        print(f"{n} x {D} float32, {path.stat().st_size / 1e6:.0f} MB on the disk: before the fit {before:.0f} MB, peak of "
              f"fit and predict {peak:.0f} MB; fit {trained:.0f} s, {dec.n_iter_} clustering steps")


if __name__ == "__main__":
    main()
