"""By hand: how fast and in how much memory the autoencoder's rows of STL-HOG are made, from random images.

    python tests/benchmarks/stl.py [UNLABELLED]

Besides so many unlabelled images there are 500 for training and 800 for testing; no image is slower than another.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from decnp.datasets import UnofficialData, stl_autoencoder_rows
from decnp.datasets._stl10 import IMAGE_SIZE


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "stl10_binary"
        folder.mkdir()
        for split, size in (("train", 500), ("test", 800), ("unlabeled", n)):
            with open(folder / f"{split}_X.bin", "wb") as file:
                for _ in range(size):
                    file.write(rng.bytes(IMAGE_SIZE))
            (folder / f"{split}_y.bin").write_bytes(bytes(rng.integers(1, 11, size).tolist()))
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter()
        warnings.simplefilter("ignore", UnofficialData)
        rows = stl_autoencoder_rows(data_home=home, verify=False)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB; Linux counts in kB
        print(f"{n + 1300} images in {seconds:.1f} s ({(n + 1300) / seconds:.0f} images/s), {len(rows)} rows of "
              f"{rows.nbytes / 1e6:.0f} MB; peak memory {peak:.0f} MB, {before:.0f} MB before")


if __name__ == "__main__":
    main()
