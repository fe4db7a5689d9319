"""The checker is checked: what is right passes, and every mistake that is planted is caught and named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import decnp
from decnp import equations, layers
from decnp.cli import main
from decnp.gradcheck import (
    check_equations,
    complex_step,
    references,
    vjps,
)
from decnp.gradcheck.table import format_result

ROOT = Path(__file__).parents[1]

# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("recipe", [{}, {"dtype": "float32"}, {"n": 1, "k": 1, "d": 1}, {"n": 3, "k": 7, "d": 1}], ids=str)
def test_all_equations_and_layers_hold(recipe):
    result = check_equations((0.5, 10.0), trials=2, **recipe)
    assert result["ok"], format_result(result)
    assert {"loops", "kernels", "central", "complex step", "autograd"} <= set(result["tolerances"])
    for row in result["rows"]:
        empty = {column for column, error in row["errors"].items() if error is None}
        has_kernel = row["row"].startswith("Eq.") or "DEC step" in row["row"]
        assert empty == (set() if has_kernel else {"kernels"})


def test_a_package_that_cannot_be_imported_is_warned_of_and_not_asked(tmp_path, monkeypatch):
    (tmp_path / "jax.py").write_text("raise AttributeError('np.msort is gone')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    with pytest.warns(UserWarning, match="jax is installed but can't be imported, so it is not used: np.msort is gone"):
        assert "jax" not in references.installed()


def test_the_same_seed_gives_the_same_table():
    one, same, other = (check_equations([1.0], trials=1, seed=seed, autodiff=[]) for seed in (3, 3, 4))
    assert one == same != other


@pytest.mark.parametrize("alpha, dtype", [
    (1e5, "float64"), (1e6, "float64"), (1e12, "float64"), (1e250, "float64"), (1e-300, "float64"), (1e-30, "float32"),
    (1e30, "float32")])
def test_the_references_are_exact_for_a_large_and_a_small_alpha(alpha, dtype):
    result = check_equations([alpha], trials=1, dtype=dtype, autodiff=["autograd"])
    assert result["ok"], format_result(result)


def test_a_wrong_power_of_a_large_alpha_is_caught(monkeypatch):
    monkeypatch.setattr(equations, "_log1p", lambda x: np.log(1 + x))
    result = check_equations([1e6], trials=1, autodiff=["autograd"])
    assert result["failed"][0].startswith("Eq. 1")


@pytest.mark.parametrize("alpha", ["1e5", "1e6", "1e12", "1e-300"])
def test_the_command_holds_for_extreme_degrees_of_freedom(alpha, capsys):
    assert main(["gradcheck", "--alpha", alpha, "--trials", "1"]) == 0
    assert capsys.readouterr().out.endswith("all hold\n")


@pytest.mark.parametrize("options, words", [
    (["--alpha", "1e-305"], "alpha must be between 1e-300 and 1e+250 in float64: beyond, ||z - mu||^2 / alpha in Eq. 1 overflows or becomes zero; got 1e-305"),
    (["--alpha", "1", "--alpha", "1e31", "--dtype", "float32"], "alpha must be between 1e-30 and 1e+30 in float32"),
])
def test_the_command_refuses_an_alpha_that_overflows(options, words, capsys):
    assert main(["gradcheck", *options]) == 2
    assert words in capsys.readouterr().err


def test_bad_recipes_are_refused():
    with pytest.raises(ValueError, match="dtype must be 'float64' or 'float32'; got 'int8'"):
        check_equations(dtype="int8")
    with pytest.raises(ValueError, match="autodiff must name packages among autograd, torch, jax; got 'theano'"):
        check_equations(autodiff=["theano"])


def times(factor):
    """The rule, its result (or each of its results) multiplied."""
    def change(rule):
        def wrong(*args, **kwargs):
            result = rule(*args, **kwargs)
            if isinstance(result, tuple):
                return tuple(r if r is None else factor * r for r in result)
            return factor * result
        return wrong
    return change


def transposed_weight(rule):
    def wrong(g, x, W, need_x=True):
        g_x, g_W, g_b = rule(g, x, W, need_x)
        return g_x, (g.T @ x).reshape(W.shape), g_b
    return wrong


def mask_off_by_one(rule):
    return lambda g, theta, hs, masks=None, need_x=True: rule(g, theta, hs, masks and [*masks[1:], None], need_x)


def mask_forgotten(rule):
    return lambda g, theta, hs, masks=None, need_x=True: rule(g, theta, hs, None, need_x)


def gradient_only(factor):
    """``squared_error`` whose gradient has another scale than its loss."""
    return lambda rule: lambda x_rec, x: (rule(x_rec, x)[0], factor * rule(x_rec, x)[1])


RULES = [(equations, name, f"Eq. {number}") for number, name in enumerate(
    ["soft_assignment", "kl_divergence", "target_distribution", "grad_z", "grad_mu"], start=1)]
RULES += [(vjps, "soft_assignment_vjp", "Eq. 1"), (vjps, "kl_divergence_vjp", "Eq. 2"),
          (vjps, "target_distribution_vjp", "Eq. 3"), (layers, "dense", "dense"), (layers, "dense_vjp", "dense"),
          (layers, "relu", "ReLU"), (layers, "relu_vjp", "ReLU"), (layers, "squared_error", "squared error")]
PLANTED = [(*rule, times(factor)) for rule in RULES for factor in (2.0, 1.001, -1.0)] + [
    (layers, "dense_vjp", "dense", transposed_weight),
    (layers, "mlp_vjp", "dropout mask", mask_off_by_one),
    (layers, "mlp_vjp", "dropout mask", mask_forgotten),
    (layers, "squared_error", "squared error", gradient_only(2.0)),
    (layers, "squared_error", "squared error", gradient_only(-1.0)),
]


@pytest.mark.parametrize("room, name, row, change", PLANTED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_planted_mistake_is_caught_and_its_row_is_named_first(monkeypatch, room, name, row, change):
    monkeypatch.setattr(room, name, change(getattr(room, name)))
    result = check_equations([2.0], trials=1, autodiff=["autograd"])
    assert not result["ok"]
    assert result["failed"][0].startswith(row), result["failed"]


@pytest.mark.parametrize("judge", ["loops", "central", "complex step", "autograd"])
def test_each_judge_alone_would_catch_a_wrong_gradient(monkeypatch, judge):
    monkeypatch.setattr(equations, "grad_z", times(1.001)(equations.grad_z))
    result = check_equations([2.0], trials=1, autodiff=["autograd"])
    [errors] = [row["errors"] for row in result["rows"] if row["row"].startswith("Eq. 4")]
    assert errors[judge] == pytest.approx(1e-3, rel=1e-3) and errors[judge] > result["tolerances"][judge]


def test_a_kernel_that_differs_is_caught(monkeypatch):
    from decnp import kernels

    monkeypatch.setattr(kernels, "grad_mu", times(1.001)(kernels.grad_mu))
    result = check_equations([2.0], trials=1, autodiff=[])
    assert [row[:5] for row in result["failed"]] == ["Eq. 5"]


def test_a_rule_that_raises_or_overflows_fails_its_row(monkeypatch):
    def broken(*args, **kwargs):
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr(equations, "grad_z", broken)
    monkeypatch.setattr(equations, "grad_mu", times(np.inf)(equations.grad_mu))
    result = check_equations([2.0], trials=1, autodiff=[])
    assert format_result(result).endswith("\nWRONG: Eq. 4 dL/dz; Eq. 5 dL/dmu; whole DEC step, theta and mu")


# ---------------------------------------------------------------- the command


def test_the_command_prints_the_table_and_writes_it(tmp_path, capsys):
    file = tmp_path / "check.json"
    assert main(["gradcheck", "--alpha", "3", "--trials", "1", "--seed", "5", "--json", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all hold"
    assert [line[:5] for line in lines[1:6]] == [f"Eq. {number}" for number in range(1, 6)]
    written = json.loads(file.read_text())
    assert written["recipe"] == {"alphas": [3.0], "dtype": "float64", "n": 8, "k": 4, "d": 3, "trials": 1, "seed": 5}
    assert written["ok"] is True and len(written["rows"]) == 11 == len(lines) - 4


def test_the_command_says_before_its_work_what_it_cannot_write(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("decnp.gradcheck.table.check_equations", None)
    assert main(["gradcheck", "--json", str(tmp_path / "no" / "check.json")]) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    assert main(["gradcheck", "--json", str(tmp_path / "check.txt")]) == 2
    assert "the name of the output file must end in .json" in capsys.readouterr().err


def test_the_file_that_is_checked_is_not_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_dec.json").write_text("mine")
    assert main(["gradcheck", "--mine", "my_dec.json", "--json", "./my_dec.json"]) == 2
    assert "would replace my_dec.json, which is an input of this command" in capsys.readouterr().err
    (tmp_path / "my_dec.py").write_text("mine")
    assert main(["gradcheck", "--mine", "my_dec.py", "--json", "my_dec.py"]) == 2
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


SIGNS = [  # in a process each, so that all but the first are marked as slow: a line of equations.py, one sign in it changed, and the first row that it makes wrong
    ("log_s = -(alpha + 1) / 2", "log_s = +(alpha + 1) / 2", "Eq. 1"),
    ("_log1p(dist2 / alpha)", "_log1p(-dist2 / alpha)", "Eq. 1"),
    ("np.sum(p * (log_p - log_q))", "np.sum(p * (log_p + log_q))", "Eq. 2"),
    ("weight / weight.sum(axis=1, keepdims=True)", "-weight / weight.sum(axis=1, keepdims=True)", "Eq. 3"),
    ("u * (p - soft_assignment", "u * (p + soft_assignment", "Eq. 4"),
    ("return np.sum(weight[:, :, None] * diff, axis=1)", "return -np.sum(weight[:, :, None] * diff, axis=1)", "Eq. 4"),
    ("return -np.sum(weight[:, :, None] * diff, axis=0)", "return np.sum(weight[:, :, None] * diff, axis=0)", "Eq. 5"),
]


@pytest.mark.parametrize("line, edited, row", [SIGNS[0], *(pytest.param(*sign, marks=pytest.mark.slow) for sign in SIGNS[1:])])
def test_one_sign_edited_in_a_copy_of_the_equations_ends_the_command_with_1(tmp_path, line, edited, row):
    shutil.copytree(Path(decnp.__file__).parent, tmp_path / "decnp", ignore=shutil.ignore_patterns("__pycache__"))
    source = (tmp_path / "decnp" / "equations.py").read_text()
    assert source.count(line) == 1
    (tmp_path / "decnp" / "equations.py").write_text(source.replace(line, edited))
    done = subprocess.run(
        [sys.executable, "-m", "decnp", "gradcheck", "--alpha", "2", "--trials", "1"], cwd=tmp_path, text=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_DISABLE_JIT": "1"}, timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"WRONG: {row}")
    assert done.stderr == ""


# ---------------------------------------------------------------- properties


def loss(z, mu, p, alpha):
    return equations.kl_divergence(p, equations.soft_assignment(z, mu, alpha))


@settings(max_examples=int(os.environ.get("DECNP_EXAMPLES", "60")), deadline=None, derandomize=True)
@given(
    n=st.integers(1, 5), k=st.integers(1, 4), d=st.integers(1, 3), alpha=st.floats(0.3, 20), scale=st.floats(1e-3, 30),
    far=st.sampled_from([0.0, 1.0, 1e4]), on_a_centroid=st.booleans(), seed=st.integers(0, 2**20),
)
def test_eqs_4_and_5_equal_the_complex_step_wherever_the_points_lie(n, k, d, alpha, scale, far, on_a_centroid, seed):
    rng = np.random.default_rng(seed)
    z, mu, p = scale * rng.normal(size=(n, d)), scale * rng.normal(size=(k, d)), rng.dirichlet(np.ones(k), n)
    z[0] += far
    if on_a_centroid:
        z[-1] = mu[0]
        mu[-1] = mu[0]  # and two centroids on one spot
    # Roundings of p - q (1e-16) times the pull, whose size is alpha + 1 over a distance of `scale` or more
    floor = 1e-13 * (alpha + 1) * max(1, 1 / scale)
    for ours, judge in (
        (equations.grad_z(z, mu, p, alpha), complex_step(lambda x: loss(x, mu, p, alpha), z)),
        (equations.grad_mu(z, mu, p, alpha), complex_step(lambda x: loss(z, x, p, alpha), mu)),
    ):
        assert_allclose(ours, judge, rtol=1e-11, atol=floor)


# ---------------------------------------------------------------- imports


@pytest.mark.parametrize("missing", [("sklearn",), ("sklearn", "numba")], ids=str)
def test_verifying_the_equations_needs_neither_scikit_learn_nor_numba(missing):
    program = f"""
import importlib.util, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {missing!r} else find_spec(name, package)
from decnp.gradcheck import check_equations
result = check_equations([1.0], trials=1, autodiff=[])
assert result["ok"] and ("kernels" in result["tolerances"]) == ("numba" not in {missing!r}), result
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
