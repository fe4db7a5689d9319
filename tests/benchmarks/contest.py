"""Programs that take turns, each in a process of its own, so that no thread pool stands in another's way."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path
from statistics import median

HAS_TORCH = util.find_spec("torch") is not None

LOOP = """
import json, sys, time
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    print(json.dumps(times), flush=True)
"""


class Contender:
    """A program that defines ``call``; ``times(n)`` has it called n times and gives the seconds of each."""

    def __init__(self, program: str, threads: int):
        self.process = subprocess.Popen(
            [sys.executable, "-c", program + LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment(threads)})

    def times(self, n: int) -> list[float]:
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a program of the benchmark has failed: see above")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def environment(threads: int) -> dict[str, str]:
    """One number of threads for every library, and this checkout before an installed decnp."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**dict.fromkeys(names, str(threads)), "PYTHONPATH": str(Path(__file__).parents[2])}


def contest(programs: dict[str, str], threads: int, rounds: int, calls: int) -> dict[str, float]:
    """Median seconds of a call, by name: A B C A B C ..., the first turn of each is a warm-up."""
    contenders = {name: Contender(program, threads) for name, program in programs.items()}
    times: dict[str, list[float]] = {name: [] for name in programs}
    for contender in contenders.values():
        contender.times(max(3, calls // 2))
    for _ in range(rounds):
        for name, contender in contenders.items():
            times[name] += contender.times(calls)
    for contender in contenders.values():
        contender.close()
    return {name: median(of_one) for name, of_one in times.items()}


def machine(threads: int) -> str:
    """What a figure depends on: machine, threads, versions, BLAS."""
    import numpy  # noqa: F401  (its BLAS is asked for)
    from threadpoolctl import threadpool_info

    blas = {f"{p['internal_api']} {p['version']} ({p.get('architecture')})"
            for p in threadpool_info() if p["user_api"] == "blas"}
    versions = [f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "numba")]
    try:
        versions.append(f"torch {metadata.version('torch')}")
    except metadata.PackageNotFoundError:
        versions.append("no torch")
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return (f"{cpu}, {platform.platform()}, threads: {threads}, Python {platform.python_version()}, "
            f"{', '.join(versions)}, {', '.join(sorted(blas))}")


def arguments(doc: str) -> argparse.Namespace:
    """``--threads`` and ``--rounds``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=6)
    return parser.parse_args()


def filled(program: str, words: dict) -> str:
    """A program with {word} replaced; its other braces stay."""
    for name, value in words.items():
        program = program.replace("{" + name + "}", str(value))
    return program


def row(title: str, seconds: dict[str, float], ours: str) -> str:
    """Milliseconds of each, and ours as a multiple of the others'."""
    cells = ", ".join(f"{name} {1000 * s:.2f}" for name, s in seconds.items())
    ratios = ", ".join(f"{seconds[ours] / s:.2f} x {name}" for name, s in seconds.items() if name != ours)
    return f"{title:34} ms: {cells}; {ratios}"
