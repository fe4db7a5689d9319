"""Run ``decnp fit`` on every table in some folders, and write what it says as a Markdown table.

    python tests/benchmarks/real_files.py FOLDER_OR_FILE ... > real_files.md

Files that are refused are run once more with the options --drop and --label-column that the error names.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import traceback
from pathlib import Path

from decnp.cli import main as decnp

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".npy", ".npz")
QUICK = "--n-clusters 3 --hidden 8,2 --set finetune_iter=40 --max-iter 20 --update-interval 10".split()


def tables(paths: list[str]) -> list[Path]:
    """Return the files that ``paths`` name or hold."""
    found = []
    for path in map(Path, paths):
        found += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.name.lower().endswith(ENDINGS))
    return [path.absolute() for path in found]


def fit(path: Path, *options: str) -> tuple[str, list[str]]:
    """Return the exit status of a small run, or "traceback", and what it said, without progress."""
    os.chdir(path.parent)
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            status = str(decnp(["fit", path.name, *QUICK, *options]))
        except SystemExit as error:
            status = str(error.code)
        except Exception:
            status = "traceback"
            traceback.print_exc()
    said = [line.removeprefix("decnp: ") for line in errors.getvalue().splitlines() if line.startswith("decnp: ")]
    return status, said if status != "traceback" else errors.getvalue().splitlines()[-1:]


def remedy(error: str) -> list[str]:
    """Return the options that an error recommends; a column that may be dropped or hold the labels is dropped."""
    words = shlex.split(" ".join(re.findall(r"(?:--drop|--label-column) (?:'(?:[^']|'\"'\"')*'|[^\s;]+)", error)))
    names = dict(zip(words[1::2], words[::2]))
    names.pop("NAME", None)
    dropped = [name for name, option in zip(words[1::2], words[::2]) if option == "--drop"]
    return [word for name, option in names.items() for word in ("--drop" if name in dropped else option, name)]


def main(paths: list[str]) -> None:
    """Print the table."""
    print("| file | status | what `decnp fit` said | with the options that it names |\n|---|---|---|---|")
    for path in tables(paths):
        status, said = fit(path)
        again = ""
        options = remedy(said[-1]) if status == "2" else []
        if options:
            status_then, then = fit(path, *options)
            again = f"{status_then}: {'; '.join(then)}"
        cells = (str(path), status, "; ".join(said), again)
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
