"""By hand: how many random mutations of the code its tests notice, and which they do not; made with cosmic-ray.

    pip install cosmic-ray && python tests/benchmarks/mutants.py [--number 500] [--seed 0] [--only kernels]

The mutations are made in a copy of HEAD, one at a time, and for each the tests of that file are run, in one process and
until the first failure. A run that takes longer than ten minutes counts as noticed. mutmut 3 is of no use here: it keeps
all mutations of a function in one file behind a switch, which numba cannot compile.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome

ROOT = Path(__file__).parents[2]
TESTS = {  # files, and the names of their tests; test_defaults.py is run for each
    "equations.py": "equations gradcheck", "layers.py": "layers derivatives symbolic", "losses.py": "losses trajectories",
    "optim.py": "optim", "kernels/*.py": "kernels fused optim losses kernel_cache", "metrics.py": "metrics",
    "autoencoder.py": "autoencoder checkpoint trajectories", "clustering.py": "dec checkpoint trajectories",
    "dec.py": "dec checkpoint init diagnostics", "inference.py": "inference predict", "profiles.py": "dec autoencoder cli",
    "training/checkpoint.py": "checkpoint", "training/diagnostics.py": "diagnostics", "training/engine.py": "dec autoencoder",
    "training/features.py": "rows autoencoder", "training/neighbors.py": "init", "training/start.py": "init dec",
    "training/scaling.py": "scaling autoencoder offset", "training/stability.py": "autoencoder",
    "baselines/*.py": "baselines spectral_estimators", "datasets/hog.py": "stl", "datasets/imbalanced.py": "imbalanced",
}
LEFT_OUT = re.compile(  # a kernel that is not compiled gives the same; an error of a type at once; experimental
    "core/(RemoveDecorator|ReplaceBinaryOperator_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(Bit|LShift|RShift)|Variable)")


def annotations(path: Path) -> set[tuple[int, int]]:
    """Return the positions (line, column) within annotations, which nothing evaluates."""
    tree = ast.parse(path.read_text())
    nodes = [getattr(node, "annotation", None) for node in ast.walk(tree)]
    nodes += [node.returns for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {(part.lineno, part.col_offset) for node in nodes if node is not None for part in ast.walk(node)
            if hasattr(part, "lineno")} | {(node.lineno, column) for node in nodes if node is not None
                                           for column in range(node.col_offset, node.end_col_offset or 0)}


def mutations(path: Path, database: str) -> list[MutationSpec]:
    """Return every mutation of a file that can change a result."""
    with use_db(database, WorkDB.Mode.create) as db:
        init([path], db, {})
        specs = [item.mutations[0] for item in db.work_items]
    unread = annotations(path)
    return [spec for spec in specs if not LEFT_OUT.match(spec.operator_name) and tuple(spec.start_pos) not in unread]


def command(names: str) -> str:
    """Return the line that runs some tests until the first failure."""
    files = [f"tests/test_{name}.py" for name in (*names.split(), "defaults")]
    return shlex.join([sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-p", "no:cacheprovider", *files])


def changed(diff: str) -> str:
    """Return the line before and after the mutation."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return " -> ".join(line[1:].strip() for line in lines)


def main() -> None:
    """Mutate, test, and print the survivors as a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="WORD", help="only files whose path holds it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        os.chdir(folder)
        os.environ.update(PYTHONPATH=folder, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
        tests = {path: command(names) for pattern, names in TESTS.items() for path in sorted(Path("decnp").glob(pattern))
                 if args.only in str(path)}
        for line in dict.fromkeys(tests.values()):  # what fails anyway notices nothing
            subprocess.run(shlex.split(line), check=True, stdout=subprocess.DEVNULL)
        every = [spec for path in tests for spec in mutations(path, f"{folder}/mutations.sqlite")]
        draw = random.Random(args.seed)
        places: dict[tuple, list[MutationSpec]] = {}
        for spec in every:  # first the place, then what stands there instead: an operator has many others
            places.setdefault((spec.module_path, spec.start_pos), []).append(spec)
        sample = [draw.choice(places[place]) for place in draw.sample(sorted(places), min(args.number, len(places)))]
        survivors = []
        for spec in sorted(sample, key=lambda spec: (str(spec.module_path), spec.start_pos)):
            found = mutate_and_test([spec], tests[spec.module_path], 600)
            if found.test_outcome == TestOutcome.SURVIVED:
                survivors.append(f"| {spec.module_path} | {spec.start_pos[0]} | `{changed(found.diff or '')}` |")
                print(survivors[-1], flush=True)
    noticed = len(sample) - len(survivors)
    print(f"\n{noticed} of {len(sample)} mutations noticed ({noticed / max(1, len(sample)):.1%}), of {len(places)} places\n")
    print("\n".join(["| file | line | change |", "|---|---|---|", *survivors]))


if __name__ == "__main__":
    main()
