"""Deep Embedded Clustering as a scikit-learn estimator, DEC section 3.

``DEC`` trains the autoencoder of section 3.2 (``autoencoder.py``), finds a start in its embedding (``training/start.py``),
and observes the loop of section 3.1 (``clustering.py``): it reports, saves, and tests for divergence.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from .autoencoder import AutoencoderState, StackedAutoencoder, check_autoencoder
from .clustering import ClusteringState, Refresh, Stepped, cluster, initial_state
from .exceptions import TrainingError
from .layers import Dense
from .optim import Minibatches
from .profiles import Profile, has_fixed_budget, profile_for
from .training.checkpoint import Checkpoint, check_same_shapes, recipe_of
from .training.diagnostics import SAMPLE, measure_refresh, reconstruction_error, training_warnings
from .training.engine import Engine, engine_for
from .training.estimator import NetworkMixin, TrainingWarning
from .training.records import History, Record
from .training.stability import PhaseProgress
from .training.start import check_init, find_start
from .training.state import RunState, Start
from .utils.rows import Rows, ScaledRows, evenly_spaced_rows, in_dtype
from .utils.threads import ThreadPool, map_blocks
from .utils.validation import Seed, as_generator, check_data, check_distinct, check_embedded, check_number, check_sizes

__all__ = ["DEC"]

STATES = (RunState, Start, AutoencoderState, ClusteringState, PhaseProgress, Minibatches, History, Dense)
"""Classes that a checkpoint of ``DEC`` consists of."""


class DEC(NetworkMixin, ClusterMixin, BaseEstimator):
    r"""Deep Embedded Clustering (Xie, Girshick, Farhadi, ICML 2016).

    A stacked autoencoder is trained on X. ``init`` gives the centroids in its embedding. Then encoder and centroids together
    minimize KL(P || Q) (Eqs. 1-5). P is refreshed every ``update_interval`` steps, until fewer than ``tol`` of the labels
    change between two refreshes.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters k.
    hidden_layer_sizes : sequence of int, default=(500, 500, 2000, 10)
        Widths of the encoder's layers; the last is d.
    alpha : float, default=1.0
        Degrees of freedom of Student's t in Eq. 1.
    profile : {"fast", "paper"} or Profile, default="fast"
        Training schedule.
    update_interval : int, default=None
        Steps between refreshes of P (the paper's lambda); None takes the profile's.
    tol : float, default=1e-3
        Stop when a smaller fraction of the labels changes between two refreshes.
    batch_size, max_iter : int, default=None
        Rows in a minibatch, and largest number of steps of the clustering phase; None takes the profile's.
    init : {"k-means", "neighbors"}, array or callable, default=None
        Start of the clustering phase; None takes the profile's. "k-means": the best of ``n_init`` runs in the embedding z.
        "neighbors": clusters of the neighbor graph of z. If the graph has no k stable clusters, it is k-means, or spherical
        k-means if k-means puts short rows of several directions into one cluster; a warning says which and why.
        An array holds labels (n,), whole numbers from 0 to k - 1, or centroids (k, d) in z. A callable returns such an
        array for ``init(z, n_clusters, random_state=...)``, as in ``KMeans``.
    n_init : int, default=20
        Restarts of k-means.
    update_encoder : bool, default=True
        False keeps the encoder fixed and trains the centroids only ("DEC w/o backprop").
    autoencoder : StackedAutoencoder or FrozenEstimator, default=None
        Fitted autoencoder to start from, which is copied; None trains one. With float64 weights, the fit is in float64.
        ``GridSearchCV`` and others clone, and ``clone`` returns unfitted estimators: wrap the autoencoder in
        ``sklearn.frozen.FrozenEstimator`` for these tools.
    checkpoint : path or Checkpoint, default=None
        File for the state of the run, written every ten minutes, for ``resume``. ``fit`` deletes it at the end.
    engine : {"numba", "numpy"}, default="numba"
        Compiled or readable implementation of the same functions.
    dtype : {"float32", "float64"}, default=None
        None takes float32 if it holds X exactly, else float64.
    random_state : None, int, numpy.random.Generator or RandomState, default=None
        Seed of the weights, the dropout, the start and the minibatches.
    verbose : int, default=0
        1 prints each report.

    Attributes
    ----------
    labels_ : ndarray of shape (n,), int32
        Equal to ``predict(X)`` on the training data.
    cluster_centers_ : ndarray of shape (k, d)
        Centroids mu, in the embedded space.
    inertia_ : float
        Sum of the squared distances of the rows from their nearest centroid, in the embedded space. The scale of that space
        differs between fits, so the inertia does not compare two fits.
    autoencoder_ : StackedAutoencoder
        Its encoder is f_theta after clustering; its decoder is as pretrained.
    initial_labels_, initial_centers_ : ndarray of shapes (n,) and (k, d)
        Start of the clustering phase.
    init_ : str
        Start that was taken: "k-means", "spherical k-means", "neighbors", "array" or "callable". If the start
        is not ``init``, ``warnings_`` says why.
    n_iter_, n_features_in_ : int
        Number of steps of the clustering phase, and number D of columns of X.
    converged_ : bool
        True if ``tol`` was met.
    stop_reason_ : str
        Sentence that says why training ended.
    history_ : History
        List of ``Record``, one for each report, including those before a ``resume``; ``history_.to_frame()`` for pandas.
    warnings_ : list of str
        Messages of the ``decnp.TrainingWarning`` that ``fit`` issued.

    See Also
    --------
    decnp.restarts.fit_restarts : Fit from several seeds, and return the run that is best without labels.
    decnp.autoencoder.StackedAutoencoder : The autoencoder that ``fit`` trains first.

    Notes
    -----
    .. math:: L = \sum_i \sum_j p_{ij} \log (p_{ij} / q_{ij}), \qquad
        q_{ij} \propto (1 + \|z_i - \mu_j\|^2 / \alpha)^{-(\alpha + 1) / 2}, \qquad p_{ij} \propto q_{ij}^2 / \sum_i q_{ij}

    Here z_i = f_theta(x_i), and each row of P and Q sums to 1. A ``Record`` has L as a mean over samples, in nats.
    Differs from the paper: see ``decnp.Profile``, switch by switch.

    Examples
    --------
    >>> from decnp.datasets import load_digits
    >>> X, _ = load_digits()
    >>> dec = DEC(10, hidden_layer_sizes=(32, 5), random_state=0).fit(X)
    >>> dec.labels_.shape, dec.cluster_centers_.shape
    ((1797,), (10, 5))
    """

    def __init__(
        self, n_clusters: int = 8, *, hidden_layer_sizes: Sequence[int] = (500, 500, 2000, 10), alpha: float = 1.0,
        profile: str | Profile = "fast", update_interval: int | None = None, tol: float = 1e-3,
        batch_size: int | None = None, max_iter: int | None = None, init: Any = None, n_init: int = 20,
        update_encoder: bool = True, autoencoder: Any = None, checkpoint: Any = None, engine: str = "numba",
        dtype: str | None = None, random_state: Seed = None, verbose: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.profile = profile
        self.update_interval = update_interval
        self.tol = tol
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.init = init
        self.n_init = n_init
        self.update_encoder = update_encoder
        self.autoencoder = autoencoder
        self.checkpoint = checkpoint
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, **others: Any) -> DEC:
        """Train on X (n, D), dense or sparse, and return the estimator. ``y`` is ignored.

        Raises ValueError for bad input, TrainingError if training diverges, TypeError for other arguments than X and y.
        """
        self._refuse(others)
        return self._finish(self.iter_fit(X))

    def resume(self, X: Any, y: Any = None) -> DEC:
        """Continue from ``checkpoint``, with the parameters and X of its run; the result is the same to the bit.

        ``y`` is ignored. Use the same machine, and the same number of threads if it is above two. Raises as ``fit`` does,
        CheckpointError if the file is damaged or its run has other parameters or data, OSError if it cannot be read.
        """
        return self._finish(self.iter_fit(X, resume=True))

    def _finish(self, records: Iterator[Record]) -> DEC:
        self._drain(records)
        if self.checkpoint is not None:
            self._checkpoint().remove()
        for sentence in self.warnings_:
            warnings.warn(sentence, TrainingWarning, stacklevel=3)
        return self

    def iter_fit(self, X: Any, resume: bool = False) -> Iterator[Record]:
        """Train on X (n, D) as ``fit`` does and yield each report; ``resume=True`` continues from ``checkpoint``."""
        with self._columns_restored():
            X = check_data(self, X, reset=True)
            self._check_parameters(X)
            given = self._given_autoencoder(X)
            if given is not None:
                X = in_dtype(X, np.result_type(X.dtype, given._dtype))
            schedule = self._schedule(len(X))
            autoencoder_rng, start_rng, batch_rng = as_generator(self.random_state).spawn(3)
            run, save = self._open_run(X, schedule, RunState(start_rng, batch_rng), resume)
        self._forget()
        self.history_ = run.history
        yield from self._pretrain(X, run, save, autoencoder_rng)
        records = [] if run.clustering else [self._start(X, schedule, run)]
        assert run.clustering is not None and run.start is not None  # _start sets both
        self.initial_labels_, self.initial_centers_, self.init_ = run.start.labels, run.start.centers, run.start.name
        self.cluster_centers_ = run.clustering.mu
        yield from records
        yield from self._observe(X, schedule, run, run.clustering, save)
        planned = has_fixed_budget(schedule, len(X))
        ended = training_warnings(self.history_, self.tol, planned, self.converged_, self.update_encoder)
        begun = self.autoencoder_.warnings_ if given is None else []
        self.warnings_ = [*begun, *run.start.warnings, *ended]

    steps = iter_fit  # its name in version 0.1

    def new_autoencoder(self, n_samples: int, dtype: str | None = None, random_state: Seed = None) -> StackedAutoencoder:
        """Return the unfitted autoencoder that ``fit`` trains on ``n_samples`` rows.

        By default, ``dtype`` and ``random_state`` are those of ``fit``.
        """
        rng = as_generator(self.random_state).spawn(3)[0] if random_state is None else random_state
        return StackedAutoencoder(
            self.hidden_layer_sizes, profile=self._schedule(n_samples), engine=self.engine,
            dtype=self.dtype if dtype is None else dtype, random_state=rng)

    # ------------------------------------------------------------ phases of a run

    def _open_run(self, X: Rows, schedule: Profile, run: RunState, resume: bool) -> tuple[RunState, Callable[[], object]]:
        """Return the state to continue from, and the function to call after each step."""
        if self.checkpoint is None:
            if resume:
                raise ValueError("to resume, checkpoint must be the path of a checkpoint; got None")
            return run, lambda: None
        checkpoint, recipe = self._checkpoint(), recipe_of(self, X, schedule, self._given_autoencoder(X))
        if resume:
            run = checkpoint.read(recipe, STATES)
        checkpoint.begin(recipe)
        return run, lambda: checkpoint.keep(lambda: run)

    def _pretrain(
        self, X: Rows, run: RunState, save: Callable[[], object], rng: np.random.Generator
    ) -> Iterator[Record]:
        """Train the autoencoder, or copy the one that is given."""
        given = self._given_autoencoder(X)
        if given is not None:
            self.autoencoder_ = deepcopy(given)
            if run.clustering is not None and run.clustering.theta:
                self.autoencoder_.encoder_ = run.clustering.theta
            return
        self.autoencoder_ = self.new_autoencoder(len(X), X.dtype.name, rng)
        rows, schedule, state = self.autoencoder_.begin(X)
        if run.autoencoder is None:
            run.autoencoder = state
        check_same_shapes(run.autoencoder.encoder + run.autoencoder.decoder, state.encoder + state.decoder)
        for record in self.autoencoder_.train(rows, schedule, run.autoencoder, save):
            run.history.append(record)
            yield record

    def _start(self, X: Rows, schedule: Profile, run: RunState) -> Record:
        """Find the start of the clustering phase in the embedded space."""
        init = schedule.init if self.init is None else self.init
        theta = self.autoencoder_.encoder_ if self.update_encoder else []
        start = run.start = find_start(self._embed(X), self.n_clusters, init, self.n_init, run.start_rng, X.dtype)
        run.clustering = initial_state(start, theta, schedule, run.batch_rng)
        run.history.append(Record(start.name, start.n_iter, start.n_iter, start.loss))
        return run.history[-1]

    def _observe(
        self, X: Rows, schedule: Profile, run: RunState, state: ClusteringState, save: Callable[[], object]
    ) -> Iterator[Record]:
        """Run the clustering phase: report each refresh, save after each step, test for divergence."""
        ae, engine = self.autoencoder_, engine_for(self.engine)
        if state.done:  # the checkpoint of a complete run
            self._set_labels(state, run.history[-1])
            self.inertia_ = _inertia(self._embed(X), state.mu)
        with ThreadPool() as pool:
            rows = ScaledRows(X, ae.shift_, ae.scale_) if self.update_encoder else self._embed(X, pool)
            for event in cluster(rows, state, schedule, engine, self.alpha, self.tol, pool):
                if isinstance(event, Stepped):
                    run.mean_loss += (event.loss - run.mean_loss) / (state.t - run.history[-1].iteration)
                    save()
                    continue
                record = self._report(X, schedule, run, state, event, engine, pool)
                self._set_labels(state, record)
                if state.done:
                    self.inertia_ = _inertia(event.z, state.mu)
                del event
                run.history.append(record)
                yield record
                run.mean_loss = 0.0
        changed = run.history[-1].changed or 0.0
        self.stop_reason_ = (
            f"{changed:.3%} of the labels changed between two refreshes of P, fewer than tol = {self.tol:.3%}"
            if self.converged_
            else f"max_iter = {schedule.max_iter} steps were taken; {changed:.3%} of the labels still changed"
        )

    def _set_labels(self, state: ClusteringState, refresh: Record) -> None:
        """Set the results after a refresh."""
        self.labels_, self.n_iter_, self.converged_ = state.labels, state.t, (refresh.changed or 0.0) < self.tol

    def _report(
        self, X: Rows, schedule: Profile, run: RunState, state: ClusteringState, event: Refresh, engine: Engine,
        pool: ThreadPool,
    ) -> Record:
        """Return the record of a refresh. Raises TrainingError if the embedding or the centroids have overflowed."""
        ae, mu = self.autoencoder_, state.mu
        if not (np.isfinite(event.z).all() and np.isfinite(mu).all()):
            raise TrainingError("the embedding or the centroids overflowed in the clustering phase before iteration "
                                f"{state.t}; try a smaller kl_lr")
        x = ae._scaled(evenly_spaced_rows(X, SAMPLE))
        (error,) = pool.map(partial(reconstruction_error, theta=ae.encoder_ + ae.decoder_), [x])
        before = event.p_before if len(event.p_before) else None
        found = measure_refresh(event.z, mu, event.q, state.p, before, state.labels, engine.kl_divergence, error)
        loss = found.kl_after if state.t == 0 else run.mean_loss
        return Record("cluster", state.t, schedule.max_iter, loss, event.changed, found)

    # ------------------------------------------------------------ after fit

    def transform(self, X: Any) -> np.ndarray:
        """Return the embedding z = f_theta(x), (n, d), of X (n, D). Raises ValueError for bad input and if z overflows."""
        check_is_fitted(self, "stop_reason_")
        return check_embedded(self._embed(check_data(self, X, reset=False, dtype=self.cluster_centers_.dtype)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the soft assignments q (n, k), DEC Eq. 1, of X (n, D). Each row sums to 1."""
        with np.errstate(over="ignore", invalid="ignore"):
            q = engine_for(self.engine).soft_assignment(self.transform(X), self.cluster_centers_, self.alpha)
        return check_embedded(q)

    def predict(self, X: Any) -> np.ndarray:
        """Return the cluster of each row of X (n, D), argmax_j q_ij, as (n,) int32."""
        return self.predict_proba(X).argmax(axis=1).astype(np.int32)

    def distances(self, X: Any) -> np.ndarray:
        """Return the Euclidean distances (n, k) of X (n, D) from the centroids, in the embedded space, as float64.

        ``KMeans.transform`` returns distances in the space of the data. ``DEC.transform`` returns the embedding.
        """
        return cdist(self.transform(X), self.cluster_centers_)

    def score(self, X: Any, y: Any = None, **others: Any) -> float:
        """Return minus the inertia of X (n, D), as ``KMeans.score`` does; more is better. ``y`` is ignored.

        The inertia is the sum of the squared distances from the nearest centroid, in the embedded space. The scale of that
        space differs between fits, and the inertia falls with k. The score therefore compares data under one model. To
        compare models, give ``GridSearchCV`` a ``scoring`` in the original columns. Raises TypeError for ``sample_weight``.
        """
        self._refuse(others, "score")
        return -_inertia(np.asarray(self.transform(X)), self.cluster_centers_)  # transform may return a DataFrame

    def fit_transform(self, X: Any, y: Any = None, **others: Any) -> np.ndarray:
        """Train on X (n, D) as ``fit`` does, and return its embedding (n, d). ``y`` is ignored."""
        return self.fit(X, **others).transform(X)

    def save(self, path: Any, storage: str | None = None) -> None:
        """Write the fitted model to ``path`` in the dtype ``storage``, as ``decnp.save`` does."""
        from . import save

        save(self, path, storage)

    @property
    def _n_features_out(self) -> int:
        return self.cluster_centers_.shape[1]

    def _embed(self, X: Rows, pool: ThreadPool | None = None) -> np.ndarray:
        return map_blocks(self.autoencoder_._encode_block, X, pool)

    def _checkpoint(self) -> Checkpoint:
        return self.checkpoint if isinstance(self.checkpoint, Checkpoint) else Checkpoint(self.checkpoint)

    def _schedule(self, n: int) -> Profile:
        """Return the profile for n rows, with the values that the constructor overrides."""
        names = ("update_interval", "max_iter", "batch_size")
        given: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(profile_for(self.profile, n), **given)

    def _given_autoencoder(self, X: Rows) -> StackedAutoencoder | None:
        """Return the autoencoder to start from, or None if ``fit`` trains one; ValueError unless it fits X."""
        return None if self.autoencoder is None else check_autoencoder(self.autoencoder, X.shape[1])

    def _check_parameters(self, X: Rows) -> None:
        check_number("n_clusters", self.n_clusters, low=1, integer=True)
        check_number("n_init", self.n_init, low=1, integer=True)
        check_number("alpha", self.alpha, low=0, strict=True)
        check_number("tol", self.tol, low=0)
        engine_for(self.engine)
        check_distinct(X, self.n_clusters)
        given = self._given_autoencoder(X)
        d = check_sizes(self.hidden_layer_sizes)[-1] if given is None else len(given.encoder_[-1].b)
        check_init(self.init, len(X), self.n_clusters, d)


def _inertia(z: np.ndarray, mu: np.ndarray) -> float:
    """Return the sum of the squared distances of z (n, d) from the nearest row of mu (k, d)."""
    return float(map_blocks(lambda block: cdist(block, mu, "sqeuclidean").min(axis=1), z).sum())
