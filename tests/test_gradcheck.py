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
    check_against,
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
    with pytest.warns(UserWarning, match="jax is installed but can't be imported, so it is not asked: np.msort is gone"):
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


def test_the_command_says_what_it_cannot_write(tmp_path, capsys):
    assert main(["gradcheck", "--alpha", "3", "--trials", "1", "--json", str(tmp_path / "no" / "check.json")]) == 2
    assert "could not be written: No such file or directory" in capsys.readouterr().err


SIGNS = [  # a line of equations.py, one sign in it changed, and the first row that it makes wrong
    ("log_s = -(alpha + 1) / 2", "log_s = +(alpha + 1) / 2", "Eq. 1"),
    ("_log1p(dist2 / alpha)", "_log1p(-dist2 / alpha)", "Eq. 1"),
    ("np.sum(p * (log_p - log_q))", "np.sum(p * (log_p + log_q))", "Eq. 2"),
    ("weight / weight.sum(axis=1, keepdims=True)", "-weight / weight.sum(axis=1, keepdims=True)", "Eq. 3"),
    ("u * (p - soft_assignment", "u * (p + soft_assignment", "Eq. 4"),
    ("return np.sum(weight[:, :, None] * diff, axis=1)", "return -np.sum(weight[:, :, None] * diff, axis=1)", "Eq. 4"),
    ("return -np.sum(weight[:, :, None] * diff, axis=0)", "return np.sum(weight[:, :, None] * diff, axis=0)", "Eq. 5"),
]


@pytest.mark.parametrize("line, edited, row", SIGNS)
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


# ---------------------------------------------------------------- somebody's own DEC


def my_soft_assignment(z, mu, alpha):
    s = (1 + ((z[:, None] - mu) ** 2).sum(axis=2) / alpha) ** (-(alpha + 1) / 2)
    return s / s.sum(axis=1, keepdims=True)


def my_target(q):
    weight = q**2 / q.sum(axis=0)
    return weight / weight.sum(axis=1, keepdims=True)


def my_kl(p, q):
    return (p * np.log(p / q)).sum()


def my_gradient(axis, z, mu, p, alpha, sign=1.0, factor=None, square=False, q=my_soft_assignment, power=1.0):
    diff = z[:, None] - mu
    u = (1 + (diff**2).sum(axis=2) / alpha) ** -power
    weight = sign * ((alpha + 1) / alpha if factor is None else factor) * u * (p - q(z, mu, alpha))
    return (1 if axis == 1 else -1) * (weight[:, :, None] * (diff**2 if square else diff)).sum(axis=axis)


def my_grad_z(z, mu, p, alpha, **slip):
    return my_gradient(1, z, mu, p, alpha, **slip)


def my_grad_mu(z, mu, p, alpha, **slip):
    return my_gradient(0, z, mu, p, alpha, **slip)


RIGHT = dict(my_soft_assignment=my_soft_assignment, my_kl=my_kl, my_target=my_target, my_grad_z=my_grad_z,
             my_grad_mu=my_grad_mu)


def test_a_right_implementation_holds():
    report = check_against(**RIGHT)
    assert report and report.ok and report.equation is None and report.slip is None
    assert len(report.findings) == 5 and str(report).endswith("all hold")
    assert max(finding.error for finding in report.findings) < 1e-12


def per_batch(q):
    return np.concatenate([my_target(q[s : s + 256]) for s in range(0, len(q), 256)])


def bracketless(z, mu, alpha):
    s = (1 + ((z[:, None] - mu) ** 2).sum(axis=2) / alpha) ** -(alpha + 1) / 2  # ** binds tighter than /
    return s / s.sum(axis=1, keepdims=True)


def bracketless_too(z, mu, alpha):
    s = (1 + ((z[:, None] - mu) ** 2).sum(axis=2) / alpha) ** (-alpha + 1 / 2)
    return s / s.sum(axis=1, keepdims=True)


def alpha_ignored(z, mu, alpha):
    return my_soft_assignment(z, mu, 1.0)


def kl_of_q_and_p(axis):
    """The gradient of KL(Q || P), by the complex step: swapping p and q in Eq. 2 and differentiating without a slip."""
    def wrong(z, mu, p, alpha):
        def loss(x):
            q = my_soft_assignment(*((x, mu) if axis == 1 else (z, x)), alpha)
            return np.sum(q * np.log(q / p))
        return complex_step(loss, z if axis == 1 else mu)
    return wrong


GRADIENTS = [("my_grad_z", my_grad_z, 4, 1), ("my_grad_mu", my_grad_mu, 5, 0)]
SLIPS = [
    ("my_kl", lambda p, q: my_kl(q, p), 2, "p and q are swapped"),
    ("my_kl", lambda p, q: -my_kl(p, q), 2, "the sign is wrong"),
    ("my_kl", lambda p, q: my_kl(p, q) / len(p), 2, "mean over the batch"),
    ("my_target", per_batch, 3, "P is taken per batch (of 256)"),
    ("my_target", lambda q: (q**2) / (q**2).sum(axis=1, keepdims=True), 3, "f is missing"),
    ("my_soft_assignment", bracketless, 1, "a bracket is missing in the exponent"),
    ("my_soft_assignment", bracketless_too, 1, "a bracket is missing in the exponent"),
    ("my_soft_assignment", alpha_ignored, 1, "alpha is ignored"),
]
for name, right, number, axis in GRADIENTS:
    SLIPS += [
        (name, kl_of_q_and_p(axis), number, "p and q are swapped in Eq. 2"),
        (name, lambda *a, right=right: right(*a, sign=-1.0), number, "the sign is wrong, as when p and q are swapped"),
        (name, lambda *a, right=right: right(*a, factor=1.0), number, "the factor (alpha + 1)/alpha is missing"),
        (name, lambda *a, right=right: right(*a, square=True), number, "(z - mu)^2 stands for z - mu"),
        (name, lambda z, mu, p, alpha, right=right: right(z, mu, p, 1.0), number, "alpha is ignored"),
        (name, lambda *a, right=right: right(*a, q=bracketless), number, "a bracket is missing in the exponent"),
        (name, lambda *a, right=right: right(*a, power=(a[3] + 1) / 2), number, "has the power (alpha + 1)/2"),
        (name, lambda *a, right=right: right(*a) / len(a[0]), number, "mean over the batch"),
        (name, lambda *a, right=right: right(*a[:2], my_target(my_soft_assignment(a[0], a[1], a[3])), a[3]), number,
         "p is ignored: P is taken from the batch itself"),
        (name, lambda *a, right=right: right(*a, sign=-1.0, factor=1.0), number, "the sign is wrong"),
    ]


@pytest.mark.parametrize("name, mine, number, words", SLIPS, ids=[f"{s[0]}-{s[3]}" for s in SLIPS])
def test_each_known_slip_is_caught_and_named(name, mine, number, words):
    report = check_against(**{**RIGHT, name: mine})
    assert not report and report.equation == number
    assert words in report.slip, report.slip
    assert f"Eq. {number} is the first that is wrong" in str(report) and words in str(report)
    assert [finding.ok for finding in report.findings].count(False) == 1  # the others are right and stay right


def test_the_first_wrong_equation_is_named_where_several_are_wrong():
    report = check_against(my_grad_mu=lambda *a: -my_grad_mu(*a), my_target=per_batch, my_kl=my_kl)
    assert report.equation == 3 and [finding.equation for finding in report.findings if not finding.ok] == [3, 5]


def test_an_unknown_slip_is_caught_without_a_name():
    report = check_against(my_grad_z=lambda *a: 1.001 * my_grad_z(*a))
    assert report.equation == 4 and report.slip is None
    assert report.first_wrong.error == pytest.approx(1e-3, rel=1e-6)
    assert "wrong at [" in str(report) and "likely" not in str(report)


def test_a_wrong_shape_is_said():
    assert "must be (4, 3); got (3, 4), as if transposed" in str(check_against(my_grad_mu=lambda *a: my_grad_mu(*a).T))
    assert "must be (); got (600,)" in str(check_against(my_kl=lambda p, q: (p * np.log(p / q)).sum(axis=1)))


def test_an_implementation_of_one_alpha_is_asked_about_that():
    report = check_against(my_soft_assignment=lambda z, mu: my_soft_assignment(z, mu, 1.0),
                           my_grad_z=lambda z, mu, p: my_grad_z(z, mu, p, 1.0))
    assert report.ok
    report = check_against(my_grad_z=lambda z, mu, p: my_grad_z(z, mu, p, 1.0, factor=1.0))
    assert report.slip == "the factor (alpha + 1)/alpha is missing"


def test_single_precision_is_enough():
    def rounded(function):
        return lambda *args: np.asarray(function(*(np.float32(a) for a in args)), np.float32)

    assert check_against(**{name: rounded(function) for name, function in RIGHT.items()})
    assert not check_against(my_grad_z=rounded(lambda *a: my_grad_z(*a, factor=1.0)))


def test_nan_is_wrong():
    assert check_against(my_grad_z=lambda *a: my_grad_z(*a) * np.nan).equation == 4


def test_nothing_to_check_is_refused():
    with pytest.raises(ValueError, match="give at least one function to check, one of my_soft_assignment"):
        check_against()


def test_the_arguments_are_not_ours_to_lose():
    def careless(z, mu, p, alpha):
        g = my_grad_z(z, mu, p, alpha)
        z *= 0
        return g

    assert check_against(my_grad_z=careless, my_grad_mu=my_grad_mu)


def test_tensors_come_and_go():
    torch = pytest.importorskip("torch")

    def theirs(z, mu, p, alpha):
        z.requires_grad_(True)
        q = my_soft_assignment_torch(z, mu, alpha)
        (p * torch.log(p / q)).sum().backward()
        return z.grad

    def my_soft_assignment_torch(z, mu, alpha):
        s = (1 + torch.cdist(z, mu) ** 2 / alpha) ** (-(alpha + 1) / 2)
        return s / s.sum(1, keepdim=True)

    assert check_against(theirs, my_soft_assignment=my_soft_assignment_torch, asarray=torch.tensor)


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
