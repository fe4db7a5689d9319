"""Suggestions for misspelt words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the clause ", did you mean NAME?" with that of ``names`` most similar to ``word``; "" if none is similar.

    >>> nearest("Ditigs", ["mnist", "digits"])
    ", did you mean 'digits'?"
    """
    known = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), known, 1, 0.6)
    return f", did you mean {known[near[0]]!r}?" if near else ""
