"""Peers in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peers.entry import (
    HOLDS,
    MEAN,
    MEAN_NK,
    OWN_P,
    SINGLE,
    peer,
    wrong,
)
from peers.source import Source, bare, same
from torch import nn

RIGHT = {1: HOLDS, 2: MEAN, 3: HOLDS, 4: MEAN, 5: MEAN}
RIGHT_NK = {1: HOLDS, 2: MEAN_NK, 3: HOLDS, 4: MEAN_NK, 5: MEAN_NK}
LOSS = {2: MEAN & OWN_P, 4: MEAN & OWN_P, 5: MEAN & OWN_P}

SUMMED = nn.KLDivLoss(reduction="sum")  # KLDivLoss(size_average=False), as older code writes it
BATCHMEAN = nn.KLDivLoss(reduction="batchmean")


def functions(q: Callable, target: Callable | None, kl: Callable) -> dict[str, Any]:
    """Return Eqs. 1-3 and the loss of a peer: q(z, mu, alpha), target(q), kl(q, p)."""
    given = {"my_target": target} if target else {}
    return {"my_soft_assignment": q, "my_kl": lambda p, q: kl(q, p), **given,
            "my_loss": lambda z, mu, p, alpha: kl(q(z, mu, alpha), p), "asarray": torch.tensor, "autodiff": "torch"}


def loop(q: Callable, target: Callable, kl: Callable) -> dict[str, Any]:
    """Return the loss of a training loop that makes P itself, from the batch."""

    def loss(z: Any, mu: Any, alpha: float) -> Any:
        assigned = q(z, mu, alpha)
        return kl(assigned, target(assigned))

    return {"my_loss": loss, "asarray": torch.tensor, "autodiff": "torch"}


def assignment(method: Any, centers: str, alpha: str = "alpha") -> Callable:
    """Return q(z, mu, alpha) of a layer's ``forward(self, x)``."""
    return lambda z, mu, a: method(bare(**{centers: mu, alpha: a}), z)


@peer("zhoushengisnoob/OpenDeepClustering", "zhoushengisnoob+OpenDeepClustering", RIGHT)
def open_deep_clustering(file):
    path = "models/Simultaneous/DEC/"
    target, loss = file(path + "main.py").lines("", "weight", "p"), file(path + "clustering.py").take("Loss")()
    return functions(assignment(file(path + "clustering.py").take("Clustering.forward"), "centroids"),
                     lambda q: target(q=q), lambda q, p: loss(q.log(), p))


@peer("… `Clustering` itself, float32 parameters", "zhoushengisnoob+OpenDeepClustering", {1: SINGLE})
def open_deep_clustering_module(file):
    layer = file("models/Simultaneous/DEC/clustering.py").take("Clustering")
    return {"my_soft_assignment": lambda z, mu, alpha: layer(mu.shape[1], len(mu), alpha, mu.tolist())(z),
            "asarray": torch.tensor}


@peer("bdy9527/SDCN", "bdy9527+SDCN", RIGHT)
def sdcn(file):
    source = file("sdcn.py")
    q, kl = source.lines("SDCN.forward", "q"), source.lines("train_sdcn", "kl_loss")
    return functions(lambda z, mu, a: q(z=z, self=bare(cluster_layer=mu, v=a)), source.take("target_distribution"),
                     lambda q, p: kl(q=q, p=p))


@peer("dawnranger/IDEC-pytorch", "dawnranger+IDEC-pytorch", RIGHT_NK)
def idec_pytorch(file):
    source = file("idec.py")
    q, kl = source.lines("IDEC.forward", "q"), source.lines("train_idec", "kl_loss")
    return functions(lambda z, mu, a: q(z=z, self=bare(cluster_layer=mu, alpha=a)), source.take("target_distribution"),
                     lambda q, p: kl(q=q, p=p, idx=slice(None)))


@peer("chunxy/IDEC (distances in a float32 array)", "chunxy+IDEC", {
    1: SINGLE, ("my_kl", 2): MEAN_NK, ("my_loss", 2): MEAN_NK & SINGLE, 3: HOLDS, 4: MEAN_NK & SINGLE,
    5: MEAN_NK & SINGLE})
def chunxy(file):
    source = file("idec.py")
    forward, kl = source.take("IDEC.forward"), source.lines("train_idec", "kl_loss")
    return functions(lambda z, mu, a: forward(bare(cluster_layer=mu, alpha=a, ae=lambda x: (x, x)), z)[1],
                     source.take("target_distribution"), lambda q, p: kl(q=q, p=p, idx=slice(None)))


@peer("k-han/DTC (P handed on as float32)", "k-han+DTC", {
    1: HOLDS, 2: MEAN_NK & SINGLE, 3: HOLDS, 4: MEAN_NK & SINGLE, 5: MEAN_NK & SINGLE})
def deep_transfer_clustering(file):
    q, target = file("modules/module.py").take("feat2prob", "target_distribution")
    loss = file("cifar100_DTC.py").lines("warmup_train", "loss")
    return functions(q, target, lambda q, p: loss(
        prob=q, args=bare(p_targets=p), idx=slice(None), device="cpu"))


@peer("michaal94/torch_DCEC", "michaal94+torch_DCEC", RIGHT)
def torch_dcec(file):
    loss = file("training_functions.py").lines("train_model", "loss_clust")
    return functions(assignment(file("nets.py").take("ClusterlingLayer.forward"), "weight"),
                     lambda q: file("training_functions.py").take("target")(q.numpy()),
                     lambda q, p: loss(clusters=q, tar_dist=p, criteria=[None, SUMMED], gamma=1, batch=len(q)))


@peer("Mr-SGXXX/Clustering", "Mr-SGXXX+Clustering", RIGHT)
def sgxxx(file):
    path = "methods/deep/DEC/"
    loss = file(path + "DEC.py").lines("DEC.clustering", "loss")
    return functions(assignment(file(path + "DEC_ClusteringLayer.py").take("ClusteringLayer.forward"), "mu"),
                     file(path + "DEC_utils.py").take("target_distribution"),
                     lambda q, p: loss(q=q, p=p, idx=slice(None)))


def _shyhyaw(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    forward, target = file("utils/nn.py").take("Cluster.forward", "get_p")
    loss = file("utils/for_train.py").lines("train", "batch_loss")
    return assignment(forward, "center"), target, lambda q, p: loss(q=q, get_p=lambda q: p, loss_fn=BATCHMEAN)


@peer("shyhyawJou/DEC-Pytorch", "shyhyawJou+DEC-Pytorch", RIGHT)
def shyhyaw(file):
    return functions(*_shyhyaw(file))


@peer("… loop", "shyhyawJou+DEC-Pytorch", LOSS)
def shyhyaw_loop(file):
    return loop(*_shyhyaw(file))


def _youngerous(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    model = file("model.py")
    target, loss = model.take("DEC._get_target_distribution"), model.lines("DEC.training_step", "loss")
    return (assignment(file("utils.py").take("SoftClusterAssignment.forward"), "centroid"), lambda q: target(None, q),
            lambda q, p: loss(q=q, p=p, self=bare(criterion=nn.functional.kl_div)))


@peer("youngerous/dec-pytorch", "youngerous+dec-pytorch", RIGHT_NK)
def youngerous(file):
    return functions(*_youngerous(file))


@peer("… loop", "youngerous+dec-pytorch", {
    2: MEAN_NK & OWN_P, 4: MEAN_NK & OWN_P, 5: MEAN_NK & OWN_P})
def youngerous_loop(file):
    q, target, kl = _youngerous(file)
    return loop(q, lambda q: target(q).detach(), kl)


@peer("sinstar3/DEC-PyTorch", "sinstar3+DEC-PyTorch", RIGHT)
def sinstar3(file):
    model = file("model.py")
    target = model.take("DEC._get_target_distribution")
    loss = model.lines("DEC.training_step", "loss")
    return functions(assignment(file("utils.py").take("SoftClusterAssignment.forward"), "centroid"),
                     lambda q: target(None, q), lambda q, p: loss(q=q, p=p))


@peer("guohaha126/DEC-pytorch", "guohaha126+DEC-pytorch", RIGHT)
def guohaha126(file):
    source = file("main.py")
    target, loss = source.take("DEC.target_distribution"), source.lines("train", "loss")
    return functions(assignment(source.take("ClusteringLayer.forward"), "cluster_centers"), lambda q: target(None, q),
                     lambda q, p: loss(output=q, target=p, loss_function=SUMMED))


@peer("OREYH/Deep-Embedded-Clustering", "OREYH+Deep-Embedded-Clustering", RIGHT)
def oreyh(file):
    source = file("scripts/pytorch_dec.py")
    kl = source.lines("train_dec", "kl_loss")
    return functions(assignment(source.take("DECLayer.forward"), "clusters"), source.take("target_distribution"),
                     lambda q, p: kl(q=q, p=p))


@peer("woullufy/deep-embedded-clustering (|z|^2 + |mu|^2 - 2 z mu)", "woullufy+deep-embedded-clustering", RIGHT)
def woullufy(file):
    source = file("models/dec.py")
    forward, loss = source.take("DEC.forward"), file("utils/training_dec.py").lines("", "loss")
    return functions(lambda z, mu, a: forward(bare(cluster_centers=mu, alpha=a, encoder=same), z)[0],
                     source.take("target_distribution"), lambda q, p: loss(q=q, p_batch=p, loss_fn=BATCHMEAN))


@peer("Tiger101010/DAEGC", "Tiger101010+DAEGC", RIGHT)
def daegc(file):
    source = file("DAEGC/daegc.py")
    q, kl = source.take("DAEGC.get_Q"), source.lines("trainer", "kl_loss")
    return functions(assignment(q, "cluster_layer", "v"), source.take("target_distribution"),
                     lambda q, p: kl(q=q, p=p))


def _pydgc(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    target = file("pydgc/utils/transform.py").take("target_distribution")
    loss = file("pydgc/modules/ssc.py", target_distribution=target).take("SSCLayer.loss")
    return (assignment(file("pydgc/modules/ssc.py").take("SSCLayer.forward"), "cluster_centers", "v"), target,
            lambda q, p=None: loss(q))


@peer("pydgc 1.0.3 (PyPI)", "pydgc-1.0.3", {1: HOLDS, 3: HOLDS})
def pydgc(file):
    q, target, _ = _pydgc(file)
    return {"my_soft_assignment": q, "my_target": target, "asarray": torch.tensor}


@peer("… loop", "pydgc-1.0.3", LOSS)
def pydgc_loop(file):
    q, _, kl = _pydgc(file)
    return {"my_loss": lambda z, mu, alpha: kl(q(z, mu, alpha)), "asarray": torch.tensor, "autodiff": "torch"}


def _pyagc(file: Callable[..., Source]) -> tuple[Any, Callable]:
    distance = file("pyagc/utils/misc.py").take("pairwise_squared_distance")
    source = file("pyagc/clusters/dec_cluster_head.py", pairwise_squared_distance=distance)
    names = ["_soft_assign", "_target_distribution", "forward"]
    methods = dict(zip(names, source.take(*(f"DECClusterHead.{name}" for name in names))))

    def head(mu: Any, alpha: float) -> Any:
        self = bare(cluster_centers=mu, alpha=alpha, _cached_target=None)
        for name, method in methods.items():
            setattr(self, name, method.__get__(self))
        return self

    return head, methods["_target_distribution"]


@peer("PyAGC 1.1.2 (PyPI)", "pyagc-1.1.2", {1: HOLDS, 3: HOLDS})
def pyagc(file):
    head, target = _pyagc(file)
    return {"my_soft_assignment": lambda z, mu, alpha: head(mu, alpha)._soft_assign(z),
            "my_target": lambda q: target(None, q), "asarray": torch.tensor}


@peer("… loop", "pyagc-1.1.2", LOSS)
def pyagc_loop(file):
    head, _ = _pyagc(file)
    return {"my_loss": lambda z, mu, alpha: head(mu, alpha).forward(z), "asarray": torch.tensor, "autodiff": "torch"}


@peer("… with update_target=False: P of the batch before", "pyagc-1.1.2", {
    2: wrong("other", "mean"), 4: wrong("other", "mean"), 5: wrong("other", "mean")})
def pyagc_stale(file):
    head, _ = _pyagc(file)

    def loss(z, mu, alpha):  # 128 rows a batch; P is that of the first
        layer, batches = head(mu, alpha), z.split(128)
        return sum(layer.forward(rows, update_target=i == 0) for i, rows in enumerate(batches)) / len(batches)

    return {"my_loss": loss, "asarray": torch.tensor, "autodiff": "torch"}
