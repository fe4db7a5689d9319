"""The methods of the paper's tables, each as the work of a cell: it gives the scores of one run.

Labels are used for the scores and for nothing else. ``data`` are keyword arguments of ``data.load``; ``features`` is
None for the rows themselves, or the network whose code stands for them ("AE+" in the paper's Table 3).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
from ..training.records import History
from . import store
from .data import load

__all__ = ["dec", "gmm", "identity", "kmeans", "ldmgi", "loss_within", "scores", "sec", "spectral", "top_ten"]

N_INIT = 20  # "all baselines 20 random restarts, best objective" (section 4.3)


def scores(y, labels) -> dict:
    """ACC (Eq. 10), NMI and ARI."""
    return {"ACC": cluster_accuracy(y, labels), "NMI": normalized_mutual_info(y, labels),
            "ARI": adjusted_rand_index(y, labels)}


def kmeans(folder: Path, data: dict, features: dict | None, seed: int, n_init: int = N_INIT) -> dict:
    """scikit-learn's k-means."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    with threadpool_limits(1, "openmp"):  # with more threads, k-means adds up in any order
        model = KMeans(k, n_init=n_init, random_state=seed).fit(X)
    return {**scores(y, model.labels_), "objective": float(model.inertia_) / len(X)}


def gmm(folder: Path, data: dict, features: dict | None, seed: int) -> dict:
    """scikit-learn's Gaussian mixture: full covariances on a code, diagonal ones on the rows themselves."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    kind = "diag" if features is None else "full"
    model = GaussianMixture(k, covariance_type=kind, reg_covar=1e-3, random_state=seed).fit(X)
    return {**scores(y, model.predict(X)), "objective": float(model.lower_bound_), "covariances": kind}


def spectral(folder: Path, data: dict, features: dict | None, seed: int) -> dict:
    """scikit-learn's spectral clustering (normalised cut) of the graph that LDMGI and SEC have, Gaussian weights."""
    y, k = load(**data)[1:3]
    L, trivial = normalized_cut_laplacian(store.cliques(folder, data, features))
    A = -(L.multiply(trivial[:, None]).multiply(trivial[None])).tocsr()  # D^1/2 (I - L) D^1/2, off the diagonal
    A.setdiag(0)
    A.eliminate_zeros()
    model = SpectralClustering(k, affinity="precomputed", n_init=N_INIT, random_state=seed, eigen_tol=1e-4)
    return scores(y, model.fit_predict(A))


def ldmgi(folder: Path, data: dict, features: dict | None, seed: int, lam: float) -> dict:
    """LDMGI with one lam."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    model = LDMGI(k, lam=lam, n_init=N_INIT, random_state=seed)
    labels = model.fit_predict(X, cliques=store.cliques(folder, data, features))
    return {**scores(y, labels), "objective": model.objective_ / len(X)}


def sec(folder: Path, data: dict, features: dict | None, seed: int, mu: float) -> dict:
    """SEC with one mu."""
    X, (_, y, k, _) = store.features(folder, data, features), load(**data)
    model = SEC(k, mu=mu, n_init=N_INIT, random_state=seed)
    return scores(y, model.fit_predict(X, cliques=store.cliques(folder, data, features)))


def dec(folder: Path, data: dict, network: dict, update_interval: int, update_encoder: bool = True) -> dict:
    """DEC from the autoencoder kept for ``network``: the same end as ``decnp fit`` with this seed.

    Beside the scores: those of the k-means start; of each refresh of P its step, the share of labels changed, the mean
    loss before it, and ACC; and of each cluster, the largest first, the ten rows nearest to its centre, for Figure 3.
    """
    X, y, k, _ = load(**data)
    ae = store.autoencoder(folder, data, network)
    if not update_encoder:  # the code stays as it is: it is worked out once, for the rows
        X = ae.encode(X)
        ae = identity(ae)
    model = new_dec(k, ae, network, update_interval, update_encoder)
    refreshes = []
    for step in model.steps(X):
        if step.phase == "cluster":
            refreshes.append([step.iteration, step.changed, round(step.loss, 6), cluster_accuracy(y, model.labels_)])
    return {**scores(y, model.labels_), "start": scores(y, model.initial_labels_), "n_iter": model.n_iter_,
            "converged": model.converged_, "stop_reason": model.stop_reason_, "refreshes": refreshes,
            "sizes": np.bincount(model.labels_, minlength=k).tolist(), "top_ten": top_ten(model, X)}


def top_ten(model: DEC, X: np.ndarray) -> list[dict]:
    """Of each cluster, the largest first: its size, the ten rows nearest to its centre, and their distances."""
    distance = np.linalg.norm(model.transform(X) - model.cluster_centers_[model.labels_], axis=1)
    clusters = []
    for j in np.argsort(-np.bincount(model.labels_, minlength=len(model.cluster_centers_)), kind="stable"):
        own = np.flatnonzero(model.labels_ == j)
        rows = own[np.argsort(distance[own], kind="stable")[:10]]
        clusters.append({"size": len(own), "rows": rows.tolist(), "distances": distance[rows].round(4).tolist()})
    return clusters


def loss_within(model: DEC, X: np.ndarray) -> float:
    """Eq. 2 as a mean per row of X (n, D), with the target P by Eq. 3 within X."""
    q = model.predict_proba(X)
    return float(kernels.kl_divergence(kernels.target_distribution(q), q)) / len(X)


def identity(ae: StackedAutoencoder) -> StackedAutoencoder:
    """An autoencoder of the codes of ``ae`` that leaves them as they are, to the bit."""
    d = ae.encoder_[-1].W.shape[1]
    layer = Dense(np.eye(d, dtype=np.float32), np.zeros(d, np.float32), "linear")
    same = StackedAutoencoder((d,), dtype="float32")
    same.encoder_, same.decoder_, same.n_features_in_ = [layer], [layer], d
    same.shift_, same.scale_, same.history_ = np.float32(0), np.float32(1), History()
    return same


def new_dec(k: int, autoencoder, network: dict, update_interval: int, update_encoder: bool = True) -> DEC:
    """An estimator as ``decnp fit`` makes it, with an autoencoder that is trained."""
    return DEC(k, hidden_layer_sizes=tuple(network["hidden"]), profile=Profile(**network["profile"]),
               update_interval=update_interval, update_encoder=update_encoder, autoencoder=autoencoder,
               dtype="float32", random_state=network["seed"])
