"""Suggestions for misspelt words, and words for the shell."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable

__all__ = ["nearest", "shell_word"]


def nearest(word: str, names: Iterable[str]) -> str:
    """Return the clause ", did you mean NAME?" with that of ``names`` most similar to ``word``; "" if none is similar.

    >>> nearest("Ditigs", ["mnist", "digits"])
    ", did you mean 'digits'?"
    """
    known = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), known, 1, 0.6)
    return f", did you mean {known[near[0]]!r}?" if near else ""


def shell_word(word: str) -> str:
    r"""Return ``word`` as a shell reads it, without characters that control a terminal.

    >>> print(shell_word("a b"), shell_word("a\x1b[31m"))
    'a b' $'a\x1b[31m'
    """
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(c if c.isprintable() and c not in "\\'" else _escape(c) for c in word) + "'"


def _escape(character: str) -> str:
    """Return the escape sequence of a character within dollar quotes."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
