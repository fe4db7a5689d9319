"""The layout of the package: no import goes up a level, none goes in a circle, and ``ls decnp`` stays short."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import decnp

ROOT = Path(decnp.__file__).parent
LEVELS = [
    "equations layers optim metrics utils exceptions",
    "losses kernels profiles baselines plotting",
    "gradcheck io",
    "training inference datasets",
    "autoencoder clustering report",
    "dec",
    "persistence export choosing restarts experiments",
    "cli",
]
"""Modules and packages, lowest level first; each imports only from its own level and those before it."""
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names.split()}


def name_of(path):
    """The dotted name of a file within ``decnp``; that of a package for its ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in ROOT.rglob("*.py") if path.name != "__main__.py"}


def imports_of(name, path):
    """The modules of ``decnp`` that a file imports, in functions too; not those imported for annotations only."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (node.module or "").split(".") * bool(node.module)
            for alias in node.names:
                full = ".".join([*base, alias.name])
                yield full if full in FILES else ".".join(base)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any(imported.split(".")[0] == "decnp" for imported in names), f"{path} has an absolute import"


def statements(tree):
    """Yield the statements of a file, and those within them, but none below ``if TYPE_CHECKING``."""
    for_annotations = isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test)
    for part in ("body", "orelse", "finalbody", "handlers", "cases")[for_annotations:]:
        for node in getattr(tree, part, []):
            yield node
            yield from statements(node)


@pytest.fixture(scope="module")
def imports():
    """The modules of ``decnp`` that each of them imports."""
    return {name: {imported for imported in imports_of(name, path) if imported != name} for name, path in FILES.items()}


@pytest.mark.parametrize("name", [name for name in FILES if name])
def test_no_import_goes_up_a_level(imports, name):
    level = LEVEL[name.split(".")[0]]
    above = [imported for imported in imports[name] if imported and LEVEL[imported.split(".")[0]] > level]
    assert not above, f"decnp.{name} imports {above} from a level above its own"


def test_no_import_goes_in_a_circle(imports):
    """``prepare`` raises CycleError for two modules that import each other."""
    graph = {name: imported - {""} for name, imported in imports.items()}  # "" is decnp itself, which imports nothing
    for name in graph:  # an __init__ runs before the modules below it that it imports
        graph[name] -= {parent for parent in (name.rpartition(".")[0],) if parent}
    TopologicalSorter(graph).prepare()


def test_the_equations_import_nothing_of_the_package(imports):
    assert not imports["equations"] and not imports["exceptions"]


def test_the_top_of_the_package_is_the_paper_and_little_else():
    top = [path.name for path in ROOT.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert len(top) <= 14 and len(LEVELS) <= 10


@pytest.mark.parametrize("package", ["io", "training", "utils"])
def test_packages_that_prediction_needs_import_nothing_by_themselves(package):
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    assert [type(node) for node in tree.body] == [ast.Expr]  # the docstring


@pytest.mark.parametrize("name", FILES)
def test_files_and_functions_can_be_read_in_one_sitting(name):
    source = FILES[name].read_text()
    assert len(source.splitlines()) <= 400
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 50, f"{node.name} in decnp/{name} has {lines} lines"
