"""Deep Embedded Clustering as a scikit-learn estimator: the paper's section 3, top to bottom."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Callable, Iterator, Sequence

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from . import equations
from .autoencoder import StackedAutoencoder, Step, TrainingError, in_blocks, minibatches
from .checks import as_generator, check_data, check_distinct, check_number
from .engine import engine_for
from .layers import Dense, arrays_of, mlp, mlp_vjp
from .optim import SGD
from .profiles import Profile, profile_for

__all__ = ["DEC", "clustering_loss_and_grads"]


def clustering_loss_and_grads(
    theta: Sequence[Dense], mu: np.ndarray, x: np.ndarray, p: np.ndarray, alpha: float = 1.0,
    loss_and_grads: Callable = equations.loss_and_grads, update_encoder: bool = True,
) -> tuple[float, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """One clustering step's loss and gradients, as means over its b samples (DEC section 3.1.3).

    Parameters
    ----------
    theta : the encoder's layers, D to d
    mu : (k, d) centroids
    x : (b, D) minibatch, scaled as in training
    p : (b, k) its rows of P, held constant
    alpha : degrees of freedom
    loss_and_grads : Eqs. 2, 4 and 5, from ``equations`` or ``kernels``
    update_encoder : False leaves the encoder's gradients out

    Returns
    -------
    loss : KL in nats per sample
    g_mu : (k, d)
    g_theta : [(g_W, g_b) of each layer]; empty without ``update_encoder``

    Raises ValueError where the shapes do not fit. Differs from the paper: it prints sums; the authors' code
    divides by the minibatch, and the learning rate of 0.01 is meant for that.

    >>> theta = [Dense(np.eye(1), np.zeros(1), "linear")]
    >>> x = mu = np.array([[0.0], [1.0]])
    >>> loss, g_mu, [(g_W, g_b)] = clustering_loss_and_grads(theta, mu, x, np.array([[0.8, 0.2], [0.2, 0.8]]))
    >>> g_mu.round(4)
    array([[ 0.0667],
           [-0.0667]])
    """
    b = len(x)
    hs = mlp(theta, x)
    loss, grad_z, grad_mu = loss_and_grads(hs[-1], mu, p, alpha)  # Eqs. 2, 4, 5: sums
    g_theta = []
    if update_encoder:
        _, g_theta = mlp_vjp(grad_z / b, theta, hs, need_x=False)  # Eq. 4 is the g of backpropagation
    return float(loss) / b, grad_mu / b, g_theta


class DEC(ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin, BaseEstimator):
    """Deep Embedded Clustering (Xie, Girshick, Farhadi, ICML 2016).

    A stacked autoencoder is trained on X; k-means in its code gives the centroids; then encoder and
    centroids together lower KL(P || Q) (Eqs. 1-5), with the targets P refreshed from the whole data every
    ``update_interval`` steps, until fewer than ``tol`` of the labels change between two refreshes.

    Parameters
    ----------
    n_clusters : number of clusters k
    hidden_layer_sizes : widths of the encoder's layers; the last one is d
    alpha : degrees of freedom of Student's t in Eq. 1
    profile : "fast", "paper" or a ``decnp.Profile``: the training schedule
    update_interval : steps between refreshes of P (the paper's lambda); None takes the profile's
    tol : stop when a smaller fraction of the labels changes between two refreshes
    batch_size : rows in a minibatch
    max_iter : steps of the clustering phase at most; None takes the profile's
    n_init : restarts of k-means
    update_encoder : False keeps the encoder fixed and trains the centroids only ("DEC w/o backprop")
    autoencoder : a fitted ``StackedAutoencoder`` to start from (it is copied), or None to train one
    engine : "numba" or "numpy"; the same functions, compiled or plain
    dtype : "float32", "float64", or None for float32 where it holds X exactly, else float64
    random_state : None, int, ``numpy.random.Generator`` or ``RandomState``
    verbose : 0 is silent; 1 prints a line for each report

    Attributes
    ----------
    labels_ : (n,) int32, equal to ``predict(X)`` on the training data
    cluster_centers_ : (k, d) centroids mu, in the embedded space
    autoencoder_ : ``StackedAutoencoder``; its encoder is f_theta after clustering, its decoder is as pretrained
    initial_labels_ : (n,) int32, the k-means labels that the clustering phase started from
    initial_centers_ : (k, d) the centroids it started from
    n_iter_ : steps of the clustering phase
    converged_, stop_reason_ : whether ``tol`` was met, and a sentence
    history_ : list of ``Step``, one for each report
    n_features_in_ : D

    Differs from the paper: see ``decnp.Profile``, switch by switch.

    >>> from decnp import DEC
    >>> from decnp.datasets import load_digits
    >>> X, _ = load_digits()
    >>> dec = DEC(10, hidden_layer_sizes=(32, 5), random_state=0).fit(X)
    >>> dec.labels_.shape, dec.cluster_centers_.shape
    ((1797,), (10, 5))
    """

    def __init__(
        self, n_clusters=8, *, hidden_layer_sizes=(500, 500, 2000, 10), alpha=1.0, profile="fast",
        update_interval=None, tol=1e-3, batch_size=256, max_iter=None, n_init=20, update_encoder=True,
        autoencoder=None, engine="numba", dtype=None, random_state=None, verbose=0,
    ):
        self.n_clusters = n_clusters
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.profile = profile
        self.update_interval = update_interval
        self.tol = tol
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_init = n_init
        self.update_encoder = update_encoder
        self.autoencoder = autoencoder
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None) -> "DEC":
        """Train on X (n, D). ``y`` is ignored.

        Raises
        ------
        ValueError
            For bad input or parameters, in one sentence.
        TrainingError
            If the numbers overflow in training.
        """
        for step in self.steps(X):
            if self.verbose:
                changed = "" if step.changed is None else f"  labels changed {step.changed:.2%}"
                print(f"{step.phase:>12}  {step.iteration:>7}/{step.n_iter}  loss {step.loss:.5f}{changed}", flush=True)
        return self

    def steps(self, X) -> Iterator[Step]:
        """The training run as a generator of ``Step``; ``fit`` drains it, a notebook can watch it."""
        X = check_data(self, X, reset=True)
        self._check_parameters(X)
        profile = self._profile(len(X))
        autoencoder_rng, kmeans_rng, batch_rng = as_generator(self.random_state).spawn(3)
        self.history_ = []

        if self.autoencoder is None:
            self.autoencoder_ = StackedAutoencoder(
                self.hidden_layer_sizes, profile=profile, batch_size=self.batch_size, engine=self.engine,
                dtype=X.dtype.name, random_state=autoencoder_rng,
            )
            for step in self.autoencoder_.steps(X):
                self.history_.append(step)
                yield step
        else:
            self.autoencoder_ = deepcopy(self.autoencoder)

        z = self._embed(X)
        with threadpool_limits(1, "openmp"):  # with more threads, k-means adds up in any order
            kmeans = KMeans(self.n_clusters, n_init=self.n_init, random_state=int(kmeans_rng.integers(2**31))).fit(z)
        self.initial_labels_ = kmeans.labels_.astype(np.int32)
        self.initial_centers_ = kmeans.cluster_centers_.astype(X.dtype)
        self.cluster_centers_ = self.initial_centers_.copy()
        self.history_.append(Step("k-means", kmeans.n_iter_, kmeans.n_iter_, kmeans.inertia_ / len(X)))
        yield self.history_[-1]

        for step in self._cluster(X, profile, batch_rng):
            self.history_.append(step)
            yield step

    def _cluster(self, X, profile: Profile, rng) -> Iterator[Step]:
        """The clustering phase, DEC section 3.1: refresh P, take ``update_interval`` steps, repeat."""
        engine = engine_for(self.engine)
        theta, mu = self.autoencoder_.encoder_, self.cluster_centers_
        trained = [mu] + (arrays_of(theta) if self.update_encoder else [])
        lr_scale = [1.0] + [1.0, profile.kl_bias_lr] * (len(trained) // 2)
        optimizer = SGD(trained, profile.kl_lr, profile.kl_momentum, lr_scale, engine.sgd_update)
        batches = minibatches(len(X), self.batch_size, profile.shuffle, rng)
        labels, changed, loss, t = None, 1.0, np.nan, 0
        while True:
            z = self._embed(X)
            if not (np.isfinite(z).all() and np.isfinite(mu).all()):
                raise TrainingError(
                    f"the embedding or the centroids overflowed in the clustering phase before iteration {t}; try a smaller kl_lr"
                )
            q = engine.soft_assignment(z, mu, self.alpha)  # Eq. 1, all points
            last, labels = labels, q.argmax(axis=1).astype(np.int32)
            if last is not None:
                changed = float(np.mean(labels != last))
            self.labels_, self.n_iter_ = labels, t
            self.converged_ = changed < self.tol
            p = engine.target_distribution(q)  # Eq. 3, all points; constant until the next refresh
            if t == 0:
                loss = float(engine.kl_divergence(p, q)) / len(X)
            yield Step("cluster", t, profile.max_iter, loss, changed)
            if self.converged_ or t >= profile.max_iter:
                break
            if profile.momentum_restart:
                optimizer.restart()
            loss, steps = 0.0, min(profile.update_interval, profile.max_iter - t)
            for _ in range(steps):
                loss += self._step(X, p, next(batches), theta, mu, optimizer, engine) / steps
            t += steps
        self.stop_reason_ = (
            f"{changed:.3%} of the labels changed between two refreshes of P, fewer than tol = {self.tol:.3%}"
            if self.converged_
            else f"max_iter = {profile.max_iter} steps were taken; {changed:.3%} of the labels still changed"
        )

    def _step(self, X, p, i, theta, mu, optimizer, engine) -> float:
        """One SGD step on rows i; returns the minibatch's mean KL."""
        with np.errstate(over="ignore", invalid="ignore"):  # the next refresh sees an embedding that is not finite
            x = self.autoencoder_._scaled(X[i])
            loss, g_mu, g_theta = clustering_loss_and_grads(
                theta, mu, x, p[i], self.alpha, engine.loss_and_grads, self.update_encoder)
            optimizer.step([g_mu] + arrays_of(g_theta))
        return loss

    def _embed(self, X):
        return in_blocks(self.autoencoder_._encode_block, X)

    def transform(self, X) -> np.ndarray:
        """X (n, D) -> the embedding z = f_theta(x), (n, d)."""
        check_is_fitted(self, "stop_reason_")
        return self._embed(check_data(self, X, reset=False, dtype=self.cluster_centers_.dtype))

    def predict_proba(self, X) -> np.ndarray:
        """X (n, D) -> soft assignments q (n, k), DEC Eq. 1; rows sum to 1."""
        return engine_for(self.engine).soft_assignment(self.transform(X), self.cluster_centers_, self.alpha)

    def predict(self, X) -> np.ndarray:
        """X (n, D) -> the cluster of each row, argmax_j q_ij, (n,) int32."""
        return self.predict_proba(X).argmax(axis=1).astype(np.int32)

    def fit_transform(self, X, y=None) -> np.ndarray:
        """``fit(X)``, then ``transform(X)``: the embedding (n, d)."""
        return self.fit(X).transform(X)

    def save(self, path) -> None:
        """Write the fitted model to ``path`` (see ``decnp.persistence``)."""
        from .persistence import save

        check_is_fitted(self, "stop_reason_")
        save(self, path)

    @property
    def _n_features_out(self):
        return self.cluster_centers_.shape[1]

    def _profile(self, n) -> Profile:
        """The profile, with what the constructor overrides."""
        given = {"update_interval": self.update_interval, "max_iter": self.max_iter}
        return replace(profile_for(self.profile, n), **{k: v for k, v in given.items() if v is not None})

    def _check_parameters(self, X):
        check_number("n_clusters", self.n_clusters, low=1, whole=True)
        check_number("n_init", self.n_init, low=1, whole=True)
        check_number("batch_size", self.batch_size, low=1, whole=True)
        check_number("alpha", self.alpha, low=0, above=True)
        check_number("tol", self.tol, low=0)
        check_distinct(X, self.n_clusters)
        if self.autoencoder is not None:
            if not isinstance(self.autoencoder, StackedAutoencoder):
                raise ValueError(f"autoencoder must be a fitted StackedAutoencoder or None; got {self.autoencoder!r}")
            check_is_fitted(self.autoencoder, "encoder_")
            if self.autoencoder.n_features_in_ != X.shape[1]:
                raise ValueError(
                    f"X has {X.shape[1]} features, but the autoencoder given is expecting {self.autoencoder.n_features_in_}"
                )
