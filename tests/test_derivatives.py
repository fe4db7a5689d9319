"""Numerical derivatives and the check of a gradient: what is right holds, what is wrong is found, with its place."""

import sys
import warnings
from dataclasses import FrozenInstanceError

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from decnp import layers
from decnp.gradcheck import central_difference, check_gradient, complex_step, dot_test
from decnp.gradcheck.derivatives import relative_error


def cubes(x):
    return np.sum(x**3) * x.flat[0]


def cubes_gradient(x):
    g = 3 * x**2 * x.flat[0]
    g.flat[0] += np.sum(x**3)
    return g


X = np.array([[1.5, -0.7, 20.0], [0.1, 2.0, -3.0]])


def test_both_derivatives_of_a_known_function():
    assert_allclose(complex_step(cubes, X), cubes_gradient(X), rtol=1e-14)  # nothing is lost but roundings
    g = cubes_gradient(X)
    assert_allclose(central_difference(cubes, X), g, rtol=1e-6, atol=1e-9 * g.max())  # ten digits of sixteen are left
    assert complex_step(cubes, X.astype(np.float32)).dtype == np.float64
    assert complex_step(cubes, X).shape == X.shape == central_difference(cubes, X).shape


def test_the_step_grows_with_the_point():
    for x in (1e6, -1e9):  # where a step of 1e-6 / |x| would be lost in the rounding of x
        assert_allclose(central_difference(lambda x: np.sum(x**2), [x]), [2 * x], rtol=1e-6)


def test_a_result_cannot_be_changed():
    result = check_gradient(cubes, cubes_gradient, X)
    with pytest.raises(FrozenInstanceError):
        result.error = 0.0


def test_x_is_left_as_it_was():
    x = X.copy()
    complex_step(cubes, x), central_difference(cubes, x), check_gradient(cubes, cubes_gradient, x)
    assert np.array_equal(x, X)


@pytest.mark.parametrize("method", ["complex_step", "central_difference"])
@pytest.mark.parametrize("wrong", [2.001 / 2, 2.0, -1.0, 0.0])
def test_a_wrong_gradient_is_caught(wrong, method):
    assert check_gradient(cubes, cubes_gradient, X, method=method)
    check = check_gradient(cubes, lambda x: wrong * cubes_gradient(x), X, method=method)
    assert not check and not check.ok
    assert check.error == pytest.approx(abs(wrong - 1), rel=1e-4)
    assert check.index == (0, 0)  # the largest entry has the largest error
    assert check.actual == pytest.approx(wrong * check.expected, rel=1e-5)
    assert "is wrong: at [0, 0]" in str(check)


def test_one_wrong_entry_is_found():
    gradient = cubes_gradient(X)
    gradient[1, 2] += 1
    assert check_gradient(cubes, gradient, X).index == (1, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_does_not_hold(bad):
    gradient = cubes_gradient(X)
    gradient[0, 1] = bad
    check = check_gradient(cubes, gradient, X)
    assert not check.ok and check.error == np.inf and check.index == (0, 1)
    check = check_gradient(lambda x: np.sum(x) * bad, cubes_gradient, X)
    assert not check.ok and str(check) == f"not decided: fun is {np.sum(X) * bad:g} at x"


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"grad must have the shape of x, \(2, 3\); got \(3, 2\)"):
        check_gradient(cubes, cubes_gradient(X).T, X)
    with pytest.raises(ValueError, match="method must be 'auto', 'complex_step' or 'central_difference'; got 'guess'"):
        check_gradient(cubes, cubes_gradient, X, method="guess")
    with pytest.raises(ValueError, match="must return a complex scalar for complex x; got float64"):
        complex_step(lambda x: np.sum(np.abs(x)), X)  # it would give zeros, and they would look like a gradient
    with pytest.raises(ValueError, match=r"of shape \(2, 3\)"):
        complex_step(lambda x: x**2, X)


def test_zero_gradients_may_differ_by_roundings_and_no_more():
    assert relative_error(np.array([1e-17]), np.array([0.0]))[0] < 1e-13
    assert relative_error(np.array([1e-6]), np.array([0.0]))[0] == pytest.approx(1e-3)


# ---------------------------------------------------------------- functions that are not analytic

Y = X / 3


def pick(x, i, value):
    return np.where(x == x.flat[i], value, 0.0)


def lae_gradient(x):
    share = 1 / (1 + np.exp(x.flat[1] - x.flat[0]))
    return pick(x, 0, share) + pick(x, 1, 1 - share)


NOT_ANALYTIC = {
    "vdot": (lambda x: np.vdot(x, x), lambda x: 2 * x),
    "conj": (lambda x: np.sum(x.conj() * x), lambda x: 2 * x),
    "abs": (lambda x: np.sum(np.abs(x) * x), lambda x: 2 * np.abs(x)),
    "angle": (lambda x: np.angle(x.flat[0] + 2j), lambda x: pick(x, 0, -2 / (x.flat[0] ** 2 + 4))),
    "norm": (lambda x: np.linalg.norm(x), lambda x: x / np.linalg.norm(x)),
    "real": (lambda x: np.sum(x.real**2), lambda x: 2 * x),
    "float": (lambda x: float(np.sum(x**2)), lambda x: 2 * x),
    "astype": (lambda x: np.sum(x.astype(float) ** 2), lambda x: 2 * x),
    "empty float array": (lambda x: np.sum(np.add(x, x, out=np.empty(x.shape)) ** 2), lambda x: 8 * x),
    "logaddexp": (lambda x: np.logaddexp(x.flat[0], x.flat[1]), lae_gradient),
}


@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_a_right_gradient_holds_where_fun_is_not_analytic_and_a_wrong_one_does_not(name):
    fun, grad = NOT_ANALYTIC[name]
    check = check_gradient(fun, grad, Y)
    assert check and check.rtol <= 1e-6, check
    assert check.method == "central difference" and check.note.startswith("fun is not analytic: ")
    given = check_gradient(fun, grad, Y, method="complex_step")
    assert not given and given.verdict == "not analytic"
    assert str(given).startswith("fun is not analytic (") and str(given).endswith("use method='central_difference'")
    assert check_gradient(fun, grad, Y, method="central_difference")
    for wrong in (0.0, 0.5, 0.999):
        check = check_gradient(fun, lambda x: wrong * grad(x), Y)
        assert check.verdict == "wrong" and check.error == pytest.approx(1 - wrong, rel=1e-3), check


def test_a_wrong_gradient_that_equals_the_complex_step_is_found():
    fun, grad = NOT_ANALYTIC["abs"]
    half = grad(Y) / 2  # the complex step gives exactly this
    assert_allclose(complex_step(fun, Y), half, rtol=1e-12)
    assert not check_gradient(fun, half, Y) and not check_gradient(fun, half, Y, method="complex_step")


def test_an_analytic_function_is_checked_by_the_complex_step_in_spite_of_a_large_constant():
    check = check_gradient(lambda x: 1e6 + np.sum(x**2), lambda x: 2 * x, Y)
    assert check and check.method == "complex step" and check.rtol == 1e-12 and not check.note


def test_a_constant_that_hides_the_differences_does_not_hide_the_complex_step():
    fun, x = lambda x: 1e10 + np.sum(x**2), np.array([1.0, 2.0])
    check = check_gradient(fun, lambda x: 2 * x, x)
    assert check and check.method == "complex step" and check.rtol == 1e-12
    assert check_gradient(fun, lambda x: 2.002 * x, x).verdict == "wrong"  # central differences would let it pass
    for constant in (1e10, 2e11):  # with the second, a step in double precision can't tell that vdot is not analytic
        check = check_gradient(lambda x: constant + np.vdot(x, x), lambda x: 2 * x, x)
        assert check and check.method == "central difference" and check.rtol == 1e-2


def test_no_warning_of_dropped_imaginary_parts_reaches_the_user():
    fun = lambda x: np.sum(x**2) + np.sum(x.astype(float))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        check = check_gradient(fun, lambda x: 2 * x + 1, Y)
    assert check.ok and check.note == "fun is not analytic: it drops the imaginary part of complex x" and not seen


def test_one_entry_that_is_not_analytic_among_many_is_found():
    x = np.random.default_rng(0).normal(size=300)
    check = check_gradient(lambda x: np.sum(x**3) + np.abs(x[7]) * x[7], lambda x: 3 * x**2, x)
    assert check.verdict == "wrong" and check.index == (7,)


# ---------------------------------------------------------------- precision


def cubes_in(dtype, constant=0.0, result=None):
    def fun(x):
        value = np.sum(x.astype(dtype) ** 3) + np.asarray(constant, dtype)
        return value if result is None else result(value)
    return fun, lambda x: 3 * x.astype(dtype) ** 2


@pytest.mark.parametrize("constant", [0.0, 100.0])
@pytest.mark.parametrize("result", [None, float, np.float64])
def test_a_function_in_single_precision_can_be_checked(constant, result):
    fun, grad = cubes_in(np.float32, constant, result)
    check = check_gradient(fun, grad, Y)
    assert check and check.method == "central difference" and check.rtol == 1e-2
    assert check_gradient(fun, lambda x: 1.02 * grad(x), Y).verdict == "wrong"
    assert check_gradient(fun, grad, Y, method="central_difference", rtol=1e-2)


def test_single_precision_of_the_argument_alone_is_found():
    check = check_gradient(lambda x: float(np.sum(x.astype(np.float32).astype(np.float64) ** 3)), lambda x: 3 * x**2, Y)
    assert check and check.rtol == 1e-2


def test_half_precision_has_a_tolerance_of_its_own():
    x = Y / 4
    fun, grad = cubes_in(np.float16)
    check = check_gradient(fun, grad, x)
    assert check and check.rtol == 3e-2
    assert check_gradient(fun, lambda x: 1.5 * grad(x), x).verdict == "wrong"


@pytest.mark.parametrize("dtype, rtol", [(np.float16, 3e-2), (np.float32, 1e-2)])
def test_arrays_are_made_as_told_and_steps_are_measured_as_the_function_sees_them(dtype, rtol):
    seen = []

    def fun(x):
        seen.append(x.dtype)
        return np.sum(x.astype(float) * x[::-1].astype(float))

    x, h = np.linspace(1.0, 1.3, 7), 20 * float(np.finfo(dtype).eps)
    check = check_gradient(fun, lambda x: 2.0 * x[::-1], x, asarray=dtype, h=h)
    assert check and check.rtol == rtol and set(seen) == {np.dtype(dtype)}
    assert check.error < 1e-9  # x + h rounds to the dtype: up to a tenth of h / 4


def test_nothing_is_decided_where_rounding_hides_the_derivative():
    fun, grad = cubes_in(np.float32, 1e6)
    for given in (grad, lambda x: 2 * grad(x), lambda x: 0 * x):
        check = check_gradient(fun, given, Y / 10)
        assert check.verdict == "not decided" and not check
        assert "the rounding of fun, 1.2e-07 of its value, is" in str(check) and "a larger h" in str(check)


def test_nothing_is_decided_where_the_two_steps_disagree():
    fun = lambda x: float(np.sum(np.sin(3e5 * np.abs(x))))
    check = check_gradient(fun, lambda x: 3e5 * np.cos(3e5 * x), [0.3])
    assert check.verdict == "not decided" and "the two steps disagree: at [0] a relative step of 2.4e-05 gives" in str(check)
    assert check_gradient(fun, lambda x: 3e5 * np.cos(3e5 * x), [0.3], h=1e-9, rtol=1e-3)  # h decides


def test_the_step_does_not_leave_the_domain_of_a_small_point():
    fun, grad = lambda x: np.sum(np.log(np.abs(x))), lambda x: 1 / x
    assert check_gradient(fun, grad, [1e-8, 2e-8])
    check = check_gradient(lambda x: float(np.log(x[0]) + x[1]), lambda x: 1 / x, [1e-8, 1.0])
    assert check.verdict == "not decided" and "at [0] fun is not finite within a step of 2.4e-05 from x" in str(check)


# ---------------------------------------------------------------- kinks


@pytest.mark.parametrize("method", ["auto", "central_difference"])
@pytest.mark.parametrize("fun, left", [(lambda x: np.sum(np.maximum(x, 0)), 0), (lambda x: np.sum(np.abs(x)), -1)])
def test_a_kink_is_named_and_any_value_between_the_one_sided_derivatives_holds(fun, left, method):
    x = np.array([2.0, 0.0, 3.0])
    for value in (left, 0.5, 1.0):
        check = check_gradient(fun, [1.0, value, 1.0], x, method=method)
        assert check and check.kinks == ((1,),)
        assert f"fun has a kink at [1]: the left derivative is {left}, the right one 1" in str(check)
    for value in (left - 0.01, 1.01, np.nan):
        check = check_gradient(fun, [1.0, value, 1.0], x, method=method)
        assert check.verdict == "wrong" and check.index == (1,) and "a kink at [1]" in str(check)


def test_a_kink_in_single_precision_is_named_and_curvature_is_none():
    relu = lambda x: np.sum(np.maximum(x.astype(np.float32), 0))
    assert check_gradient(relu, lambda x: x > 0, [0.0, 2.0]).kinks == ((0,),)
    assert check_gradient(lambda x: np.sum(np.float32(50) * x.astype(np.float32) ** 2), lambda x: 100 * x, [0.0, 1.0]).kinks == ()


def relu_network(seed):
    """A function in single precision with many kinks near x, its gradient, and the gradient without the ReLU's part."""
    rng = np.random.default_rng(seed)
    W, V, x, y = (rng.normal(size=size) for size in ((10, 20), (20, 3), (50, 10), (50, 3)))
    theta = lambda W: [layers.Dense(W, np.zeros(20), "relu"), layers.Dense(0.3 * V, np.zeros(3), "linear")]

    def fun(W):
        single = [layers.Dense(*(a.astype(np.float32) for a in layer[:2]), layer.act) for layer in theta(W)]
        return layers.squared_error(layers.mlp(single, x.astype(np.float32))[-1], y.astype(np.float32))[0]

    def grad(W, forget=False):
        hs = layers.mlp(theta(W), x)
        _, g = layers.squared_error(hs[-1], y)
        backward = [layer._replace(act="linear") for layer in theta(W)] if forget else theta(W)
        return layers.mlp_vjp(g, backward, hs)[1][0][0]

    return fun, grad, 0.3 * W


@pytest.mark.parametrize("seed", range(4))
def test_kinks_near_x_do_not_make_a_right_gradient_wrong(seed):
    fun, grad, W = relu_network(seed)
    assert check_gradient(fun, grad, W), check_gradient(fun, grad, W)
    assert check_gradient(fun, lambda W: 1.05 * grad(W), W).verdict == "wrong"
    assert check_gradient(fun, lambda W: grad(W, forget=True), W).verdict == "wrong"
    one_entry = grad(W)
    one_entry[3, 4] += 0.1 * np.abs(one_entry).max()
    check = check_gradient(fun, one_entry, W)
    assert check.verdict == "wrong" and check.index == (3, 4)


def test_kinks_on_both_sides_that_look_like_a_straight_line_are_found():
    def fun(x):
        x = x.astype(np.float32)
        hinges = np.maximum(x[0] - np.float32(5e-4), 0) - np.maximum(-x[0] - np.float32(5e-4), 0)
        return x[0] + 3 * hinges + np.sum(x[1:] ** 2)

    x = np.array([0.0, 1.0, 2.0])
    assert check_gradient(fun, [1.0, 2.0, 4.0], x)
    assert check_gradient(fun, [5.0, 2.0, 4.0], x).verdict == "wrong"
    assert check_gradient(fun, [1.0, 2.0, 4.2], x).index == (2,)


def test_a_gradient_that_is_zero_but_for_roundings_holds():
    fun = lambda x: float(np.sum(np.exp(x) / np.sum(np.exp(x))))  # 1, and its last digits vary
    x = np.random.default_rng(0).normal(size=50)
    assert np.any(central_difference(fun, x) != 0)
    assert check_gradient(fun, lambda x: 1e-17 * x, x)
    assert not check_gradient(fun, lambda x: 1e-8 + 0 * x, x)


def test_a_small_gradient_is_compared_with_its_own_size():
    fun, x = lambda x: np.vdot(x, x), 1e-9 * X
    assert check_gradient(fun, lambda x: 2 * x, x)
    assert check_gradient(fun, lambda x: 1.9 * x, x).error == pytest.approx(0.05, rel=1e-3)
    fun = lambda x: np.vdot(x, x) * 0 + 3.0
    assert check_gradient(fun, lambda x: 1e-16 * x, Y)  # zero but for roundings


# ---------------------------------------------------------------- what is given


def centred(x):
    x -= x.mean()
    return np.sum(x**3)


def centred_gradient(x):
    x -= x.mean()
    return 3 * x**2 - np.mean(3 * x**2)


def test_a_function_that_changes_its_argument_is_harmless():
    x = X.copy()
    for method in ("auto", "complex_step", "central_difference"):
        assert check_gradient(centred, centred_gradient, x, method=method)
        assert check_gradient(centred, centred_gradient, x, method=method, asarray=lambda a: a)
    assert_allclose(complex_step(centred, x), centred_gradient(X.copy()), rtol=1e-12)
    assert_allclose(central_difference(centred, x), centred_gradient(X.copy()), rtol=1e-6, atol=1e-4)
    assert np.array_equal(x, X)


def test_a_function_may_return_its_loss_and_its_gradient():
    both = lambda x: (np.sum(x**3), 3 * x**2)
    assert check_gradient(both, None, X).method == "complex step"
    assert check_gradient(lambda x: (np.sum(x**3), 2 * x**2), None, X).verdict == "wrong"
    with pytest.raises(ValueError, match=r"without grad, fun must return \(loss, gradient\); got float64"):
        check_gradient(lambda x: np.sum(x), None, X)
    with pytest.raises(ValueError, match=r"got a tuple. If it is \(loss, gradient\), give grad=None"):
        check_gradient(both, lambda x: 3 * x**2, X)


A = np.random.default_rng(5).normal(size=(4, 3))


@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_a_function_may_return_an_array(factor):
    fun, x = lambda x: np.tanh(A @ x), Y[0]
    jacobian = lambda x: factor * (1 - np.tanh(A @ x) ** 2)[:, None] * A
    for grad in (jacobian, jacobian(x), lambda x, u: u @ jacobian(x)):
        assert check_gradient(fun, grad, x).ok == (factor == 1)
        assert check_gradient(fun, grad, x, method="central_difference").ok == (factor == 1)
    one_row = jacobian(x)
    one_row[2, 1] += 0.01
    assert not check_gradient(fun, one_row, x)
    with pytest.raises(ValueError, match=r"grad must be its Jacobian, of shape \(4, 3\), .*; got the shape \(3, 4\)"):
        check_gradient(fun, jacobian(x).T, x)
    with pytest.raises(ValueError, match=r"grad\(x, u\) must return the shape of x, \(3,\); got \(4,\)"):
        check_gradient(fun, lambda x, u: u, x)


@pytest.mark.parametrize("fun, x, words", [
    (np.sum, np.ones((0, 3)), r"x must have at least one entry; got the shape \(0, 3\)"),
    (np.sum, [[1.0, np.nan]], r"x must be finite; got nan at \[0, 1\]"),
    (np.sum, [1j], "x must be real"),
    (lambda x: None, [1.0], "fun must return a number or an array of numbers; got NoneType"),
    (lambda x: np.sum(x) + 0j, [1.0], "fun must return real numbers for real x"),
])
def test_arguments_that_cannot_be_checked_are_refused(fun, x, words):
    with pytest.raises(ValueError, match=words):
        check_gradient(fun, lambda x: x, x)


def test_a_gradient_that_is_no_array_is_refused():
    with pytest.raises(ValueError, match="grad must be an array of the shape of x; got NoneType"):
        check_gradient(np.sum, lambda x: None, [1.0])


@pytest.mark.parametrize("h", [0.0, -1e-3, np.nan, np.inf, "1e-3"])
def test_a_step_that_is_no_number_above_0_is_refused(h):
    for method in ("auto", "complex_step", "central_difference"):
        with pytest.raises(ValueError, match="h must be a finite number > 0; got"):
            check_gradient(cubes, cubes_gradient, X, h=h, method=method)
    for derivative in (complex_step, central_difference):
        with pytest.raises(ValueError, match="h must be a finite number > 0; got"):
            derivative(cubes, X, h)


def test_a_tolerance_that_is_no_number_is_refused():
    for check in (lambda rtol: check_gradient(cubes, cubes_gradient, X, rtol=rtol), lambda rtol: dot_test(*DENSE[0], rtol=rtol)):
        with pytest.raises(ValueError, match="rtol must be a finite number >= 0; got -1"):
            check(-1)


def test_masked_values_are_refused():
    x = np.ma.masked_equal([1.0, 2.0], 2.0)
    for check in (lambda x: check_gradient(np.sum, np.ones(2), x), lambda x: dot_test(lambda x: x, lambda x, u: u, x),
                  lambda x: complex_step(np.sum, x), lambda x: central_difference(np.sum, x)):
        with pytest.raises(ValueError, match="x must have no masked values; got 1"):
            check(x)
    with pytest.raises(ValueError, match="grad must have no masked values; got 1"):
        check_gradient(np.sum, x / x, [1.0, 2.0])


@pytest.mark.parametrize("method", ["auto", "complex_step", "central_difference"])
@pytest.mark.parametrize("given", [np.inf, np.nan, 5.0])
def test_nothing_is_decided_where_the_derivative_is_not_finite(given, method):
    check = check_gradient(lambda x: np.sum(np.sqrt(x)), [given, 0.5], [0.0, 1.0], method=method)
    assert check.verdict == "not decided", check
    assert check_gradient(lambda x: np.sum(np.sqrt(x)), [given, 0.7], [0.0, 1.0], method="central_difference").index == (1,)


@pytest.mark.parametrize("fun", [lambda x: np.sum(x) * 0, lambda x: 0.0, lambda x: np.sum(np.maximum(x, 100.0) - 100)])
def test_a_function_that_is_zero_is_not_taken_for_single_precision(fun):
    assert check_gradient(fun, 1e-17 + 0 * X, X)
    check = check_gradient(fun, 1e-5 + 0 * X, X)
    assert check.verdict == "wrong" and check.rtol <= 1e-6


def test_a_small_gradient_of_a_constant_does_not_hold():
    assert check_gradient(lambda x: 0.1, 1e-5 + 0 * X, X).verdict == "wrong"
    for given, verdict in ((0.0, "holds"), (1e-5, "not decided"), (0.4, "wrong")):  # 3 may be in single precision
        assert check_gradient(lambda x: 3.0, given + 0 * X, X).verdict == verdict


def test_a_gradient_must_be_real():
    for grad in (lambda x: 2 * x + 1j, 2 * np.ones(2) + 1j):
        with pytest.raises(ValueError, match="grad must be real; got complex numbers"):
            check_gradient(lambda x: np.sum(x**2), grad, [1.0, 1.0])
    with pytest.raises(ValueError, match="grad must be real; got complex numbers"):
        check_gradient(lambda x: x**2, lambda x, u: 2 * u * x + 1j, [1.0, 1.0])
    with pytest.raises(ValueError, match="the result of vjp must be real; got complex numbers"):
        dot_test(lambda x: x**2, lambda x, u: 2 * u * x + 1j, [1.0, 1.0])
    assert check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x + 0j, [1.0, 1.0])


def test_a_function_with_random_numbers_is_named():
    rng = np.random.default_rng(0)
    check = check_gradient(lambda x: np.sum(x) + rng.random(), lambda x: np.ones_like(x), [1.0, 2.0])
    assert check.verdict == "not decided" and "two calls of fun at x give" in str(check)


# ---------------------------------------------------------------- autodiff packages


def test_autograd_functions_can_be_checked():
    fun = lambda x: anp.sum(anp.logaddexp(x, x[0]) ** 2)
    assert check_gradient(fun, autograd.grad(fun), X)
    assert check_gradient(lambda x: anp.tanh(x) ** 2, autograd.jacobian(lambda x: anp.tanh(x) ** 2), X)


@pytest.mark.parametrize("dtype, rtol", [("float64", 1e-6), ("float32", 1e-2), ("bfloat16", 0.1), ("float16", 3e-2)])
def test_torch_tensors_are_handed_over_in_their_dtype(dtype, rtol):
    torch = pytest.importorskip("torch")
    seen = set()

    def fun(x):
        seen.add((type(x), x.dtype))
        return (x**3).sum()

    def grad(x):
        x.requires_grad_()
        return torch.autograd.grad(fun(x), x)[0]

    x = torch.tensor(Y / 4, dtype=getattr(torch, dtype), requires_grad=dtype == "float32")
    before = x.detach().clone()
    check = check_gradient(fun, grad, x)
    assert check and check.rtol == rtol and seen == {(torch.Tensor, x.dtype)}
    assert check_gradient(fun, lambda x: 3 * grad(x), x).verdict == "wrong"
    assert torch.equal(before, x.detach())


def test_torch_functions_of_numpy_arrays():
    torch = pytest.importorskip("torch")

    def both(x):
        x = torch.tensor(x, dtype=torch.float32, requires_grad=True)
        loss = (x**3).sum()
        loss.backward()
        return loss.item(), x.grad

    assert check_gradient(both, None, Y).rtol == 1e-2
    assert check_gradient(lambda x: (x**3).sum(), lambda x: 3 * x**2, Y, asarray=torch.tensor).rtol == 1e-6
    assert check_gradient(lambda x: x @ x.T, lambda x, u: (u + u.T) @ x, torch.tensor(Y))


def test_jax_functions_can_be_checked():
    jax = pytest.importorskip("jax")
    fun = lambda x: jax.numpy.sum(jax.numpy.logaddexp(x, x[0]))
    for x in (Y, jax.numpy.asarray(Y)):
        assert check_gradient(fun, jax.grad(fun), x).rtol == 1e-2
        assert check_gradient(fun, lambda x: 1.02 * jax.grad(fun)(x), x).verdict == "wrong"
    assert check_gradient(jax.value_and_grad(fun), None, jax.numpy.asarray(Y))


def test_no_autodiff_package_is_imported_by_the_check():
    source = sys.modules["decnp.gradcheck.arrays"]
    assert not {"torch", "jax"} & set(vars(source))

# ---------------------------------------------------------------- dot test

RNG = np.random.default_rng(7)
XD, WD, BD = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)
DENSE = [  # each argument of a dense layer, and its place among the results of the backward pass
    (lambda x: layers.dense(x, WD, BD), lambda x, u: layers.dense_vjp(u, x, WD)[0], XD),
    (lambda W: layers.dense(XD, W, BD), lambda W, u: layers.dense_vjp(u, XD, W)[1], WD),
    (lambda b: layers.dense(XD, WD, b), lambda b, u: layers.dense_vjp(u, XD, WD)[2], BD),
]


def test_a_forward_pass_with_random_numbers_is_not_decided():
    rng = np.random.default_rng(0)
    dropout = lambda x: x * (rng.random(x.shape) > 0.2)
    for test in (dot_test(dropout, lambda x, u: u, X), dot_test(dropout, lambda u: u, X, linear=True)):
        assert test.verdict == "not decided" and not test
        assert str(test) == "not decided: two calls of forward at x give different results; fix its random numbers"


@pytest.mark.parametrize("forward, vjp, x", DENSE, ids=["x", "W", "b"])
def test_the_backward_pass_of_a_dense_layer_passes_the_dot_test(forward, vjp, x):
    test = dot_test(forward, vjp, x)
    assert all(dot_test(forward, vjp, x, random_state=seed).forward > 0.1 for seed in range(8))  # nothing cancels
    assert test and test.error < 1e-14 and test.rtol == 1e-12 and str(test).startswith("the adjoint holds: <J v, u> is ")
    for factor in (1.0001, -1.0, 0.0):
        test = dot_test(forward, lambda x, u: factor * vjp(x, u), x)
        assert test.verdict == "wrong" and test.error == pytest.approx(abs(factor - 1), rel=1e-6)
    one_entry = lambda x, u: vjp(x, u) + 1e-6 * (np.arange(x.size).reshape(x.shape) == 1)
    assert not dot_test(forward, one_entry, x)
    with pytest.raises(ValueError, match="vjp must return the shape of x"):
        dot_test(forward, lambda x, u: vjp(x, u)[:1, None], x)


def test_the_dot_test_of_a_linear_operator_differentiates_nothing():
    forward, adjoint = lambda x: x[1:] - x[:-1], lambda u: np.r_[0.0, u] - np.r_[u, 0.0]
    test = dot_test(forward, adjoint, np.zeros(6), linear=True)
    assert test and test.method == "forward(v)" and test.error < 1e-15
    assert dot_test(forward, lambda u: -adjoint(u), np.zeros(6), linear=True).verdict == "wrong"
    for crooked in (lambda x: x[1:] + 1.0, lambda x: np.abs(x[1:]), lambda x: x[1:] ** 2):
        assert dot_test(crooked, adjoint, np.zeros(6), linear=True).verdict == "not linear"


def test_the_dot_test_of_functions_that_are_not_analytic_or_in_single_precision():
    test = dot_test(lambda x: np.abs(x) * x, lambda x, u: 2 * np.abs(x) * u, XD)
    assert test and test.method == "the central difference" and test.rtol == 1e-6
    assert not dot_test(lambda x: np.abs(x) * x, lambda x, u: np.abs(x) * u, XD)
    single = lambda x: x.astype(np.float32) ** 2
    assert dot_test(single, lambda x, u: 2 * x * u, XD).rtol == 1e-2
    assert not dot_test(single, lambda x, u: 2.04 * x * u, XD)


def test_the_dot_test_refuses_what_it_cannot_compare():
    with pytest.raises(ValueError, match="forward must return real numbers; got complex ones"):
        dot_test(np.fft.rfft, lambda x, u: x, XD)
    with pytest.raises(ValueError, match="x must be finite and have at least one entry"):
        dot_test(lambda x: x, lambda x, u: u, np.zeros(0))


def test_the_dot_test_depends_on_its_seed_alone():
    forward, vjp, x = DENSE[0]
    assert dot_test(forward, vjp, x) == dot_test(forward, vjp, x) != dot_test(forward, vjp, x, random_state=1)


@pytest.mark.parametrize("seed", range(20))
def test_the_rounding_of_a_linear_function_is_no_kink(seed):
    rng = np.random.default_rng(seed)
    (x, v), u, W, b = rng.normal(size=(2, 4, 3)), rng.normal(size=(4, 2)), rng.normal(size=(3, 2)), rng.normal(size=2)
    assert check_gradient(lambda t: np.sum(u * ((x + t[0] * v) @ W + b)), np.array([np.sum(u * (v @ W))]), np.zeros(1),
                          method="central_difference")


def test_the_dot_test_of_autodiff_packages():
    torch = pytest.importorskip("torch")
    for dtype, rtol in ((torch.float64, 1e-6), (torch.float32, 1e-2), (torch.bfloat16, 0.1)):
        layer = torch.nn.Linear(3, 2).to(dtype)
        vjp = lambda x, u: torch.autograd.functional.vjp(layer, x, u)[1]
        x = torch.tensor(XD, dtype=dtype)
        test = dot_test(layer, vjp, x)
        assert test and test.rtol == rtol
        assert dot_test(layer, lambda x, u: -vjp(x, u), x).verdict == "wrong"
        assert dot_test(lambda x: x @ layer.weight.T, lambda u: u @ layer.weight, x, linear=True)
