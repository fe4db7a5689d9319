"""Conversion of an ``OSError`` into an error whose message is one sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..exceptions import UserError

__all__ = ["explain_os_errors", "explain_read_errors", "reason_of"]


def reason_of(error: OSError) -> str:
    """Return the reason of ``error`` alone, such as "No space left on device".

    >>> reason_of(OSError(28, "No space left on device", "x.npy"))
    'No space left on device'
    """
    return str(error.strerror or error)


@contextmanager
def explain_os_errors(sentence: str, exception: type[Exception] = UserError) -> Iterator[None]:
    """Raise ``exception`` with the message "sentence: reason" for an ``OSError`` in the block.

    >>> with explain_os_errors("a.npy could not be written"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    decnp.exceptions.UserError: a.npy could not be written: No space left on device
    """
    try:
        yield
    except OSError as error:
        raise exception(f"{sentence}: {reason_of(error)}") from error


@contextmanager
def explain_read_errors(
    path: object, action: str = "cannot read", exception: type[Exception] = UserError,
) -> Iterator[None]:
    """Raise ``exception`` with the message "action file: reason" for an ``OSError`` in the block.

    ``file`` is the name of the file in the ``OSError``, or ``path`` if it has none.
    """
    try:
        yield
    except OSError as error:
        raise exception(f"{action} {error.filename or path}: {reason_of(error)}") from error
