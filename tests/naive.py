"""The equations and layers as plain loops; the tests and ``decnp gradcheck`` share them."""

from itertools import permutations

from decnp.gradcheck.naive import *  # noqa: F403


def best_by_trying(y_true, labels):
    """ACC with every injective map tried: D! of them, so small cases only."""
    size = max(len(set(y_true)), len(set(labels)))
    classes = [*set(y_true), *(("no class", i) for i in range(size))][:size]
    clusters = [*set(labels), *(("no cluster", i) for i in range(size))][:size]
    hits = (
        sum(dict(zip(clusters, image))[c] == l for l, c in zip(y_true, labels)) for image in permutations(classes)
    )
    return max(hits) / len(y_true)
