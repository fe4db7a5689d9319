"""Whole fits: two at once beside one after the other; how time and memory grow with n, k, D and the widths; cold starts.

By hand, alone on the machine: python tests/benchmarks/fits.py [--threads 2]
Each fit is a process of its own, with the paper's network on random data of 784 features.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contest import arguments, environment, machine

FIT = """
import json, resource, sys, time
import numpy as np
from decnp import DEC, Profile
n, k, D, width = map(int, sys.argv[1:])
profile = Profile(init_std=None, lr=0.01, pretrain_iter=0, finetune_iter={steps}, shuffle=True,
                  update_interval={steps} // 4, max_iter={steps})
X = np.random.default_rng(0).random((n, D), dtype=np.float32)
DEC(2, profile=profile, hidden_layer_sizes=(10,), max_iter=1, n_init=1, random_state=0).fit(X[:300])  # compiled
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
sizes = (500 * width, 500 * width, 2000 * width, 10)
DEC(k, hidden_layer_sizes=sizes, profile=profile, tol=0, n_init=2, random_state=0).fit(X)
print(json.dumps([time.perf_counter() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""

FIRST_CALL = """
import time
import numpy as np
from decnp import kernels
z = np.zeros((256, 10), np.float32)
start = time.perf_counter()
kernels.soft_assignment(z, z[:10])
print(time.perf_counter() - start)
"""


def started(steps, threads, n, k=10, D=784, width=1):
    return subprocess.Popen([sys.executable, "-c", FIT.replace("{steps}", str(steps)), *map(str, (n, k, D, width))],
                            text=True, stdout=subprocess.PIPE, env={**os.environ, **environment(threads)})


def ended(process):
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("a fit has failed: see above")
    return json.loads(out)


def at_once(threads: int) -> float:
    """The time of two fits at once, as a multiple of that of one after the other; medians of three."""
    seconds: dict[str, list[float]] = {"after each other": [], "at once": []}
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(2):
            ended(started(150, threads, 5000))
        seconds["after each other"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for process in [started(150, threads, 5000) for _ in range(2)]:
            ended(process)
        seconds["at once"].append(time.perf_counter() - start)
    one, two = (sorted(times)[1] for times in seconds.values())
    print(f"two fits after each other {one:.1f} s, at once {two:.1f} s: {two / one:.2f} x", flush=True)
    return two / one


def growth(threads: int) -> float:
    """The time of ten epochs on 20,000 rows, as a multiple of that on 2000; says the memory too."""
    times = []
    for n in (2000, 20_000):
        seconds, mb = ended(started(10 * n // 256, threads, n))
        print(f"n {n}: {seconds:.1f} s, {mb:.0f} MB above the data ({n * 784 * 4 / 2**20:.0f} MB)", flush=True)
        times.append(seconds)
    return times[1] / times[0]


def other_growth(threads: int) -> None:
    """Prints the time of 100 steps of each kind with more clusters, features or units, as a multiple of the paper's."""
    changes: dict[str, dict[str, int]] = {
        "the paper's network": {}, "k = 100": {"k": 100}, "D = 7840": {"D": 7840}, "twice the widths": {"width": 2}}
    times = {name: ended(started(100, threads, 5000, **change))[0] for name, change in changes.items()}
    first, *_ = times.values()
    print(", ".join(f"{name}: {t:.1f} s ({t / first:.1f} x)" for name, t in times.items()), flush=True)


def cold(threads: int) -> None:
    """Prints the seconds of ``import decnp`` in a new process, and of a kernel's first call, compiled before and not."""
    with tempfile.TemporaryDirectory() as empty:
        for name in ("to be compiled", "from the cache"):
            done = subprocess.run([sys.executable, "-c", FIRST_CALL], text=True, capture_output=True, check=True,
                                  env={**os.environ, **environment(threads), "NUMBA_CACHE_DIR": empty})
            print(f"a kernel's first call, {name}: {float(done.stdout):.2f} s", flush=True)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import decnp; decnp.DEC"], check=True, env={**os.environ, **environment(threads)})
    print(f"import of DEC in a new process: {time.perf_counter() - start:.2f} s", flush=True)


def mnist(threads: int) -> dict:
    """``run.json`` of ``decnp fit mnist``."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "decnp", "fit", "mnist", "-q", "--out", folder], check=True,
                       env={**os.environ, **environment(threads)})
        return json.loads((Path(folder) / "run.json").read_text())


def main():
    args = arguments(__doc__)
    print(machine(args.threads))
    at_once(args.threads)
    growth(args.threads)
    other_growth(args.threads)
    cold(args.threads)


if __name__ == "__main__":
    main()
