"""Helpers without a paper: input validation, rows of large data, threads."""
