"""The ``decnp`` command: one module for each subcommand."""

from .command import main

__all__ = ["main"]
