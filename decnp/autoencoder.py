"""The stacked autoencoder of DEC section 3.2: greedy layer-wise pretraining, then fine-tuning.

``descend`` is the loop of one phase, and ``StackedAutoencoder`` the scikit-learn estimator around it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from .exceptions import TrainingError
from .layers import Dense, arrays_of, dropout_mask, encode, init_mlp, mlp, squared_error
from .optim import Minibatches
from .profiles import Profile, profile_for
from .training.engine import Engine, engine_for, make_optimizer
from .training.estimator import NetworkMixin, TrainingWarning
from .training.features import features
from .training.records import History, Record
from .training.scaling import fit_scaling, offset_warnings, profile_for_data, top_singular_share
from .training.stability import PhaseMonitor, PhaseProgress
from .utils.rows import Rows, ScaledRows, blocks, evenly_spaced_rows, first_rows
from .utils.threads import ThreadPool, map_blocks, single_threaded_blas
from .utils.validation import Seed, as_generator, check_data, check_embedded, check_number, check_sizes

__all__ = ["AutoencoderState", "StackedAutoencoder", "check_autoencoder", "descend"]

# ---------------------------------------------------------------- section 3.2: one phase

@dataclass
class AutoencoderState:
    """Complete state of training: ``encoder``, ``decoder``, ``batches``, ``optimizer_state``, and the fields below."""

    encoder: list[Dense]
    decoder: list[Dense]
    noise: np.random.Generator
    """Generator of the dropout masks."""
    batches: Minibatches
    phase: int = 0
    """Number of phases that are complete."""
    t: int = 0
    """Steps taken in this phase."""
    optimizer_state: list[np.ndarray] | None = None
    progress: PhaseProgress | None = None
    """State of the monitor of this phase."""
    history: History = field(default_factory=History)
    """Reports so far."""

    def begin(self, phase: int) -> None:
        """Begin a phase at its step 0."""
        self.phase, self.t, self.optimizer_state, self.progress = phase, 0, None, None
        self.batches.restart()


class Phase(NamedTuple):
    """One phase of training: a pair of layers on the fixed output of the layers below, or the whole stack."""

    name: str
    theta: list[Dense]
    below: list[Dense]
    n_iter: int
    rates: list[float]
    """Dropout on the input of each layer."""


def descend(
    phase: Phase, batch_at: Callable[[np.ndarray], np.ndarray], state: AutoencoderState, schedule: Profile,
    engine: Engine, pool: ThreadPool,
) -> Iterator[tuple[float, np.ndarray]]:
    """Minimize the reconstruction loss of one phase (DEC section 3.2, Eqs. 6-9).

    ``batch_at`` maps row numbers (b,) to clean inputs x (b, D). Yields the loss and x after each step, when ``state`` is
    complete. ``schedule`` has the optimizer and its rates, ``engine`` the computation, and ``pool`` the threads.
    """
    theta = phase.theta
    optimizer = make_optimizer(theta, schedule, phase.n_iter, engine, state.optimizer_state, state.t)
    state.optimizer_state = optimizer.state
    step = engine.step_for(theta, optimizer, state.batches.batch_size, pool)
    while state.t < phase.n_iter:
        x = batch_at(next(state.batches))  # (b, D)
        masks = [dropout_mask(state.noise, (len(x), len(W)), rate, x.dtype)
                 for (W, _, _), rate in zip(theta, phase.rates)]  # Eqs. 6 and 8
        loss = step.reconstruct(x, masks)  # Eqs. 7 and 9, backpropagation, SGD
        state.t += 1
        yield loss, x


def phases(state: AutoencoderState, schedule: Profile) -> list[Phase]:
    """Return the phases of training in order: each pair of layers by itself, then the whole stack (Eqs. 6-9)."""
    encoder, decoder = state.encoder, state.decoder
    last = len(encoder) - 1
    pairs = [] if not schedule.pretrain_iter else [
        Phase(f"pretrain {l + 1}", [encoder[l], decoder[last - l]], encoder[:l], schedule.pretrain_iter,
              [schedule.dropout * (l > 0 or schedule.dropout_on_input),
               schedule.dropout * (l < last or schedule.dropout_on_code)])
        for l in range(len(encoder))]
    return [*pairs, Phase("finetune", encoder + decoder, [], schedule.finetune_iter, [schedule.finetune_dropout])]


# ---------------------------------------------------------------- the estimator

class StackedAutoencoder(NetworkMixin, BaseEstimator):
    r"""Fully connected autoencoder D-500-500-2000-10 and back, trained as in DEC section 3.2.

    With ``profile="paper"``, each pair of an encoder layer and its decoder layer is first trained as a denoising
    autoencoder (Eqs. 6-9) on the fixed features of the pairs below, and then the whole stack is fine-tuned. The default,
    "fast", trains the whole stack at once. All layers are ReLU, except those of embedding and reconstruction: linear.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(500, 500, 2000, 10)
        Widths of the encoder's layers; the last is d, the width of the embedding.
    profile : {"fast", "paper"} or Profile, default="fast"
        Training schedule.
    batch_size : int, default=None
        Rows in a minibatch; None takes the profile's.
    engine : {"numba", "numpy"}, default="numba"
        Compiled or readable implementation of a training step.
    dtype : {"float32", "float64"}, default=None
        None takes float32 if it holds X exactly, else float64.
    random_state : None, int, numpy.random.Generator or RandomState, default=None
        Seed of the weights, the dropout and the minibatches.
    verbose : int, default=0
        1 prints each report.

    Attributes
    ----------
    encoder_, decoder_ : list of Dense
        Layers from x to the embedding z, and from z to the reconstruction.
    shift_, scale_ : ndarray or float
        The input of the network is ``(x - shift_) * scale_``.
    history_ : History
        List of ``Record``. It has both attempts of a phase that was repeated at half the rate.
    warnings_ : list of str
        Messages of the ``decnp.TrainingWarning`` that ``fit`` issued.
    n_features_in_ : int
        Number D of columns of X.

    See Also
    --------
    decnp.dec.DEC : Clustering that starts in the embedding z of this autoencoder.

    Notes
    -----
    .. math:: \tilde x \sim Dropout(x), \quad h = g_1(W_1 \tilde x + b_1), \quad
        \tilde h \sim Dropout(h), \quad y = g_2(W_2 \tilde h + b_2)

    These are Eqs. 6-9 of a pair of layers. Its loss is ||y - x||^2, as a mean over elements, halved.
    Differs from the paper: see ``decnp.Profile``, switch by switch.

    Examples
    --------
    >>> from decnp.datasets import load_digits
    >>> X, _ = load_digits()
    >>> ae = StackedAutoencoder((32, 4), random_state=0).fit(X)
    >>> ae.encode(X).shape
    (1797, 4)
    """

    def __init__(
        self, hidden_layer_sizes: Sequence[int] = (500, 500, 2000, 10), *, profile: str | Profile = "fast",
        batch_size: int | None = None, engine: str = "numba", dtype: str | None = None, random_state: Seed = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.profile = profile
        self.batch_size = batch_size
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def from_layers(
        cls, encoder: list[Dense], decoder: list[Dense], shift: Any = 0.0, scale: Any = 1.0,
        history: Sequence[Record] = (), **parameters: Any,
    ) -> StackedAutoencoder:
        """Return a fitted autoencoder of the layers ``encoder``, from x to z, and ``decoder``, from z to x.

        The input of the network is (x - shift) * scale. ``history`` has the reports of its training. ``parameters`` are
        those of the estimator; ``hidden_layer_sizes`` follows from the layers by default.
        """
        sizes = tuple(len(layer.b) for layer in encoder)
        ae = cls(**{"hidden_layer_sizes": sizes, **parameters})
        ae.encoder_, ae.decoder_ = encoder, decoder
        dtype: Any = encoder[0].W.dtype
        ae.shift_, ae.scale_ = np.asarray(shift, dtype)[()], dtype.type(scale)
        ae.history_, ae.n_features_in_ = History(history), len(encoder[0].W)
        return ae

    def fit(self, X: Any, y: Any = None, **others: Any) -> StackedAutoencoder:
        """Train on X (n, D), dense or sparse, and return the estimator. ``y`` is ignored.

        Raises ValueError for bad input, TrainingError if training diverges, TypeError for any other argument.
        """
        self._refuse(others)
        self._drain(self.iter_fit(X))
        for sentence in self.warnings_:
            warnings.warn(sentence, TrainingWarning, stacklevel=2)
        return self

    def iter_fit(self, X: Any) -> Iterator[Record]:
        """Train on X (n, D) as ``fit`` does, and yield each report."""
        yield from self.train(*self.begin(X))

    steps = iter_fit  # its name in version 0.1

    def begin(self, X: Any) -> tuple[Rows, Profile, AutoencoderState]:
        """Check X and the parameters; return the rows to train on, the schedule and the state at step 0."""
        with self._columns_restored():
            X = check_data(self, X, reset=True)
            schedule = profile_for(self.profile, len(X))
            if self.batch_size is not None:
                check_number("batch_size", self.batch_size, low=1, integer=True)
                schedule = replace(schedule, batch_size=self.batch_size)
            sizes = [X.shape[1], *check_sizes(self.hidden_layer_sizes)]
            engine_for(self.engine)
            weights_rng, noise_rng, batch_rng = as_generator(self.random_state).spawn(3)
        rows = first_rows(X, schedule.autoencoder_rows)
        self._forget()
        schedule = profile_for_data(schedule, rows)
        self.warnings_ = offset_warnings(schedule, rows)
        self.shift_, self.scale_ = fit_scaling(rows, schedule)
        if schedule.lr_by_spectrum:
            with single_threaded_blas:  # with more threads, sums are added in another order
                share = top_singular_share(self._scaled(evenly_spaced_rows(rows)))
            schedule = replace(schedule, lr=schedule.lr / np.sqrt(share))
        encoder, decoder = _init_layers(weights_rng, sizes, schedule.init_std, X.dtype)
        batches = Minibatches(len(rows), schedule.batch_size, batch_rng if schedule.shuffle else None)
        return rows, schedule, AutoencoderState(encoder, decoder, noise_rng, batches)

    def train(
        self, rows: Rows, schedule: Profile, state: AutoencoderState, after_step: Callable[[], object] = lambda: None
    ) -> Iterator[Record]:
        """Train on ``rows`` by ``schedule`` from ``state``, which changes in place, and yield each report.

        ``after_step`` is called after each step; a caller can save ``state`` there.
        """
        self._unfinished = True
        self.encoder_, self.decoder_, self.history_ = state.encoder, state.decoder, state.history
        with ThreadPool() as pool:
            for l, phase in enumerate(phases(state, schedule)):
                if l == state.phase:
                    yield from self._train_phase(phase, rows, schedule, state, pool, after_step)
                    state.begin(l + 1)
        self._unfinished = False

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_") and not getattr(self, "_unfinished", False)

    def _train_phase(
        self, phase: Phase, rows: Rows, schedule: Profile, state: AutoencoderState, pool: ThreadPool,
        after_step: Callable[[], object],
    ) -> Iterator[Record]:
        """Run one phase under a monitor; where it diverges or dies, run it again at half the rate if allowed."""
        batch_at = features(ScaledRows(rows, self.shift_, self.scale_), phase.below, pool)
        state.progress = state.progress or PhaseProgress([a.copy() for a in arrays_of(phase.theta)])
        while True:
            halvings = state.progress.halvings
            last_try = halvings == schedule.lr_halvings
            must_live = phase.name == "finetune" and not last_try
            monitor = PhaseMonitor(phase.name, phase.theta, batch_at, len(rows), phase.n_iter, must_live, state.progress)
            slower = replace(schedule, lr=schedule.lr / 2**halvings)
            try:
                for loss, x in descend(phase, batch_at, state, slower, engine_for(self.engine), pool):
                    record = monitor.see(state.t, loss, x)
                    if record is not None:
                        self.history_.append(record)
                        yield record
                    after_step()
                return
            except TrainingError:
                if last_try:
                    raise
            for a, value in zip(arrays_of(phase.theta), state.progress.start, strict=True):
                a[...] = value
            start = state.progress.start
            state.begin(state.phase)
            state.progress = PhaseProgress(start, halvings + 1)

    def encode(self, X: Any) -> np.ndarray:
        """Return the embedding z (n, d) of X (n, D). Raises NotFittedError before ``fit``, ValueError for bad input."""
        check_is_fitted(self)
        return check_embedded(map_blocks(self._encode_block, check_data(self, X, reset=False, dtype=self._dtype)))

    transform = encode

    def decode(self, Z: ArrayLike) -> np.ndarray:
        """Return the reconstructions (n, D) of embeddings Z (n, d), in the units of the data."""
        check_is_fitted(self)
        Z = np.asarray(Z, self._dtype)
        width = self.decoder_[0].W.shape[0]
        if Z.ndim != 2 or Z.shape[1] != width:
            raise ValueError(f"Z must have the shape (n, {width}); got {Z.shape}")
        return map_blocks(lambda z: mlp(self.decoder_, z)[-1] / self.scale_ + self.shift_, Z)

    inverse_transform = decode

    def reconstruction_loss(self, X: Any) -> float:
        """Return 1/(2 n D) sum ||x_rec - x||^2 over X (n, D), in the scaled units of training."""
        check_is_fitted(self)
        X = check_data(self, X, reset=False, dtype=self._dtype)
        theta = self.encoder_ + self.decoder_
        total = 0.0
        for x in map(self._scaled, blocks(X)):
            total += float(squared_error(mlp(theta, x)[-1], x)[0]) * len(x)
        return total / len(X)

    @property
    def _n_features_out(self) -> int:
        return self.encoder_[-1].W.shape[1]

    @property
    def _dtype(self) -> np.dtype:
        """Return the dtype of the weights; inputs are converted to it."""
        return self.encoder_[0].W.dtype

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return (x - self.shift_) * self.scale_

    def _encode_block(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):  # the callers test the embedding
            return encode(self.encoder_, self._scaled(x))


def check_autoencoder(estimator: object, n_features: int) -> StackedAutoencoder:
    """Return the autoencoder ``estimator``, or that in a ``FrozenEstimator``; ValueError unless it fits ``n_features``."""
    ae = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    if not isinstance(ae, StackedAutoencoder):
        raise ValueError(f"autoencoder must be a fitted StackedAutoencoder or None; got {ae!r}")
    check_is_fitted(ae, msg=(
        "the autoencoder given is not fitted (scikit-learn's clone leaves one unfitted: put it into "
        "sklearn.frozen.FrozenEstimator before)"))
    if ae.n_features_in_ != n_features:
        raise ValueError(f"X has {n_features} features, but the autoencoder given is expecting {ae.n_features_in_}")
    return ae


def _init_layers(
    rng: np.random.Generator, sizes: Sequence[int], std: float | None, dtype: np.dtype
) -> tuple[list[Dense], list[Dense]]:
    """Return encoder and decoder at step 0; ReLU, except the embedding and the reconstruction of x."""
    encoder: list[Dense] = []
    decoder: list[Dense] = []
    for l, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        acts = ["linear" if l == len(sizes) - 2 else "relu", "linear" if l == 0 else "relu"]
        enc, dec = init_mlp(rng, [n_in, n_out, n_in], acts, std, dtype)
        encoder, decoder = [*encoder, enc], [dec, *decoder]
    return encoder, decoder
