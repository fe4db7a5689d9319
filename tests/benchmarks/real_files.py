"""Run ``decnp fit`` on every table in some folders, and write what it says as a Markdown table.

    python tests/benchmarks/real_files.py FOLDER_OR_FILE ... > real_files.md

Files that are refused are run once more with the options that the error names: --drop and --label-column.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".npy", ".npz")
QUICK = "--n-clusters 3 --hidden 8,2 --set finetune_iter=40 --max-iter 20 --update-interval 10 --threads 1".split()


def tables(paths: list[str]) -> list[Path]:
    """Return the files that ``paths`` name or hold."""
    found = []
    for path in map(Path, paths):
        found += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.name.lower().endswith(ENDINGS))
    return found


def fit(path: Path, *options: str) -> tuple[int, list[str]]:
    """Return the exit status of a small run, and what it said, without progress; 99 for a traceback."""
    command = [sys.executable, "-m", "decnp", "fit", path.name, *QUICK, *options]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=600)
    said = [line.removeprefix("decnp: ") for line in done.stderr.splitlines() if line.startswith("decnp: ")]
    return (99 if "Traceback" in done.stderr else done.returncode), said


def remedy(error: str) -> list[str]:
    """Return the options --drop and --label-column that an error recommends."""
    words = shlex.split(" ".join(re.findall(r"(?:--drop|--label-column) (?:'(?:[^']|'\"'\"')*'|[^\s;]+)", error)))
    pairs = {name: option for option, name in zip(words[::2], words[1::2]) if name != "NAME"}  # the last one: --drop
    return [word for name, option in pairs.items() for word in (option, name)]


def main(paths: list[str]) -> None:
    print("| file | status | what `decnp fit` said | with the options that it names |\n|---|---|---|---|")
    for path in tables(paths):
        status, said = fit(path)
        again = ""
        options = remedy(said[-1]) if status == 2 and said else []
        if options:
            second, then = fit(path, *options)
            again = f"{second}: {'; '.join(then) if second else then[0]}"
        cells = (str(path), str(status), "; ".join(said), again)
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
