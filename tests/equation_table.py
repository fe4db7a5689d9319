"""The table of equations, made from a run: python tests/equation_table.py writes it.

docs/theory.md has the whole table, and the README its first five rows. Each number is the worst relative error of
``decnp.gradcheck.check_equations``, or of the trajectories. PyTorch's trajectories are run if PyTorch is installed;
otherwise their numbers stay as they are.
"""

import inspect
import re
from importlib.util import find_spec
from pathlib import Path

from naive import best_by_trying

from decnp import autoencoder, clustering, equations, kernels, layers, losses, metrics
from decnp.gradcheck import check_equations, derivatives, naive, references

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- equations -->\n", "<!-- end of equations -->"

PAGE, README = ROOT / "docs" / "theory.md", ROOT / "README.md"
ROWS_OF_README = 5

CHECKED_BY = {  # a column of the result, and the function that computes it
    "loops": None, "complex step": derivatives.complex_step, "autograd": references._autograd,
}
ROWS = [  # Eq., what it says, the row of check_equations, reference, kernel, its plain loops
    ("1", "soft assignment q", "Eq. 1", equations.soft_assignment, kernels.soft_assignment, naive.soft_assignment),
    ("2", "loss KL(P ‖ Q)", "Eq. 2", equations.kl_divergence, kernels.kl_divergence, naive.kl_divergence),
    ("3", "target p", "Eq. 3", equations.target_distribution, kernels.target_distribution, naive.target_distribution),
    ("4", "∂L/∂z", "Eq. 4", equations.grad_z, kernels.grad_z, naive.grad_z),
    ("5", "∂L/∂μ", "Eq. 5", equations.grad_mu, kernels.grad_mu, naive.grad_mu),
    ("6, 8", "dropout mask", "dropout mask", layers.dropout_mask, None, naive.dense_vjp),
    ("7, 9", "dense layer", "dense", layers.dense_vjp, None, naive.dense_vjp),
    ("7, 9", "ReLU", "ReLU", layers.relu_vjp, None, naive.relu_vjp),
    ("", "squared error", "squared error", layers.squared_error, None, naive.squared_error),
    ("6-9", "whole autoencoder: ∂loss/∂W, ∂loss/∂b", "whole autoencoder", losses.reconstruction_loss_and_grads, None,
     naive.dense_vjp),
    ("1-5", "whole DEC step: ∂L/∂θ, ∂L/∂μ", "whole DEC step", losses.clustering_loss_and_grads, kernels.loss_and_grads,
     naive.grad_z),
]


def link(function, text=None) -> str:
    """Return [module.name](file#Lline) for a function of the package or of the tests."""
    function = getattr(function, "py_func", inspect.unwrap(function))
    path = Path(inspect.getsourcefile(function)).relative_to(ROOT)
    line = inspect.getsourcelines(function)[1]
    module = ".".join(path.with_suffix("").parts[1:])  # within decnp/ or tests/
    return f"[{text or f'`{module}.{function.__name__}`'}]({path.as_posix()}#L{line})"


def table() -> str:
    """Return the table in Markdown, with links from the root of the repository."""
    errors = {row["row"]: row["errors"] for row in check_equations(autodiff=["autograd"])["rows"]}
    lines = ["| Eq. | says | reference | kernel | checked by, worst relative error |", "|---|---|---|---|---|"]
    for eq, says, row, reference, kernel, loops in ROWS:
        [found] = [e for title, e in errors.items() if title.startswith(row)]
        cells = [f"{link(function or loops, name)} {found[name]:.0e}" for name, function in CHECKED_BY.items()]
        lines.append(f"| {eq} | {says} | {link(reference)} | {link(kernel) if kernel else ''} | {', '.join(cells)} |")
    lines += [trajectory(*words) for words in (
        ("6-9", "400 steps of autoencoder training", autoencoder.descend, "autoencoder"),
        ("1-5", "200 steps of DEC", clustering.cluster, "dec"))]
    lines.append(f"| 10 | ACC | {link(metrics.cluster_accuracy)} | | {link(best_by_trying, 'every map tried')} |")
    return "\n".join(lines) + "\n"


def trajectory(eq, says, reference, name) -> str:
    """One row: the worst difference from a plain program over every array, step and engine, for each autodiff package."""
    import test_trajectories as way

    peer = {"autoencoder": way.peer_autoencoder, "dec": way.peer_dec}[name]
    cells = []
    for package, title in (("autograd", "plain autograd program"), ("torch", "plain PyTorch program")):
        if find_spec(package) is None:
            before = re.search(rf"\| {re.escape(says)} .*\[{title}\]\([^)]*\) (\S+ in float64, \S+ in float32)", written(PAGE))
            worst = before.group(1) if before else "not run"
        else:
            worst = ", ".join(f"{_worst(way, getattr(way, name), peer, package, dtype):.0e} in {dtype}"
                              for dtype in way.TOLERANCE)
        cells.append(f"{link(peer, title)} {worst}")
    return f"| {eq} | {says} | {link(reference)} | | {', '.join(cells)} |"


def _worst(way, trained, peer, package, dtype) -> float:
    return max(way.worst_difference(trained(case, dtype, engine).seen, peer(package, case, dtype))
               for case in way.CASES for engine in ("numpy", "numba"))


def split(markdown: str) -> tuple[str, list[float]]:
    """The table without its errors, and the errors."""
    number = r"(?<= )\d(?:\.\d)?e[-+]\d+"
    return re.sub(number, "#", markdown), [float(e) for e in re.findall(number, markdown)]


def written(path: Path) -> str:
    """Return the table that stands in a file."""
    return path.read_text().split(BEGIN)[1].split(END)[0]


def for_page(markdown: str) -> str:
    """Return the table with links from docs/."""
    return markdown.replace("](", "](../")


def for_readme(markdown: str) -> str:
    """Return the heading and the first rows of the table."""
    return "".join(markdown.splitlines(keepends=True)[: 2 + ROWS_OF_README])


if __name__ == "__main__":
    markdown = table()
    for path, part in ((PAGE, for_page(markdown)), (README, for_readme(markdown))):
        path.write_text(path.read_text().replace(BEGIN + written(path), BEGIN + part))
