"""Deep Embedded Clustering as a scikit-learn estimator: the paper's section 3, top to bottom."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Iterator

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .autoencoder import StackedAutoencoder, given_autoencoder
from .exceptions import TrainingError
from .layers import arrays_of
from .losses import clustering_loss_and_grads
from .optim import SGD
from .profiles import Profile, has_fixed_budget, profile_for
from .training.checkpoint import Checkpoint, recipe_of
from .training.diagnostics import diagnose, findings, reconstruction_of, sample
from .training.engine import engine_for
from .training.estimator import NetworkMixin, TrainingWarning
from .training.records import History, Kept, Step, fill, minibatches, pack, unpack
from .utils.threads import ThreadPool, map_blocks
from .utils.validation import as_generator, check_data, check_distinct, check_number

__all__ = ["DEC"]


class DEC(NetworkMixin, ClusterMixin, BaseEstimator):
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
    batch_size : rows in a minibatch; None takes the profile's
    max_iter : steps of the clustering phase at most; None takes the profile's
    n_init : restarts of k-means
    update_encoder : False keeps the encoder fixed and trains the centroids only ("DEC w/o backprop")
    autoencoder : a fitted ``StackedAutoencoder`` to start from (it is copied), or None to train one. For whatever
        clones its estimators, such as ``GridSearchCV``, put it into ``sklearn.frozen.FrozenEstimator``: scikit-learn's
        clones are untrained
    checkpoint : None, or the path of a file (or a ``decnp.Checkpoint``) that takes the run's state every ten minutes,
        for ``resume``; when the run is complete, ``fit`` deletes it
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
    history_ : list of ``Step``, one for each report; ``history_.to_frame()`` for pandas
    warnings_ : what ``fit`` warned of (``decnp.TrainingWarning``), a list of sentences
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
        update_interval=None, tol=1e-3, batch_size=None, max_iter=None, n_init=20, update_encoder=True,
        autoencoder=None, checkpoint=None, engine="numba", dtype=None, random_state=None, verbose=0,
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
        self.checkpoint = checkpoint
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, **others) -> "DEC":
        """Train on X (n, D), dense or sparse. ``y`` is ignored.

        Raises
        ------
        ValueError
            For bad input or parameters, in one sentence.
        TrainingError
            If the numbers overflow in training.
        TypeError
            For anything else that is given, such as ``sample_weight``.
        """
        self._refuse(others)
        return self._drain(self.steps(X))

    def resume(self, X, y=None) -> "DEC":
        """Go on from ``checkpoint``, with the parameters and X of the run that left it: the end is the same to the bit.

        (On the same machine; where more than two threads are used, with as many.) Raises as ``fit`` does, and

        CheckpointError
            If the file is damaged, or of a run with other parameters or data: the sentence names the difference.
        OSError
            If it is not there or cannot be read.
        """
        return self._drain(self.steps(X, resume=True))

    def _drain(self, steps) -> "DEC":
        for step in steps:
            if self.verbose:
                changed = "" if step.changed is None else f"  labels changed {step.changed:.2%}"
                print(f"{step.phase:>12}  {step.iteration:>7}/{step.n_iter}  loss {step.loss:.5f}{changed}", flush=True)
        if self.checkpoint is not None:
            self._checkpoint().remove()
        for sentence in self.warnings_:
            warnings.warn(sentence, TrainingWarning, stacklevel=3)
        return self

    def steps(self, X, resume: bool = False) -> Iterator[Step]:
        """The training run as a generator of ``Step``; ``fit`` drains it, a notebook can watch it.

        ``resume=True`` goes on from ``checkpoint``; steps that were reported before are then in ``history_`` only. What
        ``fit`` would warn of is in ``warnings_``.
        """
        X = check_data(self, X, reset=True)
        self._check_parameters(X)
        profile = self._profile(len(X))
        autoencoder_rng, kmeans_rng, batch_rng = as_generator(self.random_state).spawn(3)
        kept = self._kept(X, profile, resume)
        if kept.state:
            kmeans_rng.bit_generator.state, batch_rng.bit_generator.state = kept.state["generators"]
        generators = [rng.bit_generator.state for rng in (kmeans_rng, batch_rng)]
        kept.parts.update(generators=lambda: generators, history=lambda: pack(self.history_))
        self.history_: History = unpack(kept.state["history"]) if kept.state else History()

        if self.autoencoder is None:
            self.autoencoder_ = StackedAutoencoder(
                self.hidden_layer_sizes, profile=profile, engine=self.engine,
                dtype=X.dtype.name, random_state=autoencoder_rng,
            )
            for step in self.autoencoder_.steps(X, kept):
                self.history_.append(step)
                yield step
        else:
            self.autoencoder_ = deepcopy(given_autoencoder(self.autoencoder, X.shape[1]))
            kept.parts["autoencoder"] = self.autoencoder_._at_the_end
            if kept.state:
                self.autoencoder_._take_up(kept.state["autoencoder"])
        if "clustering" not in kept.state:
            self._start(X, kmeans_rng)
            yield self.history_[-1]
        with ThreadPool() as crew:
            for step in self._cluster(X, profile, batch_rng, kept, crew):
                self.history_.append(step)
                yield step
        planned = has_fixed_budget(profile, len(X))
        self.warnings_ = findings(self.history_, self.tol, planned, self.converged_, self.update_encoder)

    def _kept(self, X, profile: Profile, resume: bool) -> Kept:
        """This run and its checkpoint, from whose state it goes on with ``resume``."""
        if self.checkpoint is None:
            if resume:
                raise ValueError("to resume, checkpoint must be the path of a checkpoint; got None")
            return Kept()
        start = self.autoencoder and given_autoencoder(self.autoencoder, X.shape[1])
        checkpoint, recipe = self._checkpoint(), recipe_of(self, X, profile, start)
        kept = Kept(checkpoint, checkpoint.read(recipe) if resume else None)
        kept.parts["recipe"] = lambda: recipe
        return kept

    def _checkpoint(self) -> Checkpoint:
        return self.checkpoint if isinstance(self.checkpoint, Checkpoint) else Checkpoint(self.checkpoint)

    def _start(self, X, rng):
        """k-means in the embedded space: the centroids to start from."""
        z = self._embed(X)
        with threadpool_limits(1):  # with more threads, k-means adds up in any order
            kmeans = KMeans(self.n_clusters, n_init=self.n_init, random_state=int(rng.integers(2**31))).fit(z)
        self.initial_labels_ = kmeans.labels_.astype(np.int32)
        self.initial_centers_ = kmeans.cluster_centers_.astype(X.dtype)
        self.cluster_centers_ = self.initial_centers_.copy()
        self.history_.append(Step("k-means", kmeans.n_iter_, kmeans.n_iter_, kmeans.inertia_ / len(X)))

    def _cluster(self, X, profile: Profile, rng, kept: Kept, crew: ThreadPool) -> Iterator[Step]:
        """The clustering phase, DEC section 3.1: refresh P, take ``update_interval`` steps, repeat."""
        engine, state = engine_for(self.engine), kept.state.get("clustering")
        if state:
            self.initial_labels_, self.initial_centers_, self.cluster_centers_ = state["start"] + [state["mu"]]
        theta, mu = self.autoencoder_.encoder_, self.cluster_centers_
        trained = [mu] + (arrays_of(theta) if self.update_encoder else [])
        lr_scale = [1.0] + [1.0, profile.kl_bias_lr] * (len(trained) // 2)
        optimizer = SGD(trained, profile.kl_lr, profile.kl_momentum, lr_scale, engine.sgd_update)
        fused = self.update_encoder and engine.FusedStep and engine.FusedStep(
            theta, optimizer, min(profile.batch_size, len(X)), crew)
        batches = minibatches(len(X), profile.batch_size, profile.shuffle, rng)
        data, layers = (X, theta) if self.update_encoder else (self._embed(X, crew), [])  # a fixed encoder runs once
        labels, p, old_p, loss = None, None, None, np.nan
        t, done = 0, 0  # t steps until the last refresh of P, then ``done`` more
        if state:
            labels, p, loss, t, done = (state[name] for name in ("labels", "p", "loss", "t", "done"))
            fill(optimizer.memory, state["memory"])
            for _ in range(t + done):  # drawn before
                next(batches)
        kept.parts["clustering"] = lambda: {
            "start": [self.initial_labels_, self.initial_centers_], "mu": mu, "memory": optimizer.memory,
            "labels": labels, "p": p, "loss": loss, "t": t, "done": done}
        while True:
            if p is None:
                last, (labels, p, found) = labels, self._refresh(X, data, layers, old_p, t, engine, crew)
                changed = 1.0 if last is None else float(np.mean(labels != last))
                self.labels_, self.n_iter_ = labels, t
                self.converged_: bool = changed < self.tol
                yield Step("cluster", t, profile.max_iter, found.kl_after if t == 0 else loss, changed, found)
                if self.converged_ or t >= profile.max_iter:
                    break
                if profile.momentum_restart:
                    optimizer.restart()
                loss, done = 0.0, 0
            steps = min(profile.update_interval, profile.max_iter - t)
            while done < steps:
                loss += self._step(data, p, next(batches), layers, mu, optimizer, engine, fused) / steps
                done += 1
                kept()
            p, old_p, t = None, p, t + steps
        self.stop_reason_ = (
            f"{changed:.3%} of the labels changed between two refreshes of P, fewer than tol = {self.tol:.3%}"
            if self.converged_
            else f"max_iter = {profile.max_iter} steps were taken; {changed:.3%} of the labels still changed"
        )

    def _refresh(self, X, data, layers, old_p, t, engine, crew):
        """The targets P from all points: labels (n,), p (n, k), and a ``Diagnosis``."""
        z, mu, ae = self._embed(X, crew) if layers else data, self.cluster_centers_, self.autoencoder_
        _check_finite(z, mu, t)
        q = engine.soft_assignment(z, mu, self.alpha)  # Eq. 1
        labels = q.argmax(axis=1).astype(np.int32)
        p = engine.target_distribution(q)  # Eq. 3; constant until the next refresh
        rebuilt, = crew.map(partial(reconstruction_of, theta=ae.encoder_ + ae.decoder_), [ae._scaled(sample(X))])
        return labels, p, diagnose(z, mu, q, p, old_p, labels, engine.kl_divergence, rebuilt)

    def _step(self, X, p, i, theta, mu, optimizer, engine, fused=None) -> float:
        """One SGD step on rows i; returns the minibatch's mean KL. Without layers theta, X holds z."""
        if fused:
            def head(rows, z):
                loss, grad_z, grad_mu = engine.loss_and_grads(z, mu, p[i[rows]], self.alpha)
                z[...] = grad_z / len(i)  # Eq. 4 is the g of backpropagation
                return loss / len(i), [grad_mu / len(i)]

            return fused(self.autoencoder_._scaled(X[i]), head)
        with np.errstate(over="ignore", invalid="ignore"):  # the next refresh sees an embedding that is not finite
            x = self.autoencoder_._scaled(X[i]) if theta else X[i]
            loss, g_mu, g_theta = clustering_loss_and_grads(
                theta, mu, x, p[i], self.alpha, engine.loss_and_grads, self.update_encoder)
            optimizer.step([g_mu] + arrays_of(g_theta))
        return loss

    def _embed(self, X, crew=None):
        return map_blocks(self.autoencoder_._encode_block, X, crew)

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

    def fit_transform(self, X, y=None, **others) -> np.ndarray:
        """``fit(X)``, then ``transform(X)``: the embedding (n, d)."""
        return self.fit(X, **others).transform(X)

    def save(self, path, storage=None) -> None:
        """Write the fitted model to ``path``; ``storage="float16"`` halves the file. See ``decnp.persistence.save``."""
        from .persistence import save

        check_is_fitted(self, "stop_reason_")
        save(self, path, storage)

    @property
    def _n_features_out(self):
        return self.cluster_centers_.shape[1]

    def _profile(self, n) -> Profile:
        """The profile, with what the constructor overrides."""
        given = {"update_interval": self.update_interval, "max_iter": self.max_iter, "batch_size": self.batch_size}
        return replace(profile_for(self.profile, n), **{k: v for k, v in given.items() if v is not None})

    def _check_parameters(self, X):
        check_number("n_clusters", self.n_clusters, low=1, whole=True)
        check_number("n_init", self.n_init, low=1, whole=True)
        if self.batch_size is not None:
            check_number("batch_size", self.batch_size, low=1, whole=True)
        check_number("alpha", self.alpha, low=0, above=True)
        check_number("tol", self.tol, low=0)
        check_distinct(X, self.n_clusters)
        if self.autoencoder is not None:
            given_autoencoder(self.autoencoder, X.shape[1])


def _check_finite(z, mu, t):
    """TrainingError if the embedding or the centroids have overflowed."""
    if not (np.isfinite(z).all() and np.isfinite(mu).all()):
        raise TrainingError(
            f"the embedding or the centroids overflowed in the clustering phase before iteration {t}; try a smaller kl_lr"
        )
