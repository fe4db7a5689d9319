"""Compilation with numba, cached on disk if possible.

The cache only saves time. If no folder for the cache is writable, or a file of the cache cannot be read or written, a
kernel is compiled in memory, and the process warns once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

__all__ = ["jit"]

_warned: list[str] = []


def jit(**options: Any) -> Callable[[Callable], Any]:
    """Return a decorator like ``numba.njit(cache=True, nogil=True, error_model="numpy")`` that works without a cache too.

    ``options`` are more options of ``numba.njit``.
    """
    def compiled(function: Callable) -> Any:
        kernel = njit(nogil=True, error_model="numpy", **options)(function)
        if kernel is function:  # NUMBA_DISABLE_JIT
            return kernel
        try:
            kernel._cache = _Cache(function)
        except (RuntimeError, OSError) as error:  # numba found no folder that it may write to
            _warn(error)
        return kernel
    return compiled


class _Cache(FunctionCache):
    """Cache of compiled functions that ignores damaged files and files that cannot be written."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function from the cache, or None if it is missing or its file is damaged."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling damaged bytes can raise anything
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write a compiled function. A damaged index is replaced."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _warn(error)
        except Exception as error:  # saving reads the index first, and a damaged index can raise anything
            try:
                self.flush()
                super().save_overload(sig, data)
            except Exception:
                _warn(error)


def _warn(error: Exception) -> None:
    """Warn once that the cache cannot be used."""
    if not _warned:
        _warned.append(str(error))
        warnings.warn(f"numba's cache cannot be written, so each process compiles its kernels anew, which takes some "
                      f"seconds; set NUMBA_CACHE_DIR to a folder that can be written to ({error})", RuntimeWarning,
                      stacklevel=2)
