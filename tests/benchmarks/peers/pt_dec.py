"""vlukiyanov/pt-dec and its copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peers.entry import EPS, HOLDS, MEAN, SINGLE, peer, wrong
from peers.on_torch import LOSS, RIGHT, SUMMED, assignment, functions, loop
from peers.source import Source, bare
from torch import nn


def _pt_dec(file: Callable[..., Source]) -> tuple[Callable, Callable, Callable]:
    q = assignment(file("ptdec/cluster.py").take("ClusterAssignment.forward"), "cluster_centers")
    loss = file("ptdec/model.py").lines("train", "loss")
    return q, file("ptdec/utils.py").take("target_distribution"), lambda q, p: loss(
        output=q, target=p, loss_function=SUMMED)


@peer("vlukiyanov/pt-dec", "vlukiyanov+pt-dec", RIGHT)
def pt_dec(file):
    return functions(*_pt_dec(file))


@peer("… loop", "vlukiyanov+pt-dec", LOSS)
def pt_dec_loop(file):
    q, target, kl = _pt_dec(file)
    return loop(q, lambda q: target(q).detach(), kl)


@peer("… loop that is handed P and makes its own", "vlukiyanov+pt-dec", {
    2: wrong("batch", "mean"), 4: wrong("batch", "mean"), 5: wrong("batch", "mean")})
def pt_dec_loop_p(file):
    q, target, kl = _pt_dec(file)
    return {"my_loss": lambda z, mu, p, a: kl(q(z, mu, a), target(q(z, mu, a)).detach()),
            "asarray": torch.tensor, "autodiff": "torch"}


@peer("… `ClusterAssignment` itself, float32 parameters", "vlukiyanov+pt-dec", {1: SINGLE})
def pt_dec_module(file):
    layer = file("ptdec/cluster.py", Optional=type(None) | int).take("ClusterAssignment")

    def q(z, mu, alpha):
        module = layer(len(mu), mu.shape[1], alpha)
        module.cluster_centers.data.copy_(mu)
        return module(z)

    return {"my_soft_assignment": q, "asarray": torch.tensor}


@peer("… `ClusterAssignment` handed over as a module", "vlukiyanov+pt-dec", {1: SINGLE, 4: SINGLE, 5: SINGLE})
def pt_dec_handed_over(file):
    layer = file("ptdec/cluster.py", Optional=type(None) | int).take("ClusterAssignment")
    return {"module": layer(4, 3, 1.0), "autodiff": "torch"}


@peer("microsoft/CASPR", "microsoft+CASPR", RIGHT)
def caspr(file):
    source = file("caspr/models/dec.py")
    q = assignment(source.take("ClusterAssignment.forward"), "cluster_centers")
    loss = source.lines("DEC.run", "loss")
    return functions(q, source.take("_target_distribution"), lambda q, p: loss(output=q, target=p, criterion=SUMMED))


@peer("DESCtorch 1.1.0 (PyPI)", "DESCtorch-1.1.0", RIGHT)
def desctorch(file):
    q = assignment(file("DESCtorch/cluster.py").take("ClusterAssignment.forward"), "cluster_centers")
    loss = file("DESCtorch/network.py").lines("DescModel.dec_train", "loss")
    return functions(q, file("DESCtorch/dec.py").take("target_distribution"),
                     lambda q, p: loss(output=q, p_prob=p, loss_function=SUMMED))


@peer("luochang212/dec-pytorch", "luochang212+dec-pytorch", RIGHT)
def luochang212(file):
    source = file("dec.py")
    q = assignment(source.take("ClusterAssignment.forward"), "cluster_centers")
    loss = source.lines("train_dec", "criterion", "loss")
    return functions(q, source.take("target_distribution"), lambda q, p: loss(output=q, target=p))


@peer("… archived/dec_cnn_vgg.py: cdist**2, log_softmax of q", "luochang212+dec-pytorch", {
    1: HOLDS, 2: wrong("softmax", "mean"), 3: HOLDS, 4: wrong("softmax", "mean"), 5: wrong("softmax", "mean")})
def luochang212_cdist(file):
    return _archived(file("archived/dec_cnn_vgg.py"))


@peer("… archived/dec_autoencoder.py: columns of P, log_softmax of q", "luochang212+dec-pytorch", {
    1: HOLDS, 2: wrong("softmax", "mean"), 3: wrong("column"), 4: wrong("softmax", "mean"), 5: wrong("softmax", "mean")})
def luochang212_columns(file):
    return _archived(file("archived/dec_autoencoder.py"))


def _archived(source: Source) -> dict[str, Any]:
    target, kl = source.take("DEC.target_distribution"), source.lines("DEC.fit", "log_q", "loss")
    return functions(assignment(source.take("ClusteringLayer.forward"), "clusters"), lambda q: target(None, q),
                     lambda q, p: kl(q_batch=q, p_batch=p, self=bare(log_softmax=nn.LogSoftmax(dim=1))))


@peer("amazon-science/sccl", "amazon-science+sccl", {
    1: HOLDS, 2: MEAN & EPS, 3: HOLDS, 4: MEAN & EPS, 5: MEAN & EPS})
def sccl(file):
    q = assignment(file("models/Transformers.py").take("SCCLBert.get_cluster_prob"), "cluster_centers")
    loss = file("training.py").lines("SCCLvTrainer.train_step_explicit", "cluster_loss")
    return functions(q, file("learner/cluster_utils.py").take("target_distribution"),
                     lambda q, p: loss(output=q, target=p, self=bare(cluster_loss=SUMMED)))


@peer("Emac99/DEC_Synoptic_weather", "Emac99+DEC_Synoptic_weather", RIGHT)
def synoptic(file):
    loss = file("model.py").lines("train", "loss")
    source = file("utils.py")
    return functions(assignment(source.take("ClusterAssignment.forward"), "cluster_centers"),
                     source.take("target_distribution"), lambda q, p: loss(output=q, target=p, loss_function=SUMMED))
