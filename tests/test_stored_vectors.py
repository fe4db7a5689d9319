"""Equations, kernels and layers against what PyTorch and JAX computed: stored, so neither need be installed."""

import json
from types import SimpleNamespace

import make_autodiff
import numpy as np
import pytest
from make_autodiff import ALPHAS, AUTOENCODER, CLUSTERINGS, ENCODER, FILE, PACKAGES
from numpy.testing import assert_allclose, assert_array_equal

from decnp import equations, kernels
from decnp.layers import Dense, arrays_of, dense, dense_vjp, mlp, mlp_vjp, relu, relu_vjp, squared_error
from decnp.training.engine import ReadableStep

with np.load(FILE, allow_pickle=False) as file:
    STORED = dict(file)

over_packages = pytest.mark.parametrize("package", PACKAGES)
over_modules = pytest.mark.parametrize("module", [equations, kernels])
over_alphas = pytest.mark.parametrize("alpha", ALPHAS)


def close(result, expected, scale=None):
    """Two ways of adding up the same terms in float64, a few dozen roundings of 2e-16; a mistake is far above 1e-10.

    Terms that cancel leave their rounding behind, hence atol. It goes with ``scale``, the size of the terms: the
    largest entry where nothing else is said, since some problems are small throughout. Seen: 5e-15 of that.
    """
    assert np.shape(result) == np.shape(expected)
    assert_allclose(result, expected, rtol=1e-10, atol=1e-13 * (scale or np.abs(expected).max()))


def given(problem, *names):
    return [STORED[f"{problem}/{name}"] for name in names]


def stored(package, problem, *names, alpha=None):
    """The results of these names; those for one alpha, where it is given."""
    arrays = [STORED[f"{problem}/{package}/{name}"] for name in names]
    return arrays if alpha is None else [a[ALPHAS.index(alpha)] for a in arrays]


def theta_of(problem, acts):
    return [Dense(*given(problem, f"W{l}", f"b{l}"), act) for l, act in enumerate(acts, start=1)]


# ---------------------------------------------------------------- Eqs. 1-5

@over_modules
@over_alphas
@over_packages
@pytest.mark.parametrize("problem", CLUSTERINGS)
def test_the_equations(problem, package, alpha, module):
    z, mu = given(problem, "z", "mu")
    (p,) = stored(package, problem, "p")
    q, loss, g_z, g_mu = stored(package, problem, "q", "loss", "g_z", "g_mu", alpha=alpha)
    scale = 1 if problem == "one_cluster" else None  # there p - q is 1 - 1, or a rounding of it
    together = module.loss_and_grads(z, mu, p, alpha)
    close(module.soft_assignment(z, mu, alpha), q)
    for result in (module.kl_divergence(p, module.soft_assignment(z, mu, alpha)), together[0]):
        close(result, loss, scale)
    for result in (module.grad_z(z, mu, p, alpha), together[1]):
        close(result, g_z, scale)
    for result in (module.grad_mu(z, mu, p, alpha), together[2]):
        close(result, g_mu, scale)


@over_modules
@over_packages
@pytest.mark.parametrize("problem", CLUSTERINGS)
def test_the_targets(problem, package, module):
    close(module.target_distribution(*given(problem, "q_before")), *stored(package, problem, "p"))


# ---------------------------------------------------------------- the layers

@over_packages
def test_dense(package):
    x, W, b, g = given("dense", "x", "W", "b", "g")
    a, *grads = stored(package, "dense", "a", "g_x", "g_W", "g_b")
    close(dense(x, W, b), a)
    for result, expected in zip(dense_vjp(g, x, W), grads, strict=True):
        close(result, expected)


@over_packages
def test_relu_also_at_the_kink(package):
    a, g = given("relu", "a", "g")
    h, g_a = stored(package, "relu", "h", "g_a")
    assert 0 in a
    assert_array_equal(relu(a), h)  # nothing is rounded
    assert_array_equal(relu_vjp(g, h), g_a)


@over_packages
def test_squared_error(package):
    for result, expected in zip(squared_error(*given("squared_error", "x_rec", "x")),
                                stored(package, "squared_error", "loss", "g"), strict=True):
        close(result, expected)


@over_packages
def test_every_weight_and_bias_of_a_masked_autoencoder(package):
    theta = theta_of("autoencoder", AUTOENCODER)
    x, *masks = given("autoencoder", "x", "mask1", "mask2", "mask3", "mask4")
    hs = mlp(theta, x, masks)
    loss, g = squared_error(hs[-1], x)
    _, g_theta = mlp_vjp(g, theta, hs, masks)
    expected = stored(package, "autoencoder", "loss", *(f"g_{name}{l}" for l in (1, 2, 3, 4) for name in "Wb"))
    for result, array in zip([loss, *arrays_of(g_theta)], expected, strict=True):
        close(result, array)


# ---------------------------------------------------------------- a whole step of DEC

@pytest.mark.parametrize("engine", ["numpy", "numba"])
@over_alphas
@over_packages
def test_one_step_of_dec(package, alpha, engine):
    x, p, mu = given("step", "x", "p", "mu")
    taken = []
    optimizer = SimpleNamespace(step=taken.extend)
    loss_and_grads = {"numpy": equations, "numba": kernels}[engine].loss_and_grads
    loss = ReadableStep(theta_of("step", ENCODER), optimizer, loss_and_grads).cluster(x, mu, p, alpha)
    expected = stored(package, "step", "loss", "g_mu", "g_W1", "g_b1", "g_W2", "g_b2", alpha=alpha)
    for result, array in zip([loss, *taken], expected, strict=True):
        close(result, array)


# ---------------------------------------------------------------- the file itself

def test_the_file_is_small_says_its_versions_and_leaves_no_easy_way_out():
    assert FILE.stat().st_size < 60_000
    assert json.loads(str(STORED["versions"])).keys() == {"python", "numpy", *PACKAGES}
    for name, array in STORED.items():
        assert array.dtype.kind == "U" if name == "versions" else array.dtype == np.float64 and np.isfinite(array).all()
    for package in PACKAGES:
        for problem in set(CLUSTERINGS) - {"one_cluster"}:
            assert all(np.abs(a).max(axis=(1, 2)).min() > 0 for a in stored(package, problem, "g_z", "g_mu"))
    z, mu = given("point_on_centroid", "z", "mu")
    assert (z[:, None] == mu).all(axis=2).any()


def test_a_planted_fault_is_seen():
    """A factor off by a millionth, in one gradient of Eq. 4."""
    (g_z,) = stored("torch", "ordinary", "g_z", alpha=1.0)
    with pytest.raises(AssertionError):
        close(g_z * (1 + 1e-6), g_z)


@over_packages
def test_the_package_still_says_so(package):
    """Where it is installed, perhaps in another version, it is asked again."""
    pytest.importorskip(package)
    inputs = make_autodiff.inputs()
    assert inputs.keys() == {name for name in STORED if name.count("/") == 1}
    for name, array in inputs.items():
        assert_allclose(array, STORED[name], rtol=1e-12)  # products and quotients of the same random numbers
    for name, array in make_autodiff.results(PACKAGES[package](), inputs).items():
        problem, array_name = name.split("/")
        expected = STORED[f"{problem}/{package}/{array_name}"]
        close(array, expected, 1 if problem == "one_cluster" else None)  # another version may add in another order
