"""Provenance of a result: versions, machine, BLAS libraries and date, for the files that record it."""

from __future__ import annotations

import os
import platform
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__

if os.name == "posix":
    import resource

__all__ = [
    "PACKAGES", "machine", "peak_memory", "provenance", "rounding", "thread_pools", "timestamp", "versions",
    "working_folder",
]

PACKAGES = ("decnp", "python", "numpy", "scipy", "scikit-learn", "numba")


def provenance() -> dict[str, Any]:
    """Return date, versions, machine and threads, under their names in ``run.json``."""
    return {"date": timestamp(), "versions": versions(), "machine": machine(), "threads": thread_pools()}


def timestamp() -> str:
    """Return the date and time in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions(*names: str) -> dict[str, str]:
    """Return the version of each of ``names``, in this order; without names, of each of ``PACKAGES``.

    A name is "decnp", "python", or an installed distribution.

    >>> list(versions("python", "numpy"))
    ['python', 'numpy']
    """
    return {name: _version(name) for name in names or PACKAGES}


def _version(name: str) -> str:
    """Return the version of "decnp", "python" or a distribution; "unknown" if its metadata are not installed."""
    own = {"decnp": __version__, "python": platform.python_version()}
    if name in own:
        return own[name]
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        module = sys.modules.get({"scikit-learn": "sklearn"}.get(name, name))
        return getattr(module, "__version__", "unknown")


def working_folder() -> str:
    """Return the path of the working directory, or "" if it has been deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def machine() -> dict[str, Any]:
    """Return the model of the CPU, the number of cores, and the operating system."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "system": platform.platform()}


def thread_pools() -> list[dict[str, Any]]:
    """Return name, number of threads, version and architecture of each loaded BLAS or OpenMP library."""
    from threadpoolctl import threadpool_info  # a model can be saved without it

    return [{key: pool.get(key) for key in ("internal_api", "num_threads", "version", "architecture")}
            for pool in threadpool_info()]


def rounding() -> list[str]:
    """Return a description of each library that determines the rounding of a matrix product.

    Two runs with equal descriptions give the same bits.
    """
    from threadpoolctl import threadpool_info

    return [f"NumPy {_version('numpy')}"] + sorted(
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture')}, threads: {pool['num_threads']})"
        for pool in threadpool_info() if pool["user_api"] == "blas")


def peak_memory() -> int | None:
    """Return the peak resident memory of this process in MB, or None if the system does not report it."""
    if os.name != "posix":
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20))


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
