"""Methods of the paper's tables. Each function is the work of a cell, and returns the scores of one run.

Labels are used only for the scores. ``folder`` is the folder of the results. ``data`` are keyword arguments of
``data.load``. ``features`` is None for the rows themselves, or the network whose embedding replaces the rows ("AE+" in
Table 3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from .. import kernels
from ..autoencoder import StackedAutoencoder
from ..baselines import LDMGI, SEC
from ..baselines.cliques import normalized_cut_laplacian
from ..dec import DEC
from ..layers import Dense
from ..metrics import adjusted_rand_index, cluster_accuracy, normalized_mutual_info
from ..profiles import Profile
from . import store
from .cells import cell_work
from .data import load
from .specs import DataSpec, NetworkSpec

__all__ = ["dec", "gmm", "identity", "kmeans", "ldmgi", "loss_within", "new_dec", "scores", "sec", "spectral", "top_ten"]

N_INIT = 20  # "all baselines 20 random restarts, best objective" (section 4.3)


def scores(y: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Return ACC (Eq. 10), NMI and ARI."""
    return {"ACC": cluster_accuracy(y, labels), "NMI": normalized_mutual_info(y, labels),
            "ARI": adjusted_rand_index(y, labels)}


@cell_work("decnp.experiments.methods.kmeans")
def kmeans(folder: Path, data: DataSpec, features: NetworkSpec | None, seed: int, n_init: int = N_INIT) -> dict[str, Any]:
    """Run scikit-learn's k-means and return its scores."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    with threadpool_limits(1, "openmp"):  # with more threads, the order of the sums varies
        model = KMeans(k, n_init=n_init, random_state=seed).fit(X)
    return {**scores(y, model.labels_), "objective": float(model.inertia_) / len(X)}


@cell_work("decnp.experiments.methods.gmm")
def gmm(folder: Path, data: DataSpec, features: NetworkSpec | None, seed: int) -> dict[str, Any]:
    """Run scikit-learn's Gaussian mixture, with full covariances for embeddings and diagonal covariances for rows."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    kind = "diag" if features is None else "full"
    model = GaussianMixture(k, covariance_type=kind, reg_covar=1e-3, random_state=seed).fit(X)
    return {**scores(y, model.predict(X)), "objective": float(model.lower_bound_), "covariances": kind}


@cell_work("decnp.experiments.methods.spectral")
def spectral(folder: Path, data: DataSpec, features: NetworkSpec | None, seed: int) -> dict[str, Any]:
    """Run scikit-learn's spectral clustering (normalized cut) on the graph of LDMGI and SEC, with Gaussian weights."""
    y, k = load(**data)[1:3]
    L, trivial = normalized_cut_laplacian(store.cliques(folder, data, features))
    A = -(L.multiply(trivial[:, None]).multiply(trivial[None])).tocsr()  # D^1/2 (I - L) D^1/2, off the diagonal
    A.setdiag(0)
    A.eliminate_zeros()
    model = SpectralClustering(k, affinity="precomputed", n_init=N_INIT, random_state=seed, eigen_tol=1e-4)
    return scores(y, model.fit_predict(A))


@cell_work("decnp.experiments.methods.ldmgi")
def ldmgi(folder: Path, data: DataSpec, features: NetworkSpec | None, seed: int, lam: float) -> dict[str, Any]:
    """Run LDMGI with one ``lam`` and return its scores."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    model = LDMGI(k, lam=lam, n_init=N_INIT, random_state=seed)
    labels = model.fit_predict(X, cliques=store.cliques(folder, data, features))
    return {**scores(y, labels), "objective": model.objective_ / len(X)}


@cell_work("decnp.experiments.methods.sec")
def sec(folder: Path, data: DataSpec, features: NetworkSpec | None, seed: int, mu: float) -> dict[str, Any]:
    """Run SEC with one ``mu`` and return its scores."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    model = SEC(k, mu=mu, n_init=N_INIT, random_state=seed)
    return scores(y, model.fit_predict(X, cliques=store.cliques(folder, data, features)))


@cell_work("decnp.experiments.methods.dec")
def dec(folder: Path, data: DataSpec, network: NetworkSpec, update_interval: int,
        update_encoder: bool = True) -> dict[str, Any]:
    """Run DEC from the cached autoencoder. The labels are the same as from ``decnp fit`` with this seed.

    The result has the scores at the end ("ACC", "NMI", "ARI") and at the start ("start"). "refreshes" lists the
    step, the fraction of labels changed, the mean loss since the last refresh, and ACC of each refresh of P. "top_ten"
    lists the ten rows nearest to the center of each cluster, for Figure 3.
    """
    X, y, k, _ = load(**data)
    ae = store.autoencoder(folder, data, network)
    if not update_encoder:  # the embedding does not change, so it is computed once
        X = ae.encode(X)
        ae = identity(ae)
    model = new_dec(k, ae, network, update_interval, update_encoder)
    refreshes = []
    for step in model.iter_fit(X):
        if step.phase == "cluster":
            refreshes.append([step.iteration, step.changed, round(step.loss, 6), cluster_accuracy(y, model.labels_)])
    return {**scores(y, model.labels_), "start": scores(y, model.initial_labels_), "n_iter": model.n_iter_,
            "converged": model.converged_, "stop_reason": model.stop_reason_, "refreshes": refreshes,
            "sizes": np.bincount(model.labels_, minlength=k).tolist(), "top_ten": top_ten(model, X)}


def top_ten(model: DEC, X: np.ndarray) -> list[dict[str, Any]]:
    """Return the size of each cluster, the largest first, and the ten rows nearest to its center with distances."""
    distance = np.linalg.norm(model.transform(X) - model.cluster_centers_[model.labels_], axis=1)
    clusters = []
    for j in np.argsort(-np.bincount(model.labels_, minlength=len(model.cluster_centers_)), kind="stable"):
        own = np.flatnonzero(model.labels_ == j)
        rows = own[np.argsort(distance[own], kind="stable")[:10]]
        clusters.append({"size": len(own), "rows": rows.tolist(), "distances": distance[rows].round(4).tolist()})
    return clusters


def loss_within(model: DEC, X: np.ndarray) -> float:
    """Return Eq. 2 as a mean per row of X (n, D), in nats, with the target P of Eq. 3 computed on X alone."""
    q = model.predict_proba(X)
    return float(kernels.kl_divergence(kernels.target_distribution(q), q)) / len(X)


def identity(ae: StackedAutoencoder) -> StackedAutoencoder:
    """Return an autoencoder that maps the embedding of ``ae`` to itself, to the bit."""
    d = ae.encoder_[-1].W.shape[1]
    layer = Dense(np.eye(d, dtype=np.float32), np.zeros(d, np.float32), "linear")
    return StackedAutoencoder.from_layers([layer], [layer], dtype="float32")


def new_dec(k: int, autoencoder: StackedAutoencoder, network: NetworkSpec, update_interval: int,
            update_encoder: bool = True) -> DEC:
    """Return the estimator of ``decnp fit`` with an autoencoder that is already trained."""
    return DEC(k, hidden_layer_sizes=tuple(network["hidden"]), profile=Profile(**network["profile"]),
               update_interval=update_interval, update_encoder=update_encoder, autoencoder=autoencoder,
               dtype="float32", random_state=network["seed"])
