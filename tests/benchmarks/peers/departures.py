"""Peers in PyTorch that depart from the formulas: a bracket, an epsilon, P not held constant, the cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peers.entry import ALPHA_1, BRACKET, EPS, HOLDS, MEAN, MEAN_NK, NO_DETACH, OWN_P, ZERO_P, Expected, peer, wrong
from peers.on_torch import BATCHMEAN, assignment, functions, loop
from peers.source import Source, bare, same

GUARDED = MEAN & EPS & ZERO_P  # mean of sum p log(p / (q + 1e-6))
BRACKET_LOSS = Expected("wrong", ("bracket", "mean", "eps"), "")
BRACKETED = {1: BRACKET, ("my_kl", 2): GUARDED, ("my_loss", 2): BRACKET_LOSS, 3: HOLDS, 4: BRACKET_LOSS,
             5: BRACKET_LOSS}
BRACKET_NK = wrong("bracket", "mean over the n k")


def _eelxpeng(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    forward, target, loss = file("lib/dec.py").take("DEC.forward", "DEC.target_distribution", "DEC.loss_function")
    return (lambda z, mu, a: forward(bare(mu=mu, alpha=a, encoder=same, _enc_mu=same), z),
            lambda q: target(None, q), lambda q, p: loss(None, p, q))


@peer("eelxpeng/dec-pytorch", "eelxpeng+dec-pytorch", BRACKETED)
def eelxpeng(file):
    q, target, kl = _eelxpeng(file)
    return functions(lambda z, mu, a: q(z, mu, a)[1], target, kl)


@peer("… `forward` as it is, returns (z, q)", "eelxpeng+dec-pytorch", {1: BRACKET})
def eelxpeng_tuple(file):
    return {"my_soft_assignment": _eelxpeng(file)[0], "asarray": torch.tensor}


@peer("Be-Zero/sdec-pytorch", "Be-Zero+sdec-pytorch", BRACKETED)
def be_zero(file):
    q, target, kl = _eelxpeng(file)
    return functions(lambda z, mu, a: q(z, mu, a)[1], target, kl)


def _spagcn(file: Callable[..., Source], alpha: float | None = None) -> tuple[Callable, Callable, Callable]:
    names = "simple_GC_DEC.forward", "simple_GC_DEC.target_distribution", "simple_GC_DEC.loss_function"
    forward, target, loss = file("SpaGCN/models.py").take(*names)
    return (lambda z, mu, a: forward(bare(mu=mu, alpha=a, gc=same), z, None)[1],
            lambda q: target(None, q), lambda q, p: loss(None, p, q))


@peer("SpaGCN 1.2.7 (PyPI)", "SpaGCN-1.2.7", BRACKETED)
def spagcn(file):
    return functions(*_spagcn(file))


@peer("… at its own default, alpha = 0.2, no alpha argument", "SpaGCN-1.2.7", {1: wrong("bracket", r"0\.2")})
def spagcn_default(file):
    q, _, _ = _spagcn(file)
    return {"my_soft_assignment": lambda z, mu: q(z, mu, 0.2), "asarray": torch.tensor}


@peer("spagcn-modern 1.4.1 (PyPI)", "spagcn_modern-1.4.1", {1: HOLDS})
def spagcn_modern(file):
    return {"my_soft_assignment": file("SpaGCN/models.py").take("_student_t_assignments"), "asarray": torch.tensor}


@peer("… at alpha = 0.2, no alpha argument", "spagcn_modern-1.4.1", {
    1: Expected(ALPHA_1.verdict, (r"alpha = 0\.2",))})
def spagcn_modern_default(file):
    q = file("SpaGCN/models.py").take("_student_t_assignments")
    return {"my_soft_assignment": lambda z, mu: q(z, mu, 0.2), "asarray": torch.tensor}


@peer("… its legacy mode", "spagcn_modern-1.4.1", {1: BRACKET})
def spagcn_legacy(file):
    return {"my_soft_assignment": file("SpaGCN/models.py").take("_legacy_assignments"), "asarray": torch.tensor}


def _charles_nord(file: Callable[..., Source], z: Any, mu: Any, alpha: float) -> Any:
    return file("deep_clustering_vae.py", alpha=alpha, cluster_centers=mu).take("loss_func")(z)


@peer("CharlesNord/DEC-pytorch", "CharlesNord+DEC-pytorch", {
    1: BRACKET, ("my_kl", 2): MEAN_NK, ("my_loss", 2): BRACKET_NK, 3: HOLDS, 4: BRACKET_NK, 5: BRACKET_NK})
def charles_nord(file):
    source = file("deep_clustering_vae.py")
    q, p = source.lines("loss_func", "q"), source.lines("loss_func", "weight", "p")
    kl = source.lines("loss_func", "log_q", "loss")
    return functions(lambda z, mu, a: q(feat=z, cluster_centers=mu, alpha=a), lambda q: p(q=q),
                     lambda q, p: kl(q=q, p=p))


@peer("… its own `loss_func`", "CharlesNord+DEC-pytorch", {
    2: BRACKET_NK, 4: NO_DETACH & BRACKET_NK, 5: NO_DETACH & BRACKET_NK})
def charles_nord_loss(file):
    return {"my_loss": lambda z, mu, alpha: _charles_nord(file, z, mu, alpha)[0], "asarray": torch.tensor,
            "autodiff": "torch"}


@peer("… its `loss_func` as it is, returns (loss, P)", "CharlesNord+DEC-pytorch", {
    2: BRACKET_NK, 4: NO_DETACH & BRACKET_NK, 5: NO_DETACH & BRACKET_NK})
def charles_nord_tuple(file):
    return {"my_loss": lambda z, mu, alpha: _charles_nord(file, z, mu, alpha), "asarray": torch.tensor,
            "autodiff": "torch"}


def _andy(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    forward, target = file("dec/models.py").take("Cluster_Layer.forward", "DEC.target_distribution")
    kl = file("dec/utils.py").take("kl_divergence")
    return assignment(forward, "clusters"), lambda q: target(None, q), lambda q, p: kl(p, q)


@peer("AndyandViky/DEC-pytorch", "AndyandViky+DEC-pytorch", {
    1: HOLDS, 2: MEAN & ZERO_P, 3: HOLDS, 4: MEAN & ZERO_P, 5: MEAN & ZERO_P})
def andy(file):
    return functions(*_andy(file))


@peer("… loop", "AndyandViky+DEC-pytorch", {
    2: MEAN, 4: NO_DETACH & wrong("mean"), 5: NO_DETACH & wrong("mean")})
def andy_loop(file):
    return loop(*_andy(file))


def _clustpy(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    distance = file("clustpy/deep/_utils.py").take("squared_euclidean_distance")
    names = "_dec_predict", "_dec_compression_value", "_dec_compression_loss_fn"
    predict, target, loss = file("clustpy/deep/dec.py", squared_euclidean_distance=distance).take(*names)
    return lambda z, mu, a: predict(mu, z, a, None), target, loss


@peer("ClustPy 0.0.3 (PyPI)", "clustpy-0.0.3", {
    1: HOLDS, 2: wrong("p log p|cross-entropy", "mean"), 3: HOLDS, 4: MEAN & EPS, 5: MEAN & EPS})
def clustpy(file):
    return functions(*_clustpy(file))


@peer("… loss as it is, arguments (q, p)", "clustpy-0.0.3", {2: wrong("p log p|cross-entropy", "mean")})
def clustpy_arguments(file):
    return {"my_kl": _clustpy(file)[2], "asarray": torch.tensor, "arguments": {"my_kl": ("q", "p")}}


@peer("… loop", "clustpy-0.0.3", {
    2: wrong("p log p|cross-entropy", "mean"), 4: MEAN & EPS & OWN_P, 5: MEAN & EPS & OWN_P})
def clustpy_loop(file):
    q, _, loss = _clustpy(file)
    return {"my_loss": lambda z, mu, a: loss(q(z, mu, a)), "asarray": torch.tensor, "autodiff": "torch"}


def _ttgump(file: Callable[..., Source], name: str) -> dict[str, Any]:
    methods = [f"{name}.{method}" for method in ("soft_assign", "target_distribution", "cluster_loss")]
    q, target, loss = file(f"{name}.py").take(*methods)
    return functions(assignment(q, "mu"), lambda q: target(None, q), lambda q, p: loss(bare(gamma=1.0), p, q))


@peer("ttgump/scDeepCluster_pytorch", "ttgump+scDeepCluster_pytorch", {
    1: HOLDS, 2: GUARDED, 3: HOLDS, 4: GUARDED, 5: GUARDED})
def sc_deep_cluster(file):
    return _ttgump(file, "scDeepCluster")


@peer("ttgump/scDCC", "ttgump+scDCC", {1: HOLDS, 2: GUARDED, 3: HOLDS, 4: GUARDED, 5: GUARDED})
def sc_dcc(file):
    return _ttgump(file, "scDCC")


@peer("jackwang0108/DEC", "jackwang0108+DEC", {1: HOLDS, 2: MEAN, 3: EPS, 4: MEAN, 5: MEAN})
def jackwang0108(file):
    q, target = file("networks/dec.py").take("soft_assignment", "target_distribution")
    loss = file("dec-main.py").lines("parameter_optimization", "loss")
    return functions(q, target, lambda q, p: loss(qij=q, pij=p, kl_divergence=BATCHMEAN))


@peer("Drylian123/SLIM, alpha = 1", "Drylian123+SLIM", {1: ALPHA_1, 2: MEAN_NK, 3: HOLDS})
def slim(file):
    source = file("SLIM-MUTAG/Clustering.py")
    q, kl = source.lines("Clustering", "alpha", "q"), source.lines("Clustering", "kl_loss")
    return {"my_soft_assignment": lambda z, mu: q(z=z, Uw=mu), "my_kl": lambda p, q: kl(q=q, p=p),
            "my_target": source.take("target_distribution"), "asarray": torch.tensor}


@peer("… loss, P not detached", "Drylian123+SLIM", {
    2: MEAN_NK, 4: NO_DETACH & wrong("n k"), 5: NO_DETACH & wrong("n k")})
def slim_loss(file):
    source = file("SLIM-MUTAG/Clustering.py")
    target = source.take("target_distribution")
    q, kl = source.lines("Clustering", "alpha", "q"), source.lines("Clustering", "p", "kl_loss")
    return {"my_loss": lambda z, mu: kl(q=q(z=z, Uw=mu), target_distribution=target), "asarray": torch.tensor,
            "autodiff": "torch"}
