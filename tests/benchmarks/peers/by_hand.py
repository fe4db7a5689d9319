"""Peers whose gradients are written by hand, and those without autodiff: mxnet, Caffe, chainer, Cython, NumPy, R."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

import numpy as np
from peers.entry import EPS, HOLDS, MEAN, ZERO_P, Expected, peer, wrong
from peers.source import bare, chainer
from scipy.spatial.distance import cdist

ROUNDED = Expected("holds|holds in single precision", allowed=("single",))


def _mxnet(file: Any) -> dict[str, Any]:
    path = "example/deep-embedded-clustering/dec.py"
    source = file(path, cdist=cdist)
    forward, backward = source.take("DECModel.DECLoss.forward", "DECModel.DECLoss.backward")
    ce, out = source.take("DECModel.cluster.ce"), "train_iter.data_list[1][:]"
    target = source.lines("DECModel.cluster.refresh", "p", "weight", out, start=1)

    def step(z: Any, mu: Any, p: Any, alpha: float) -> list[np.ndarray]:
        op, q = bare(alpha=alpha, num_centers=len(mu)), np.zeros((len(z), len(mu)))
        forward(op, [z, mu], [q])
        gradients = [np.zeros_like(z), np.zeros_like(mu)]
        if p is not None:
            backward(op, None, [z, mu, p], [q], gradients)
        return [q, *gradients]

    def my_target(q: np.ndarray) -> np.ndarray:
        p = np.zeros_like(q)
        target(p=q, num_centers=q.shape[1], self=bare(num_centers=q.shape[1]), train_iter=bare(data_list=[None, p]))
        return p

    return {"my_soft_assignment": lambda z, mu, a: step(z, mu, None, a)[0], "my_target": my_target, "my_kl": ce,
            "my_grad_z": lambda *given: step(*given)[1], "my_grad_mu": lambda *given: step(*given)[2]}


@peer("apache/mxnet example at 035508a, by hand", "apache+mxnet", {
    1: HOLDS, 2: MEAN & EPS & ZERO_P, 3: HOLDS, 4: HOLDS, 5: HOLDS})
def mxnet(file):
    return _mxnet(file)


@peer("… float32 arrays", "apache+mxnet", {1: ROUNDED, 4: ROUNDED, 5: ROUNDED})
def mxnet_float32(file):
    given = {name: f for name, f in _mxnet(file).items() if name not in ("my_kl", "my_target")}
    return {**given, "asarray": lambda a: a.astype(np.float32)}


def _caffe(z: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what the layer's loops compute, its sigma being 1: both gradients, over the number of rows."""
    u = 1 / (1 + cdist(z, mu, "sqeuclidean") / alpha)
    q = u ** ((alpha + 1) / 2)
    mask = (alpha + 1) / alpha * u * (p - q / q.sum(axis=1, keepdims=True)) / len(z)
    return mask.sum(axis=1, keepdims=True) * z - mask @ mu, mask.sum(axis=0)[:, None] * mu - mask.T @ z


def _authors(file: Any) -> dict[str, Any]:
    source = file("dec/dec.py", cdist=cdist)
    transform = source.take("TMM.transform")
    weight = source.lines("DisKmeans", "weight", "bias", "weight")
    return {"my_soft_assignment": lambda z, mu, a: transform(bare(cluster_centers_=mu, alpha=a), z),
            "my_kl": lambda p, q: np.sum(p * np.log(p / q)) / len(p),
            "my_target": lambda q: weight(gmm_model=bare(transform=lambda x: x), feature=q, N_class=q.shape[1]),
            "my_grad_z": lambda *given: _caffe(*given)[0], "my_grad_mu": lambda *given: _caffe(*given)[1]}


@peer("piiswrong/dec, the authors: `multi_t_loss` by hand (its loops transcribed)", "piiswrong+dec", {
    1: HOLDS, 2: MEAN & ZERO_P, 3: HOLDS, 4: MEAN, 5: MEAN})
def authors(file):
    return _authors(file)


@peer("… centroids as (d, k), its blob layout", "piiswrong+dec", {
    5: Expected("wrong|holds as a mean", ("transpos", "mean"))})
def authors_blob(file):
    return {"my_grad_mu": lambda *given: _caffe(*given)[1].T}


def _pydbm(file: Any) -> tuple[Any, Any, Any]:
    names = "forward_propagation", "compute_target_distribution", "compute_loss"
    source = file("pydbm/clustering/deep_embedded_clustering.pyx")
    forward, target, loss = source.take(*(f"DeepEmbeddedClustering.{name}" for name in names))

    def layer(z: np.ndarray, mu: np.ndarray, alpha: float) -> tuple[Any, np.ndarray]:
        self = bare(__mu_arr=mu, __alpha=alpha, __batch_size=len(z), __soft_assign_weight=1.0,
                    __computable_clustering_loss_list=[], __grad_clipping=lambda x: x,
                    __auto_encodable=bare(embed_feature_points=lambda x: x),
                    auto_encodable=bare(inference=lambda x: x))
        return self, forward(self, z)

    def gradients(z: np.ndarray, mu: np.ndarray, p: np.ndarray, alpha: float) -> Any:
        self, q = layer(z, mu, alpha)
        loss(self, np.repeat(p[:, :, None], z.shape[1], axis=2), q)
        return self

    return layer, target, gradients


@peer("pydbm 1.5.1 (PyPI), by hand: q (n, k, d)", "pydbm-1.5.1", {1: wrong("shape")})
def pydbm(file):
    return {"my_soft_assignment": lambda *given: _pydbm(file)[0](*given)[1]}


@peer("… q averaged over d, as its `clustering()` does", "pydbm-1.5.1", {
    1: wrong("dimension"), 4: wrong("dimension"), 5: wrong("dimension", "mean")})
def pydbm_averaged(file):
    layer, _, gradients = _pydbm(file)
    return {"my_soft_assignment": lambda *given: layer(*given)[1].mean(axis=2),
            "my_grad_z": lambda *given: getattr(gradients(*given), "__delta_z_arr"),
            "my_grad_mu": lambda *given: getattr(gradients(*given), "__delta_mu_arr")}


@peer("… its P", "pydbm-1.5.1", {3: wrong("returns q|P is q|q itself")})
def pydbm_target(file):
    return {"my_target": lambda q: _pydbm(file)[1](None, q[:, :, None])[:, :, 0]}


def _loops(file: Any) -> dict[str, Any]:
    """Return the functions of narutatsuri's NumPy loops; P takes n^2 k^2 steps, so that n is small."""
    source = file("util/functions.py", alpha=1.0)
    column, q, p, kl = source.take("column", "q_dist", "p_dist", "kl_div")
    p.__globals__["column"] = column
    methods = file("util/methods.py")
    by_z, by_mu = methods.lines("DEC.update_z", "gradient"), methods.lines("DEC.update_mu", "gradient")

    def step(z: Any, mu: Any, p: Any, alpha: float) -> Any:
        given = {"self": bare(z=z, mu=mu, p_dists=p, q_dists=q(z, mu, alpha)), "alpha": alpha}
        return (np.array([by_z(i=i, z=row, **given) for i, row in enumerate(z)]),
                np.array([by_mu(j=j, mu=row, **given) for j, row in enumerate(mu)]))

    return {"my_soft_assignment": q, "my_target": p, "my_kl": kl, "my_grad_z": lambda *given: step(*given)[0],
            "my_grad_mu": lambda *given: step(*given)[1], "n": 96}


@peer("narutatsuri/deep_embedded_clustering (NumPy loops; the loss is a sum)", "narutatsuri+deep_embedded_clustering", {
    1: HOLDS, 2: HOLDS & ZERO_P, 3: HOLDS, 4: HOLDS, 5: HOLDS})
def narutatsuri(file):
    return _loops(file)


@peer("… float32 arrays", "narutatsuri+deep_embedded_clustering", {1: ROUNDED, 2: ROUNDED & ZERO_P, 3: ROUNDED})
def narutatsuri_float32(file):
    given = _loops(file)
    return {name: given[name] for name in ("my_soft_assignment", "my_target", "my_kl", "n")} | {
        "asarray": lambda a: a.astype(np.float32)}


@peer("ymym3412/DeepEmbeddedClustering (chainer, by hand, float32 centroids)", "ymym3412+DeepEmbeddedClustering", {
    1: wrong("not squared"), 2: HOLDS & ZERO_P, 3: HOLDS, 4: wrong("not squared", "mean"),
    5: wrong("not squared", "mean")})
def chainer_function(file):
    source = file("tdistribution_kl_divergence.py", chain=chain, repeat=repeat, **chainer)
    function = source.take("TdistributionKLDivergence")
    xp = chainer["cuda"].get_array_module()
    lines = source.lines("TdistributionKLDivergence.forward", "dist_matrix", "q_matrix")
    kl = source.lines("TdistributionKLDivergence.forward", "kl_divergence")

    def gradients(z, mu, p, *_):
        op = function()
        op.compute_pmatrix = lambda q: p
        gz, *gus = op.backward((z, *mu), (1.0,))
        return gz, np.array(gus)

    return {"my_soft_assignment": lambda z, mu: lines(self=function(), xp=xp, z=z, us=mu.astype(np.float32)),
            "my_kl": lambda p, q: kl(xp=xp, p_matrix=p, q_matrix=q), "my_target": function().compute_pmatrix,
            "my_grad_z": lambda z, mu, p: gradients(z, mu, p)[0], "my_grad_mu": lambda z, mu, p: gradients(z, mu, p)[1]}


def _recycled(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return R's matrix / vector: the vector is repeated down the columns."""
    return matrix / np.resize(vector, matrix.size).reshape(matrix.shape, order="F")


def _r_target(q: np.ndarray) -> np.ndarray:
    weight = _recycled(q**2, q.sum(axis=0))
    return _recycled(weight.T, weight.sum(axis=1)).T


@peer("ANTsX/ANTsRNet `targetDistribution` (R's recycling transcribed)", "ANTsX+ANTsRNet", {
    3: wrong("rows|recycl")})
def antsrnet(file):
    return {"my_target": _r_target}


@peer("… with k = 7", "ANTsX+ANTsRNet", {3: wrong("rows|recycl")})
def antsrnet_seven(file):
    return {"my_target": _r_target, "k": 7}
