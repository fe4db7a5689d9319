"""By hand: processor seconds and memory of a whole fit with the default profile, for a number of rows.

    OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python tests/benchmarks/growth.py 200000

Ten normal groups in 64 columns, and a small network, so that the start from the neighbor graph is a large part of the time.
"""

import json
import resource
import sys
import time
import warnings

import numpy as np

from decnp import DEC


def main(n):
    """Print the start, the processor seconds at the end of each phase, and the memory beside the data."""
    rng = np.random.default_rng(0)
    centers = 3 * rng.normal(size=(10, 64)).astype(np.float32)
    X = centers[rng.integers(10, size=n)] + rng.standard_normal((n, 64), dtype=np.float32)
    warnings.simplefilter("ignore")
    before, begin, ends = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), {}
    model = DEC(10, hidden_layer_sizes=(100, 10), random_state=0)
    for step in model.iter_fit(X):
        ends[step.phase] = round(time.process_time() - begin, 1)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"n": n, "start": model.init_, "cpu": round(time.process_time() - begin, 1),
                      "mb_above_data": round(memory, 1), "ends": ends}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
