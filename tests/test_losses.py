"""The two losses: each against its gradient, and the parts of a minibatch against the whole."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import gradient
from numpy.testing import assert_allclose
from problems import problem

from decnp import equations, kernels, layers
from decnp.layers import dropout_mask, init_mlp, mlp
from decnp.losses import clustering_loss, clustering_loss_and_grads, reconstruction_loss_and_grads

PARTS = [equations.loss_and_grads, kernels.loss_and_grads]


@pytest.mark.parametrize("alpha", [1.0, 3.7])
@pytest.mark.parametrize("loss_and_grads", PARTS, ids=["equations", "kernels"])
def test_the_clustering_loss_is_a_mean_and_the_parts_of_a_minibatch_add_up_to_it(loss_and_grads, alpha):
    z, mu, p = problem(7, 3, 2)["grad_z"][:3]
    loss, g_z, g_mu = clustering_loss(z, mu, p, alpha, loss_and_grads=loss_and_grads)
    total, grad_z, grad_mu = equations.loss_and_grads(z, mu, p, alpha)
    assert_allclose([loss], [total / 7], rtol=1e-12)
    assert_allclose(g_z, grad_z / 7, rtol=1e-12, atol=1e-15)
    assert_allclose(g_mu, grad_mu / 7, rtol=1e-12, atol=1e-15)
    parts = [clustering_loss(z[rows], mu, p[rows], alpha, 7, loss_and_grads) for rows in (slice(0, 3), slice(3, 7))]
    assert_allclose(sum(part[0] for part in parts), loss, rtol=1e-12)
    assert_allclose(np.concatenate([part[1] for part in parts]), g_z, rtol=1e-12, atol=1e-15)
    assert_allclose(sum(part[2] for part in parts), g_mu, rtol=1e-12, atol=1e-15)


def test_the_gradient_of_the_clustering_step_is_that_of_its_loss():
    rng = np.random.default_rng(0)
    theta = init_mlp(rng, [5, 4, 2], ["relu", "linear"], 0.5, np.float64)
    x, mu, p = rng.standard_normal((6, 5)), rng.standard_normal((3, 2)), rng.dirichlet(np.ones(3), 6)

    def loss(mu=mu, theta=theta):
        return equations.kl_divergence(p, equations.soft_assignment(mlp(theta, x)[-1], mu)) / 6

    value, g_mu, g_theta = clustering_loss_and_grads(theta, mu, x, p)
    exact = dict(rtol=1e-12, atol=1e-15)  # both sides round separately
    assert_allclose(value, loss(), **exact)
    assert_allclose(g_mu, gradient(lambda mu: loss(mu=mu), mu), **exact)
    for l, (layer, (g_W, g_b)) in enumerate(zip(theta, g_theta, strict=True)):
        def with_layer(l=l, layer=layer, **change):
            return loss(theta=[*theta[:l], layer._replace(**change), *theta[l + 1 :]])

        assert_allclose(g_W, gradient(lambda W: with_layer(W=W), layer.W), **exact)
        assert_allclose(g_b, gradient(lambda b: with_layer(b=b), layer.b), **exact)


def test_the_gradient_of_the_autoencoder_step_is_that_of_its_loss():
    rng = np.random.default_rng(0)
    theta = init_mlp(rng, [5, 4, 5], ["relu", "linear"], 0.5, np.float64)
    x = rng.standard_normal((6, 5))
    masks = [dropout_mask(rng, (6, 5), 0.3, np.float64), dropout_mask(rng, (6, 4), 0.3, np.float64)]

    def loss(theta):
        return ((mlp(theta, x, masks)[-1] - x) ** 2).sum() / 60  # the target has no mask

    value, g_theta = reconstruction_loss_and_grads(theta, x, masks)
    exact = dict(rtol=1e-12, atol=1e-15)
    assert_allclose(value, loss(theta), **exact)
    for l, (layer, (g_W, g_b)) in enumerate(zip(theta, g_theta, strict=True)):
        def with_layer(l=l, layer=layer, **change):
            return loss([*theta[:l], layer._replace(**change), *theta[l + 1 :]])

        assert_allclose(g_W, gradient(lambda W: with_layer(W=W), layer.W), **exact)
        assert_allclose(g_b, gradient(lambda b: with_layer(b=b), layer.b), **exact)


def test_the_gradient_of_the_data_is_not_computed(monkeypatch):
    """Catches a product of the first layer that nothing reads."""
    asked, dense_vjp = [], layers.dense_vjp

    def watched(g, x, W, need_x=True):
        asked.append(need_x)
        return dense_vjp(g, x, W, need_x)

    monkeypatch.setattr(layers, "dense_vjp", watched)
    rng = np.random.default_rng(0)
    x, mu, p = rng.standard_normal((6, 5)), rng.standard_normal((3, 2)), rng.dirichlet(np.ones(3), 6)
    theta = init_mlp(rng, [5, 4, 2], ["relu", "linear"], 0.5, np.float64)
    clustering_loss_and_grads(theta, mu, x, p)
    reconstruction_loss_and_grads(init_mlp(rng, [5, 4, 5], ["relu", "linear"], 0.5, np.float64), x)
    assert asked == [True, False, True, False]


def test_without_an_encoder_x_is_the_embedding():
    z, mu, p = problem(7, 3, 2)["grad_z"][:3]
    loss, g_mu, g_theta = clustering_loss_and_grads([], mu, z, p)
    expected = clustering_loss(z, mu, p)
    assert loss == expected[0] and g_theta == []
    assert_allclose(g_mu, expected[2], rtol=1e-14)


def test_the_losses_need_neither_scikit_learn_nor_numba():
    """The code asserts it; its process ends with an error where one of them was imported."""
    code = "import sys, decnp.losses; assert not {'sklearn', 'numba', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
