"""What PyTorch and JAX compute for Eqs. 1-5, for the layers and for a whole step of DEC, into ``autodiff.npz``.

    pip install torch jax
    python tests/data/make_autodiff.py          # writes autodiff.npz beside this file

First come the definitions: Eqs. 1-3 and the autoencoder's Eqs. 6-9 as printed, over any array package
``xp`` that has NumPy's names (NumPy itself, autograd's, JAX's, and torch as it is). Then two packages,
which differentiate them in float64. Then the problems. No gradient is written here, and nothing of ours
is imported.

In the file, ``problem/array`` is an input and ``problem/package/array`` a result. Results of the
clustering problems and of the step carry one more axis in front, one entry for each of ``ALPHAS``.
``versions`` is a JSON text: the versions of the packages that were asked. There are no pickles.
"""

import json
import platform
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("autodiff.npz")
ALPHAS = (0.5, 1.0, 2.0, 10.0)
CLUSTERINGS = ("ordinary", "one_cluster", "one_point", "point_on_centroid", "far_points", "far_from_origin")
AUTOENCODER = ("relu", "linear", "relu", "linear")  # activations: encoder, decoder
ENCODER = AUTOENCODER[:2]


# ---------------------------------------------------------------- the definitions

def soft_assignment(xp, z, mu, alpha):
    """Eq. 1: z (n, d), mu (k, d) -> q (n, k)."""
    d = xp.sum((z[:, None] - mu[None]) ** 2, axis=2)
    s = (1 + d / alpha) ** (-(alpha + 1) / 2)
    return s / xp.sum(s, axis=1, keepdims=True)


def kl_divergence(xp, p, q):
    """Eq. 2, a sum over all points, in nats."""
    return xp.sum(p * xp.log(p / q))


def target_distribution(xp, q):
    """Eq. 3: q (n, k) of all points -> p (n, k)."""
    weight = q**2 / xp.sum(q, axis=0)
    return weight / xp.sum(weight, axis=1, keepdims=True)


def network(xp, theta, x, acts, masks):
    """Eqs. 6-9: theta = [W, b, W, b, ...]; masks[l] multiplies the input of layer l, 1 leaves it alone."""
    h = x
    for W, b, act, mask in zip(theta[0::2], theta[1::2], acts, masks, strict=True):
        a = (h * mask) @ W + b
        h = xp.where(a > 0, a, 0.0) if act == "relu" else a
    return h


def reconstruction_loss(xp, theta, x, acts, masks):
    """Half the mean square of what is missing from the clean x (n, D)."""
    return xp.mean((network(xp, theta, x, acts, masks) - x) ** 2) / 2


def clustering_loss(xp, trained, x, p, acts, alpha):
    """Eq. 2 as a mean over the minibatch x; trained = [mu, W, b, W, b, ...]; p is constant."""
    mu, *theta = trained
    z = network(xp, theta, x, acts, [1] * len(acts))
    return kl_divergence(xp, p, soft_assignment(xp, z, mu, alpha)) / len(x)


# ---------------------------------------------------------------- two packages: NumPy arrays in, NumPy arrays out

class Torch:
    """Evaluates and differentiates f(xp, ...) by PyTorch."""

    def __init__(self):
        import torch

        self.xp, self.version = torch, torch.__version__

    def value(self, f, *args):
        return f(self.xp, *self._tensors(args)).numpy()

    def gradients(self, f, trained, *constants):
        """f(xp, trained, *constants) and its gradient to each array of the list ``trained``."""
        trained = [self.xp.tensor(a, requires_grad=True) for a in trained]
        value = f(self.xp, trained, *self._tensors(constants))
        return value.item(), [g.numpy() for g in self.xp.autograd.grad(value, trained)]

    def relu(self, a):
        return self.xp.relu(a)

    def _tensors(self, args):
        """The arrays among the arguments, and in lists of them, as tensors."""
        kinds = {np.ndarray: self.xp.tensor, list: self._tensors}
        return [kinds.get(type(a), lambda a: a)(a) for a in args]


class Jax:
    """Evaluates and differentiates f(xp, ...) by JAX."""

    def __init__(self):
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax, self.xp, self.version = jax, jax.numpy, jax.__version__

    def value(self, f, *args):
        return np.asarray(f(self.xp, *args))

    def gradients(self, f, trained, *constants):
        """f(xp, trained, *constants) and its gradient to each array of the list ``trained``."""
        value, grads = self.jax.value_and_grad(lambda trained: f(self.xp, trained, *constants))(trained)
        return value.item(), [np.asarray(g) for g in grads]

    def relu(self, a):
        return self.jax.nn.relu(a)


PACKAGES = {"torch": Torch, "jax": Jax}


# ---------------------------------------------------------------- the problems

def inputs():
    """Every input: {"problem/array": array}."""
    rng = np.random.default_rng(2016)
    return {
        f"{problem}/{name}": np.asarray(array, np.float64)
        for problem, arrays in [
            *((name, clustering(rng, name)) for name in CLUSTERINGS),
            ("dense", {name: numbers(rng, *shape)
                       for name, shape in {"x": (6, 4), "W": (4, 3), "b": (3,), "g": (6, 3)}.items()}),
            ("relu", {"a": [[-1.5, 0.0, 2.5], [1e-300, -1e-300, -0.0]], "g": numbers(rng, 2, 3)}),
            ("squared_error", {"x_rec": numbers(rng, 6, 4), "x": numbers(rng, 6, 4)}),
            ("autoencoder", autoencoder(rng)),
            ("step", {"x": numbers(rng, 8, 6), **weights(rng, 6, 5, 2), "mu": numbers(rng, 3, 2),
                      "p": rng.dirichlet(np.ones(3), 8)}),
        ]
        for name, array in arrays.items()
    }


def numbers(rng, *shape):
    return rng.uniform(-2, 2, shape)


def clustering(rng, name):
    """Points z, centroids mu, and q_before: the soft assignments that P is made of, as at the last refresh."""
    n, k, d = {"one_cluster": (6, 1, 3), "one_point": (1, 3, 2)}.get(name, (6, 3, 2))
    z, mu, q_before = numbers(rng, n, d), numbers(rng, k, d), rng.dirichlet(np.ones(k), n)
    if name == "point_on_centroid":
        z[2] = mu[1]
    if name in ("far_points", "far_from_origin"):
        z[1:] += 1e4
    if name == "far_from_origin":
        z[0] += 1e4
        mu += 1e4
    return {"z": z, "mu": mu, "q_before": q_before}


def weights(rng, *sizes):
    """W1, b1, W2, b2, ... of a network."""
    layers = enumerate(zip(sizes, sizes[1:]), start=1)
    return {name + str(l): numbers(rng, *shape) / 2
            for l, (n_in, n_out) in layers for name, shape in (("W", (n_in, n_out)), ("b", (n_out,)))}


def autoencoder(rng):
    """x, the weights of 6-5-2-5-6, and a dropout mask on the input of each layer."""
    masks = {f"mask{l}": (rng.random((7, size)) >= 0.4) / 0.6 for l, size in enumerate((6, 5, 2, 5), start=1)}
    return {"x": numbers(rng, 7, 6), **weights(rng, 6, 5, 2, 5, 6), **masks}


# ---------------------------------------------------------------- what a package makes of them

def results(package, given):
    """{"problem/array": array}: what ``package`` computes for the inputs ``given``."""
    found = {}
    for problem in CLUSTERINGS:
        z, mu, q_before = (given[f"{problem}/{name}"] for name in ("z", "mu", "q_before"))
        found[f"{problem}/p"] = p = package.value(target_distribution, q_before)
        put(found, problem, [clustered(package, z, mu, p, alpha) for alpha in ALPHAS])
    x, *trained = (given[f"step/{name}"] for name in ("x", "mu", "W1", "b1", "W2", "b2"))
    put(found, "step", [
        graded(package, clustering_loss, trained, ["mu", "W1", "b1", "W2", "b2"], x, given["step/p"], ENCODER, alpha)
        for alpha in ALPHAS
    ])
    for name, array in layers(package, given).items():
        found[name] = np.asarray(array)
    return found


def put(found, problem, for_each_alpha):
    """Results for each alpha, {"array": array}, stacked into one array a name."""
    for name in for_each_alpha[0]:
        found[f"{problem}/{name}"] = np.stack([result[name] for result in for_each_alpha])


def graded(package, f, trained, names, *constants):
    """The loss f and its gradients as {"loss": ..., "g_W1": ...}."""
    loss, grads = package.gradients(f, trained, *constants)
    return {"loss": loss, **{f"g_{name}": g for name, g in zip(names, grads, strict=True)}}


def clustered(package, z, mu, p, alpha):
    """Eq. 1, Eq. 2 and its gradients to z and mu, P held constant."""

    def loss(xp, trained, p):
        return kl_divergence(xp, p, soft_assignment(xp, *trained, alpha))

    return {"q": package.value(soft_assignment, z, mu, alpha), **graded(package, loss, [z, mu], ["z", "mu"], p)}


def layers(package, given):
    """Each layer alone, and a masked autoencoder of four. A VJP is the gradient of sum(g * output)."""
    def take(problem, *names):
        return [given[f"{problem}/{name}"] for name in names]

    def dense(xp, trained):
        x, W, b = trained
        return x @ W + b

    x, W, b, g = take("dense", "x", "W", "b", "g")
    found = {"dense/a": package.value(dense, [x, W, b])}
    _, (found["dense/g_x"], found["dense/g_W"], found["dense/g_b"]) = package.gradients(
        lambda xp, trained, g: xp.sum(g * dense(xp, trained)), [x, W, b], g)

    a, g = take("relu", "a", "g")
    found["relu/h"] = package.value(lambda xp, a: package.relu(a), a)
    _, (found["relu/g_a"],) = package.gradients(lambda xp, trained, g: xp.sum(g * package.relu(trained[0])), [a], g)

    x_rec, x = take("squared_error", "x_rec", "x")
    found["squared_error/loss"], (found["squared_error/g"],) = package.gradients(
        lambda xp, trained, x: xp.mean((trained[0] - x) ** 2) / 2, [x_rec], x)

    names = [name + l for l in "1234" for name in "Wb"]
    masks = take("autoencoder", "mask1", "mask2", "mask3", "mask4")
    ae = graded(package, reconstruction_loss, take("autoencoder", *names), names, *take("autoencoder", "x"),
                AUTOENCODER, masks)
    return {**found, **{f"autoencoder/{name}": array for name, array in ae.items()}}


def main():
    given, found, versions = inputs(), {}, {"python": platform.python_version(), "numpy": np.__version__}
    for name, make in PACKAGES.items():
        package = make()
        versions[name] = package.version
        for key, array in results(package, given).items():
            problem, array_name = key.split("/")
            found[f"{problem}/{name}/{array_name}"] = array
    np.savez_compressed(FILE, versions=np.array(json.dumps(versions)), **given, **found)
    print(f"{FILE}: {len(given)} inputs, {len(found)} results, {FILE.stat().st_size} bytes; {versions}")


if __name__ == "__main__":
    main()
