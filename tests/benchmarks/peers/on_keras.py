"""Peers in Keras and TensorFlow, on stand-ins over PyTorch; their loss "kld" is Keras 3's, which is in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peers.entry import ALPHA_1, EPS, HOLDS, MEAN, ON_CENTROID, SINGLE, ZERO_P, Expected, peer
from peers.on_torch import functions
from peers.source import Source, bare, keras_backend, keras_kld, tf

KERAS = MEAN & SINGLE
LAYER = {1: HOLDS, 2: KERAS, 3: HOLDS, 4: KERAS, 5: KERAS}
WIRED = {1: ALPHA_1, 2: ALPHA_1 & KERAS, 4: ALPHA_1 & KERAS, 5: ALPHA_1 & KERAS}
SQRT_SQUARED = {1: HOLDS, 2: KERAS, 3: HOLDS, 4: KERAS & ON_CENTROID, 5: KERAS & ON_CENTROID}
MAYBE = Expected("holds|edge", (), "")


def layer(source: Source, name: str, centers: str = "clusters") -> Callable:
    """Return q(z, mu, alpha) of a Keras layer's ``call``."""
    call = source.take(f"{name}.call")
    return lambda z, mu, alpha: call(bare(**{centers: mu, "alpha": alpha}), z)


def wired(source: Source, name: str, within: str, centers: str = "clusters") -> Callable:
    """Return q(z, mu, alpha) of a class that makes its layer, with the alpha that it hands on."""
    q, call = layer(source, name, centers), source.call(within, name)

    def assign(z: Any, mu: Any, alpha: float) -> Any:
        model = bare(alpha=alpha, n_clusters=len(mu), number_of_clusters=len(mu), cluster_centres=None,
                     init_centroid=None)
        return q(z, mu, call(self=model, **{name: lambda *_, alpha=1.0, **__: alpha}))

    return assign


def _kl(q: Any, p: Any) -> Any:
    return keras_kld(p, q)


def _keras(file: Callable[..., Source], path: str, name: str, target: str = "target_distribution",
           centers: str = "clusters") -> dict[str, Any]:
    source = file(path, K=keras_backend)
    p = source.take(target)
    number = p.__code__.co_argcount  # a method or not
    return functions(layer(source, name, centers), lambda q: p(*[None] * (number - 1), q.numpy()), _kl)


def _wired(file: Callable[..., Source], path: str, name: str, within: str, centers: str = "clusters") -> dict:
    given = functions(wired(file(path, K=keras_backend), name, within, centers), None, _kl)
    return {argument: value for argument, value in given.items() if argument != "my_kl"}


@peer("XifengGuo/DEC-keras, layer", "XifengGuo+DEC-keras", LAYER)
def dec_keras(file):
    return _keras(file, "DEC.py", "ClusteringLayer")


@peer("… class as wired (alpha not handed on)", "XifengGuo+DEC-keras", WIRED)
def dec_keras_class(file):
    return _wired(file, "DEC.py", "ClusteringLayer", "DEC.__init__")


@peer("XifengGuo/IDEC, layer", "XifengGuo+IDEC", LAYER)
def idec(file):
    return _keras(file, "DEC.py", "ClusteringLayer")


@peer("… class as wired", "XifengGuo+IDEC", WIRED)
def idec_class(file):
    return _wired(file, "DEC.py", "ClusteringLayer", "DEC")


@peer("fferroni/DEC-Keras, layer", "fferroni+DEC-Keras", SQRT_SQUARED)
def fferroni(file):
    return _keras(file, "keras_dec.py", "ClusteringLayer", "DeepEmbeddingClustering.p_mat", "W")


@peer("… class as wired", "fferroni+DEC-Keras", {
    **WIRED, 4: ALPHA_1 & KERAS & ON_CENTROID, 5: ALPHA_1 & KERAS & ON_CENTROID})
def fferroni_class(file):
    return _wired(file, "keras_dec.py", "ClusteringLayer", "DeepEmbeddingClustering", "W")


@peer("DhavalParmar61/Deep-Embedded-Clustering, layer", "DhavalParmar61+Deep-Embedded-Clustering", SQRT_SQUARED)
def dhaval(file):
    return _keras(file, "DEC.py", "FinalClusteringLayer", "Model.p_mat", "W")


@peer("ANTsX/ANTsPyNet, layer", "ANTsX+ANTsPyNet", LAYER)
def antspynet(file):
    return _keras(file, "antspynet/utilities/deep_embedded_clustering_utilities.py", "DeepEmbeddedClustering")


@peer("… class as wired", "ANTsX+ANTsPyNet", WIRED)
def antspynet_class(file):
    return _wired(file, "antspynet/utilities/deep_embedded_clustering_utilities.py", "DeepEmbeddedClustering",
                  "DeepEmbeddedClusteringModel.__init__")


@peer("desc 2.1.1 (PyPI), layer", "desc-2.1.1", LAYER)
def desc(file):
    return _keras(file, "desc/models/network.py", "ClusteringLayer")


@peer("… class as wired", "desc-2.1.1", WIRED)
def desc_class(file):
    return _wired(file, "desc/models/network.py", "ClusteringLayer", "DescModel")


@peer("… its `ClusteringLayerGaussian`: a sum over dimensions of Gaussians", "desc-2.1.1", {
    1: Expected("wrong", ("gauss",), "far")})
def desc_gaussian(file):
    return {"my_soft_assignment": layer(file("desc/models/network.py", K=keras_backend), "ClusteringLayerGaussian"),
            "asarray": torch.tensor}


@peer("leotimus/DCEC, layer", "leotimus+DCEC", LAYER)
def dcec(file):
    return _keras(file, "DCEC.py", "ClusteringLayer")


@peer("long-nguyen12/deep-embedded-clustering, layer", "long-nguyen12+deep-embedded-clustering", LAYER)
def long_nguyen(file):
    return _keras(file, "DEC.py", "ClusteringLayer")


@peer("FlorentF9/DeepTemporalClustering, Euclidean, one feature", "FlorentF9+DeepTemporalClustering", SQRT_SQUARED)
def temporal(file):
    call = file("TSClusteringLayer.py", K=keras_backend).take("TSClusteringLayer.call")
    target = file("DeepTemporalClustering.py").take("DTC.target_distribution")
    return functions(lambda z, mu, alpha: call(
        bare(clusters=mu[..., None], alpha=alpha, dist_metric="eucl"), z[..., None]), lambda q: target(q.numpy()), _kl)


@peer("CarDEC 1.0.3 (PyPI)", "cardec-1.0.3", {1: HOLDS, 2: MEAN, 3: HOLDS, 4: MEAN, 5: MEAN})
def cardec(file):
    import keras

    q = layer(file("CarDEC/CarDEC_layers.py", tf=tf), "ClusteringLayer", "centroids")
    target = file("CarDEC/CarDEC_MainModel.py").take("CarDEC_Model.target_distribution")
    loss = file("CarDEC/CarDEC_optimization.py", tf=tf, KLD=keras.losses.kl_divergence).take("total_loss")
    return functions(q, lambda q: target(q.numpy()), lambda q, p: loss(None, None, p, q)[0])


@peer("hustwutao/Deep-Clustering, alpha = 1", "hustwutao+Deep-Clustering", {**LAYER, 1: ALPHA_1})
def hustwutao(file):
    q, target = file("DEC/model.py", tf=tf).take("DEC.cluster_assign", "DEC.target_distribution")
    given = functions(lambda z, mu, alpha: q(bare(cluster_centers=mu), z), lambda q: target(None, q), _kl)
    return {**given, "my_soft_assignment": lambda z, mu: q(bare(cluster_centers=mu), z),
            "my_loss": lambda z, mu, p: _kl(q(bare(cluster_centers=mu), z), p)}


@peer("HaebinShin/dec-tensorflow, sqrt(|z|^2 + |mu|^2 - 2 z mu)**2", "HaebinShin+dec-tensorflow", {
    1: MAYBE, 2: MEAN & ZERO_P, 3: HOLDS, 4: MEAN & ON_CENTROID, 5: MEAN & ON_CENTROID})
def haebin_shin(file):
    names = "DEC._soft_assignment", "DEC.target_distribution", "DEC._kl_divergence"
    q, target, kl = file("dec/model.py", tf=tf).take(*names)
    return functions(lambda z, mu, a: q(bare(alpha=a, n_cluster=len(mu), ae=bare(input_batch_size=len(z))), z, mu),
                     lambda q: target(None, q.numpy()), lambda q, p: kl(None, p, q))


@peer("copies of it with sqrt(|d| + 1e-4) (three files, known without their repository; transcribed)", "", {
    1: EPS, ("my_kl", 2): MEAN & ZERO_P, ("my_loss", 2): MEAN & EPS & ZERO_P, 4: MEAN & EPS & Expected("edge", (), ""), 5: MEAN & EPS & Expected("edge", (), "")})
def sqrt_guarded(file):
    def q(z, mu, alpha):
        dist = torch.sqrt(torch.abs(((z[:, None] - mu) ** 2).sum(2)) + 1e-4)
        s = 1 / (1 + dist**2 / alpha) ** ((alpha + 1) / 2)
        return s / s.sum(1, keepdim=True)

    return functions(q, None, lambda q, p: (p * torch.log(p / q)).sum(1).mean())
