"""A thread pool in which each thread runs the BLAS library single-threaded.

By default the BLAS library uses all its threads for one matrix product. The work between two products then runs on one
core, and the library's idle threads spin, which slows down other processes. ``ThreadPool`` splits the *rows* instead:
each thread computes the products, and everything between them, for its own part of the rows. Idle threads sleep.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import threadpoolctl

from .rows import BLOCK, Rows, ScaledRows

__all__ = ["ThreadPool", "blas_threads", "limit_blas_threads", "map_blocks", "single_threaded_blas"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def _blas_libraries() -> threadpoolctl.ThreadpoolController:
    """Return the controller of the BLAS libraries that NumPy and SciPy have loaded in this process."""
    return _find_blas_libraries("scipy.linalg" in sys.modules)


@cache
def _find_blas_libraries(scipy_is_loaded: bool) -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController().select(user_api="blas")


def blas_threads() -> int:
    """Return the number of threads that the BLAS library currently uses for a matrix product.

    It depends on the number of cores, ``OPENBLAS_NUM_THREADS`` and ``threadpoolctl.threadpool_limits``.
    """
    return max((library["num_threads"] for library in _blas_libraries().info()), default=1)


class _SingleThreadedBlas:
    """Context manager in which the BLAS libraries have one thread.

    Threads may enter and leave in any order: the last one to leave puts back the numbers that the first one found. The
    limits of threadpoolctl would put back what each thread found, which is 1 for the second thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_inside = 0
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                self._before = [(library, library.num_threads) for library in _blas_libraries().lib_controllers]
                _set_threads([(library, 1) for library, _ in self._before])
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                _set_threads(self._before)


single_threaded_blas = _SingleThreadedBlas()


def _set_threads(numbers: list[tuple[Any, int]]) -> None:
    """Set the number of threads of each BLAS library, from any thread."""
    for library, n_threads in numbers:
        library.set_num_threads(n_threads)
        if hasattr(library, "clear_controlling_thread"):  # threadpoolctl 3.8 ignores all threads but the first, until then
            library.clear_controlling_thread()


def limit_blas_threads(n_threads: int | None) -> AbstractContextManager[Any]:
    """Return a context manager in which the BLAS libraries have ``n_threads`` threads; None changes nothing.

    Warns if threadpoolctl finds no BLAS library, so that no number can be set.
    """
    if n_threads is None:
        return nullcontext()
    if not _blas_libraries().lib_controllers:
        warnings.warn(f"the number of threads cannot be set to {n_threads}: threadpoolctl {threadpoolctl.__version__} "
                      "does not know the BLAS library of this NumPy; a newer threadpoolctl may", RuntimeWarning,
                      stacklevel=2)
    limits: AbstractContextManager[Any] = _blas_libraries().limit(limits=n_threads)
    return limits


class ThreadPool:
    """Context manager with a method ``map`` that runs on ``n_threads`` threads.

    The BLAS library is limited to one thread during ``map``.

    Parameters
    ----------
    n_threads : int, default=None
        Number of threads. None means ``blas_threads()``.

    Examples
    --------
    >>> with ThreadPool(2) as pool:
    ...     pool.map(lambda part: part * 10, [1, 2, 3])
    [10, 20, 30]
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = blas_threads() if n_threads is None else n_threads
        self._executor: ThreadPoolExecutor | None = None

    def __enter__(self) -> ThreadPool:
        if self.n_threads > 1:
            self._executor = ThreadPoolExecutor(self.n_threads, "decnp", initializer=_ignore_floating_point_errors)
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def map(self, f: Callable[[Part], Result], parts: Iterable[Part], serial: bool = False) -> list[Result]:
        """Return [f(part) for part in parts]. An exception in ``f`` is raised by this method.

        ``f`` must write only to data of its own part. ``serial=True`` runs on the calling thread, for work that takes
        less time than starting a task.
        """
        with single_threaded_blas:
            if self._executor is None or serial:
                with np.errstate(all="ignore"):
                    return [f(part) for part in parts]
            return list(self._executor.map(f, parts))

    def map_rows(self, f: Callable[[np.ndarray], np.ndarray], i: np.ndarray) -> np.ndarray:
        """Return f(i) for the row numbers ``i``, which are split into one part for each thread."""
        return np.concatenate(self.map(f, np.array_split(i, max(2, self.n_threads))))


def _ignore_floating_point_errors() -> None:
    """Turn off NumPy's floating-point warnings in a thread. The caller tests the results for infinite numbers."""
    np.seterr(all="ignore")


def map_blocks(f: Callable[[np.ndarray], np.ndarray], X: Rows | ScaledRows, pool: ThreadPool | None = None) -> np.ndarray:
    """Return f(X) for X (n, D), computed in blocks of ``BLOCK`` rows on the threads of ``pool``.

    ``f`` maps (b, D) to (b, ...), and the result has the shape (n, ...). Without ``pool``, this call creates a pool.
    """
    if pool is None:
        with ThreadPool() as pool:
            return map_blocks(f, X, pool)
    (first,) = pool.map(lambda n: f(X[:n]), [BLOCK], serial=len(X) < BLOCK)
    out = np.empty((len(X), *first.shape[1:]), first.dtype)
    out[:BLOCK] = first

    def write_block(start: int) -> None:
        out[start : start + BLOCK] = f(X[start : start + BLOCK])

    pool.map(write_block, range(BLOCK, len(X), BLOCK))
    return out
