"""By hand: how many random mutations of the code its tests notice, and which they do not; made with cosmic-ray.

    pip install cosmic-ray && python tests/benchmarks/mutants.py [--number 500] [--seed 0] [--only kernels] [--minutes 60]

The mutations are made in a copy of HEAD, one at a time, and for each the tests of that file are run until the first failure,
those first that failed for other mutations, in a child that is forked from a process that has imported SciPy, scikit-learn,
numba, Hypothesis and pytest. The test that fails must pass without the mutation. A child has ``SECONDS`` of processor time,
about three times the time of the slowest tests; one that needs more counts as noticed.
The kernels run without numba's compiler (``NUMBA_DISABLE_JIT=1``), because its cache does not see that a function called by a
compiled one has changed. mutmut 3 is of no use here: it keeps all mutations of a function in one file behind a switch, which
numba cannot compile.

The result of each is appended to ``data/results/mutants.json``, until it has ``--number``. The next call with the same seed
goes on with the mutations that are not in it; if a file has got another number of places for mutations since then, the draw
is another one. After the code or the tests have changed, ``--again`` repeats those that survived, and draws none. Survivors
whose line was changed or deleted are removed from the record.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import date
from pathlib import Path

import cosmic_ray.plugins
import hypothesis.core  # (imported once, for all children)
import hypothesis.internal.conjecture.engine  # noqa: F401
import numba
import pytest
import scipy.optimize  # noqa: F401
import sklearn.cluster  # noqa: F401
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "data/results/mutants.json"
SECONDS = 100
TESTS = {  # files, and the names of their tests, the fastest first; then its doctests, and test_defaults.py
    "equations.py": "equations symbolic", "layers.py": "layers derivatives", "losses.py": "losses",
    "optim.py": "optim", "kernels/equations.py": "kernels", "kernels/tiles.py": "kernels",
    "kernels/layers.py": "fused losses layers", "kernels/optim.py": "kernels fused", "kernels/fused_step.py": "fused trajectories",
    "kernels/jit.py": "kernel_cache", "metrics.py": "metrics", "autoencoder.py": "autoencoder trajectories checkpoint",
    "clustering.py": "trajectories dec checkpoint init", "dec.py": "dec init checkpoint", "inference.py": "inference predict",
    "profiles.py": "optim dec autoencoder cli", "training/checkpoint.py": "checkpoint", "training/diagnostics.py": "diagnostics",
    "training/engine.py": "fused dec autoencoder", "training/estimator.py": "dec autoencoder",
    "training/features.py": "rows autoencoder", "training/neighbors.py": "init", "training/preparation.py": "recipe",
    "training/records.py": "diagnostics dec autoencoder cli", "training/scaling.py": "scaling offset",
    "training/stability.py": "stability autoencoder", "training/start.py": "init dec", "training/state.py": "dec checkpoint",
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


def in_random_order(every: list[MutationSpec], seed: int) -> list[MutationSpec]:
    """Return one mutation for each place, because an operator has many; the places in random order."""
    draw = random.Random(seed)
    places: dict[tuple, list[MutationSpec]] = {}
    for spec in every:
        places.setdefault((str(spec.module_path), spec.start_pos), []).append(spec)
    order = draw.sample(sorted(places), len(places))
    return [draw.choice(places[place]) for place in order]


def line_is_there(one: dict) -> bool:
    """Return True if the file still has the line of a recorded mutation."""
    lines = {line.strip() for line in Path(one["file"]).read_text().splitlines()}
    return any(one["change"].startswith(f"{line} -> ") for line in lines if line)


def on_lines_of(survivors: list[dict], every: list[MutationSpec]) -> list[MutationSpec]:
    """Return the mutations of the lines on which a mutation survived."""
    texts: dict[str, list[str]] = {one["file"]: Path(one["file"]).read_text().splitlines() for one in survivors}
    return [spec for spec in every if any(
        one["file"] == str(spec.module_path)
        and one["change"].startswith(texts[one["file"]][spec.start_pos[0] - 1].strip() + " -> ") for one in survivors)]


def _in_child(path: str, files: list[str]) -> int:
    """Run pytest with limits and without output; return its exit status."""
    with open("output", "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
    if "kernels" in path:
        os.environ["NUMBA_DISABLE_JIT"], numba.config.DISABLE_JIT = "1", 1
        files = [*files, "-k", "not fit and not one_thread and not large_work"]  # minutes without the compiler
    return int(pytest.main(["-n", "0", "-x", "-q", "--no-header", "--ff", "-o", "cache_dir=failed", "-W",
                            "ignore:Module already imported:pytest.PytestAssertRewriteWarning", *files]))


def tests_of(path: str) -> list[str]:
    """Return the tests of a file, as arguments of pytest."""
    names = next(names for pattern, names in TESTS.items() if Path(path).match(f"decnp/{pattern}"))
    module = path.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    return [*(f"tests/test_{name}.py" for name in names.split()), path,
            f"tests/test_defaults.py::test_the_defaults_are_those_of_the_docstring[{module}]"]


def failed() -> list[str]:
    """Return the tests that failed in the last child, as arguments of pytest."""
    lines = Path("output").read_text().splitlines()
    return [line.split(" ", 1)[1].split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR ")) and "::" in line]


def run_tests(path: str, files: list[str]) -> tuple[str, float]:
    """Run tests of a file in a forked child; return "noticed", "survived" or "timeout", and the seconds it computed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    child = os.fork()
    if child == 0:
        try:
            os._exit(_in_child(path, files))
        except BaseException:
            traceback.print_exc()
            os._exit(9)
    _, status = os.waitpid(child, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    outcome = "survived" if status == 0 else "noticed" if os.WIFEXITED(status) else "timeout"
    return outcome, round(used, 1)


def mutated(spec: MutationSpec) -> str:
    """Return the text of a file with a mutation."""
    operator = cosmic_ray.plugins.get_operator(spec.operator_name)(**spec.operator_args)
    return mutate_code(Path(spec.module_path).read_text(), operator, spec.occurrence)


def changed(spec: MutationSpec) -> str:
    """Return the line before and after the mutation."""
    row = spec.start_pos[0] - 1
    old, new = (text.splitlines()[row].strip() for text in (Path(spec.module_path).read_text(), mutated(spec)))
    return f"{old} -> {new}"


def mutate_and_test(spec: MutationSpec) -> tuple[str, float]:
    """Run the tests of a file with a mutation."""
    path = Path(spec.module_path)
    before, times, after = path.read_text(), path.stat(), mutated(spec)
    path.write_text(after)
    sys.dont_write_bytecode = True  # the run without a mutation writes it, also that of the tests
    try:
        return run_tests(str(path), tests_of(str(path)))
    finally:
        sys.dont_write_bytecode = False
        path.write_text(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # the caches go by it


def main() -> None:
    """Mutate, test, and print the survivors as a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=500, help="end with this many in the record")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="WORD", help="only files whose path holds it")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after this time")
    parser.add_argument("--again", action="store_true", help="repeat the recorded survivors, by their changed lines")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True,
                            text=True).stdout.strip()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.environ.update(PYTHONPATH=folder, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", DECNP_EXAMPLES="30")
        paths = [path for pattern in TESTS for path in sorted(Path("decnp").glob(pattern)) if args.only in str(path)]
        every = [spec for path in paths for spec in mutations(path, f"{folder}/mutations.sqlite")]
        gc.freeze()
        sound: set[str] = set()
        collected: set[str] = set()
        record = [one for one in record if one["outcome"] != "survived" or line_is_there(one)]
        survivors = [one for one in record if one["outcome"] == "survived"]
        for spec in on_lines_of(survivors, every) if args.again else in_random_order(every, args.seed):
            if time.monotonic() > end or (len(record) >= args.number and not args.again):
                break
            path = str(spec.module_path)
            change = changed(spec)
            before = next((one for one in record if (one["file"], one["change"]) == (path, change)), None)
            if (before["outcome"] if before else None) != ("survived" if args.again else None):
                continue
            if path not in collected and run_tests(path, [*tests_of(path), "--co"])[0] != "survived":  # compiles the tests
                raise SystemExit(f"{path}: its tests cannot be collected: {Path('output').read_text()}")
            collected.add(path)
            outcome, used = mutate_and_test(spec)
            if outcome == "noticed" and not (found := set(failed())) <= sound:  # what fails anyway notices nothing
                if run_tests(path, [*sorted(found), "-o", "cache_dir=unused"])[0] != "survived":
                    print(f"{path}: the tests fail without a mutation: {Path('output').read_text()[-2000:]}", flush=True)
                    continue
                sound |= found
            record = [one for one in record if one is not before]
            record.append({"file": path, "line": spec.start_pos[0], "change": change, "outcome": outcome,
                           "seconds": used, "commit": commit, "date": str(date.today())})
            RECORD.write_text(json.dumps(record, indent=0, ensure_ascii=False))
            print(len(record), outcome, used, path, change, flush=True)
    survivors = [one for one in record if one["outcome"] == "survived"]
    print(f"\n{len(record) - len(survivors)} of {len(record)} mutations noticed, of {len(every)}\n\n| file | line | change |\n|---|---|---|")
    for one in sorted(survivors, key=lambda one: (one["file"], one["line"])):
        print(f"| {one['file']} | {one['line']} | `{one['change']}` |")


if __name__ == "__main__":
    main()
