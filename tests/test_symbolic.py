"""Eqs. 4 and 5 proved: SymPy differentiates Eq. 2, and what is left over is exactly 0.

Two points, two centroids, one dimension (n = k = 2, d = 1); alpha, z, mu and p are all symbols. First the
equations as the paper prints them, then the lines of ``decnp.equations`` themselves, run on symbols.
"""

import inspect
from types import ModuleType

import numpy as np
import pytest
import sympy as sp
from numpy.testing import assert_allclose
from sympy import Rational

from decnp import equations

TWO = range(2)
alpha = sp.Symbol("alpha", positive=True)
z = sp.symbols("z_1 z_2", real=True)
mu = sp.symbols("mu_1 mu_2", real=True)
p_11, p_21, p_12, p_22 = sp.symbols("p_11 p_21 p_12 p_22", positive=True)
p = ((p_11, 1 - p_11), (p_21, 1 - p_21))  # the rows of P sum to 1
SYMBOLS = (*z, *mu, p_11, p_21, alpha)


# ---------------------------------------------------------------- as printed

def bracket(i, j):
    """1 + ||z_i - mu_j||^2 / alpha: the bracket in Eqs. 1, 4 and 5."""
    return 1 + (z[i] - mu[j]) ** 2 / alpha


def q_(i, j):
    """Eq. 1."""
    return bracket(i, j) ** (-(alpha + 1) / 2) / sum(bracket(i, jj) ** (-(alpha + 1) / 2) for jj in TWO)


def loss_(p=p):
    """Eq. 2."""
    return sum(p[i][j] * sp.log(p[i][j] / q_(i, j)) for i in TWO for j in TWO)


PRINTED = dict(factor=(alpha + 1) / alpha, power=-1, p=p)


def term(i, j, factor, power, p):
    """Return the terms of the sums in Eqs. 4 and 5; the mistakes below change one factor."""
    return factor * bracket(i, j) ** power * (p[i][j] - q_(i, j)) * (z[i] - mu[j])


def grad_z_(i, **parts):
    """Eq. 4."""
    return sum(term(i, j, **{**PRINTED, **parts}) for j in TWO)


def grad_mu_(j, **parts):
    """Eq. 5."""
    return -sum(term(i, j, **{**PRINTED, **parts}) for i in TWO)


LOSS = loss_()
Q = sp.Matrix(2, 2, q_)
GRAD_Z = sp.Matrix([grad_z_(i) for i in TWO])
GRAD_MU = sp.Matrix([grad_mu_(j) for j in TWO])
DERIVATIVES = [("Eq. 4", i, z[i]) for i in TWO] + [("Eq. 5", j, mu[j]) for j in TWO]


def left_over(equation, index, variable, p=p, **parts):
    """The derivative of Eq. 2 less the right-hand side of Eq. 4 or 5."""
    printed = {"Eq. 4": grad_z_, "Eq. 5": grad_mu_}[equation]
    return sp.diff(loss_(p), variable) - printed(index, p=p, **parts)


# ---------------------------------------------------------------- exactly zero

def simplified(expression):
    """The numerator over one common denominator, multiplied out: it is 0 for nothing but 0.

    SymPy does not always see that b^(alpha/2) b^(1/2) is b^((alpha+1)/2). So each power of a bracket b with alpha
    in the exponent is first written with one symbol s for b^(-(alpha+1)/2); after that all is rational.
    """
    symbols = {}

    def in_s(b, exponent):
        m = sp.expand(exponent).coeff(alpha)  # exponent = m alpha + rest = -2m (-(alpha+1)/2) + rest - m
        s = symbols.setdefault(sp.expand(b), sp.Dummy(f"s_{len(symbols)}", positive=True))
        return s ** (-2 * m) * b ** sp.expand(exponent - m * alpha - m)

    expression = sp.sympify(expression).replace(lambda e: e.is_Pow and e.exp.has(alpha), lambda e: in_s(*e.args))
    return sp.expand(sp.numer(sp.together(expression)))


def is_zero(expression):
    return simplified(expression) == 0  # a bool, so that pytest does not print pages of symbols


def numbers(seed, at=None):
    """Random z, mu, p as arrays, and an alpha."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(2, 1)), rng.normal(size=(2, 1)), rng.dirichlet(np.ones(2), 2), at or rng.uniform(0.3, 10)


def function(expression):
    """The expression as a NumPy function of z, mu, p, alpha."""
    of_symbols = sp.lambdify(SYMBOLS, expression, "numpy")
    return lambda z, mu, p, alpha: of_symbols(*z.ravel(), *mu.ravel(), *p[:, 0], alpha)


@pytest.mark.parametrize("equation, index, variable", DERIVATIVES)
def test_the_printed_gradient_is_the_derivative_of_eq_2_and_nothing_is_left_over(equation, index, variable):
    assert is_zero(left_over(equation, index, variable))


def test_moving_everything_changes_nothing_so_all_gradients_together_sum_to_zero():
    t = sp.Symbol("t", real=True)
    assert LOSS.subs({x: x + t for x in z + mu}, simultaneous=True) == LOSS  # it is the same in every symbol
    assert is_zero(sum(GRAD_Z) + sum(GRAD_MU))


FREE = ((p_11, p_12), (p_21, p_22))  # rows that need not sum to 1
SLIPS = {
    "no factor (alpha+1)/alpha": dict(factor=1),
    "the factor 2 of alpha = 1": dict(factor=2),
    "the factor upside down": dict(factor=alpha / (alpha + 1)),
    "the other sign": dict(factor=-(alpha + 1) / alpha),
    "the exponent of Eq. 1": dict(power=-(alpha + 1) / 2),
    "no bracket at all": dict(power=0),
    "rows of P that do not sum to 1": dict(p=FREE),
}


@pytest.mark.parametrize("equation, index, variable", DERIVATIVES[1:3])
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_leaves_something_over(slip, equation, index, variable):
    rest = left_over(equation, index, variable, **SLIPS[slip])
    assert not is_zero(rest)
    # and it is not that SymPy failed to simplify a zero: at some numbers it is of the size of the gradient
    value = function(rest.subs({p_12: 0.9, p_22: 0.8}))
    values = [value(*numbers(seed)) for seed in range(5)]
    assert np.abs(values).max() > 0.01


def test_two_slips_cannot_be_seen_at_alpha_1():
    for slip in ["the factor 2 of alpha = 1", "the exponent of Eq. 1"]:
        assert is_zero(left_over(*DERIVATIVES[0], **SLIPS[slip]).subs(alpha, 1))


# ---------------------------------------------------------------- the package at numbers

def test_the_package_equals_the_proved_expressions_at_random_numbers():
    q_at, loss_at, grad_z_at, grad_mu_at = map(function, (Q, LOSS, GRAD_Z, GRAD_MU))
    derivatives_at = function([sp.diff(LOSS, x) for x in z + mu])
    # a dozen roundings of 2e-16 on either side, beside terms of size 1 where p - q and the sums cancel
    close = dict(rtol=1e-12, atol=1e-14)
    for seed, at in enumerate([0.5, 1, 2, 3.7, *[None] * 16]):
        z_, mu_, p_, alpha_ = point = numbers(seed, at)
        q = equations.soft_assignment(z_, mu_, alpha_)
        grad_z, grad_mu = equations.grad_z(*point), equations.grad_mu(*point)
        assert_allclose(q, q_at(*point), **close)
        assert_allclose(equations.kl_divergence(p_, q), loss_at(*point), **close)
        assert_allclose(grad_z, grad_z_at(*point), **close)
        assert_allclose(grad_mu, grad_mu_at(*point), **close)
        assert_allclose([*grad_z.ravel(), *grad_mu.ravel()], derivatives_at(*point), **close)


# ---------------------------------------------------------------- the package's own lines, on symbols

class Symbolic:
    """A SymPy expression as an entry of a NumPy array: arithmetic and the functions that Eqs. 1 and 2 call."""

    def __init__(self, expression):
        self.expression = sp.sympify(expression)

    def log(self):
        return Symbolic(sp.log(self.expression))

    def log1p(self):
        return Symbolic(sp.log(1 + self.expression))

    def exp(self):
        terms = [term.as_independent(sp.log) for term in sp.Add.make_args(self.expression)]
        return Symbolic(sp.prod(sp.exp(log) ** c for c, log in terms))  # exp(c log b) is b^c

    def __neg__(self):
        return Symbolic(-self.expression)

    def __ge__(self, other):
        return True  # Eq. 1 divides each row by its largest power; any one cancels just as well

    __gt__ = __ge__


def operator(name):
    def apply(self, other):
        if isinstance(other, np.ndarray):
            return NotImplemented  # NumPy then goes entry by entry
        return Symbolic(getattr(self.expression, name)(sp.sympify(getattr(other, "expression", other))))

    return apply


for name in "add radd sub rsub mul rmul truediv rtruediv pow".split():
    setattr(Symbolic, f"__{name}__", operator(f"__{name}__"))

FREE_Q = np.array(sp.symbols("q_11 q_12 q_21 q_22", positive=True)).reshape(2, 2)
symbolic = np.vectorize(Symbolic, otypes=[object])
expressions = np.vectorize(lambda entry: entry.expression, otypes=[object])


def on_symbols(module):
    """q, L, grad_z, grad_mu as the module's own lines compute them from symbols; L also of a q of free symbols."""
    module._points_and_centroids = lambda *args: args  # the door lets numbers in only
    *zmp, a = args = [symbolic(np.reshape(x, (2, -1))) for x in (z, mu, p)] + [Symbolic(alpha)]
    q = module.soft_assignment(*zmp[:2], a)
    losses = module.kl_divergence(zmp[2], q), module.kl_divergence(zmp[2], symbolic(FREE_Q))
    return map(expressions, (q, *losses, module.grad_z(*args), module.grad_mu(*args)))


def copy_of_equations(old="", new=""):
    """The text of equations.py as a module of its own, with one piece of it replaced."""
    text = inspect.getsource(equations)
    assert not old or text.count(old) == 1, f"equations.py no longer has {old!r} once; plant this slip elsewhere"
    module = ModuleType("copy_of_equations")
    exec(compile(text.replace(old, new) if old else text, "copy_of_equations.py", "exec"), module.__dict__)
    return module


def first_wrong(q, loss, loss_of_free_q, grad_z, grad_mu):
    """The first of Eqs. 1, 2, 4, 5 that is not the printed one, or None."""
    kl = sum(p[i][j] * sp.log(p[i][j] / FREE_Q[i, j]) for i in TWO for j in TWO)
    for number, ours, printed in [(1, q, Q), (2, loss_of_free_q, kl), (4, grad_z, GRAD_Z), (5, grad_mu, GRAD_MU)]:
        for a, b in zip(np.ravel(ours), np.ravel(np.array(printed, object)), strict=True):
            if not is_zero(sp.expand_log(a - b, force=True)):
                return number


def test_the_lines_of_the_package_are_the_printed_equations():
    assert first_wrong(*on_symbols(copy_of_equations())) is None


def test_the_lines_of_the_package_differentiate_into_one_another():
    _, loss, _, grad_z, grad_mu = on_symbols(copy_of_equations())
    for variable, gradient in zip(z + mu, [*grad_z.ravel(), *grad_mu.ravel()], strict=True):
        assert is_zero(sp.diff(loss.item(), variable) - gradient)


@pytest.mark.parametrize("old, new, number", [
    ("-(alpha + 1) / 2 * _log1p", "-(alpha + 1) * _log1p", 1),
    ("p * (log_p - log_q)", "q * (log_q - log_p)", 2),
    ("(alpha + 1) / alpha * u", "2 * u", 4),
    ("u = 1 / (1 + dist2 / alpha)", "u = (1 + dist2 / alpha) ** (-(alpha + 1) / 2)", 4),
    ("return -np.sum(weight", "return np.sum(weight", 5),
])
def test_a_slip_in_a_line_of_the_package_is_found(old, new, number):
    assert first_wrong(*on_symbols(copy_of_equations(old, new))) == number


def test_the_worked_example_is_exact():
    at = {z[0]: 0, z[1]: 1, mu[0]: 0, mu[1]: 1, alpha: 1, p_11: Rational(4, 5), p_21: Rational(1, 5)}
    assert Q.subs(at) == sp.Matrix([[Rational(2, 3), Rational(1, 3)], [Rational(1, 3), Rational(2, 3)]])
    assert GRAD_Z.subs(at) == GRAD_MU.subs(at) == sp.Matrix([Rational(2, 15), Rational(-2, 15)])
    assert f"{sp.N(LOSS.subs(at), 6)}" == "0.0873842"
