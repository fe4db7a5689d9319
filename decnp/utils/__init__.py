"""Helpers that are not part of the paper: input validation, rows of large data, threads, progress."""
