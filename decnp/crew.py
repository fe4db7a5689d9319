"""A crew of threads that share one task's parts; each calls the BLAS library with one thread of its own.

Left to itself, the library puts all its threads on one product and what lies between two products runs on
one core, while the library's other threads wait by spinning and so slow down whoever else is there. A crew
takes parts of the *rows* instead: each thread carries its part through products and all else, and sleeps
when it has nothing to do. What a part is never depends on who does it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Callable, Iterable, Optional

import numpy as np
from threadpoolctl import ThreadpoolController

__all__ = ["Crew", "blas_threads"]


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS libraries of NumPy and SciPy, as they are loaded in this process."""
    return ThreadpoolController().select(user_api="blas")


def blas_threads() -> int:
    """How many threads a matrix product would use now: cores, ``OPENBLAS_NUM_THREADS`` and
    ``threadpoolctl.threadpool_limits`` decide."""
    return max((library["num_threads"] for library in _libraries().info()), default=1)


class Crew:
    """A context in which ``map`` runs on ``n_threads`` threads.

    Parameters
    ----------
    n_threads : None takes ``blas_threads()``

    The BLAS library has one thread while the crew works, and again what it had before and after.

    >>> with Crew(2) as crew:
    ...     crew.map(lambda part: part * 10, [1, 2, 3])
    [10, 20, 30]
    """

    def __init__(self, n_threads: Optional[int] = None):
        self.n_threads = blas_threads() if n_threads is None else n_threads
        self._pool: Optional[ThreadPoolExecutor] = None

    def __enter__(self) -> "Crew":
        if self.n_threads > 1:
            self._pool = ThreadPoolExecutor(self.n_threads, "decnp", initializer=_quiet)
        return self

    def __exit__(self, *_) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def map(self, f: Callable[[Any], Any], parts: Iterable, alone: bool = False) -> list:
        """[f(part) for part in parts]; f writes only into what is its part's. What it raises comes out here.

        ``alone=True`` leaves the crew aside, for work that is smaller than its handing over.
        """
        with _libraries().limit(limits=1):
            if self._pool is None or alone:
                with np.errstate(all="ignore"):
                    return [f(part) for part in parts]
            return list(self._pool.map(f, parts))

    def over_rows(self, f: Callable[[np.ndarray], np.ndarray], i: np.ndarray) -> np.ndarray:
        """f of row numbers i, one part each."""
        return np.concatenate(self.map(f, np.array_split(i, max(2, self.n_threads))))


def _quiet() -> None:
    """Numbers that are not finite are the caller's to find: a thread does not warn of them."""
    np.seterr(all="ignore")
