"""The stacked autoencoder of DEC section 3.2: greedy layer-wise pretraining, then fine-tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterator, Optional, Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from .exceptions import TrainingError
from .layers import Dense, arrays_of, dropout_mask, encode, init_mlp, mlp, squared_error
from .losses import reconstruction_loss_and_grads
from .profiles import Profile, profile_for
from .training.diagnostics import sample
from .training.engine import engine_for
from .training.estimator import NetworkMixin
from .training.records import History, Kept, Place, Run, Step, fill, make_optimizer, minibatches, pack, unpack
from .training.scaling import scaling, top_share
from .utils.rows import BLOCK, evenly_spaced_rows, first_rows
from .utils.threads import ThreadPool, map_blocks
from .utils.validation import as_generator, check_data, check_number, check_sizes

__all__ = ["StackedAutoencoder", "given_autoencoder"]

STORED = 1 << 28  # bytes of a layer's features that are kept however small the data are
DEAD = 1e-4  # it is dead where its reconstructions vary less than so many times what the rows do


class StackedAutoencoder(NetworkMixin, BaseEstimator):
    """A fully connected autoencoder D-500-500-2000-10 and back, trained as in DEC section 3.2.

    Each pair of an encoder layer and its decoder layer is first trained as a denoising autoencoder
    (Eqs. 6-9) on the fixed features of the pairs below; then the whole stack is fine-tuned. ReLU
    everywhere but on the code and on the reconstruction.

    Parameters
    ----------
    hidden_layer_sizes : widths of the encoder's layers; the last one is the code's
    profile : "fast", "paper" or a ``decnp.Profile``: the schedule
    batch_size : rows in a minibatch; None takes the profile's
    engine : "numba" or "numpy", for the update of the weights
    dtype : "float32", "float64", or None for float32 where it holds X exactly, else float64
    random_state : None, int, ``numpy.random.Generator`` or ``RandomState``
    verbose : 0 is silent; 1 prints a line for each report

    Attributes
    ----------
    encoder_, decoder_ : lists of ``Dense``
    shift_, scale_ : the network sees (x - shift_) * scale_
    history_ : list of ``Step``; a phase that diverged or died and started again at half the rate is in it both times
    n_features_in_ : D

    Differs from the paper: see ``decnp.Profile``, switch by switch.

    >>> from decnp.datasets import load_digits
    >>> X, _ = load_digits()
    >>> ae = StackedAutoencoder((32, 4), random_state=0).fit(X)
    >>> ae.encode(X).shape
    (1797, 4)
    """

    def __init__(
        self, hidden_layer_sizes=(500, 500, 2000, 10), *, profile="fast", batch_size=None, engine="numba",
        dtype=None, random_state=None, verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.profile = profile
        self.batch_size = batch_size
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, **others) -> "StackedAutoencoder":
        """Train on X (n, D), dense or sparse; ``y`` is ignored.

        Raises ValueError for bad input, TrainingError for lost numbers, TypeError for anything else that is given.
        """
        self._refuse(others)
        for step in self.steps(X):
            if self.verbose:
                print(f"{step.phase:>12}  {step.iteration:>7}/{step.n_iter}  loss {step.loss:.5f}", flush=True)
        return self

    def steps(self, X, kept: Optional[Kept] = None) -> Iterator[Step]:
        """The training run as a generator of ``Step``; ``fit`` drains it. ``kept`` is for ``DEC``'s checkpoints."""
        X = check_data(self, X, reset=True)
        profile = profile_for(self.profile, len(X))
        if self.batch_size is not None:
            check_number("batch_size", self.batch_size, low=1, whole=True)
            profile = replace(profile, batch_size=self.batch_size)
        sizes = [X.shape[1], *check_sizes(self.hidden_layer_sizes)]
        weights_rng, noise_rng, batch_rng = as_generator(self.random_state).spawn(3)
        rows = first_rows(X, profile.autoencoder_rows)
        self.shift_, self.scale_ = scaling(rows, profile)
        self.history_ = History()

        if profile.lr_by_spectrum:
            with threadpool_limits(1):  # with more threads, sums add up in another order
                profile = replace(profile, lr=profile.lr / np.sqrt(top_share(self._scaled(evenly_spaced_rows(rows)))))
        pairs = _init_pairs(weights_rng, sizes, profile.init_std, X.dtype)
        self.encoder_ = [enc for enc, _ in pairs]
        self.decoder_ = [dec for _, dec in reversed(pairs)]
        with ThreadPool() as crew:
            yield from self._phases(rows, pairs, Run(profile, noise_rng, batch_rng, kept or Kept(), crew))

    def _phases(self, rows, pairs, run) -> Iterator[Step]:
        """Each pair by itself, then all together."""
        profile = run.profile
        phases = [f"pretrain {l + 1}" for l in range(len(pairs)) if profile.pretrain_iter] + ["finetune"]
        if run.state:
            self._take_up(run.state)
            phases = [] if run.state["phase"] == "end" else phases[phases.index(run.state["phase"]) :]
        for phase in phases:
            take = None  # the last pair's features go before this pair's come
            if phase == "finetune":
                take = self._features(rows, [], run.crew)
                yield from self._phase(phase, self.encoder_ + self.decoder_, take, len(rows), profile.finetune_iter,
                                       [profile.finetune_dropout], run)
            else:
                l = int(phase.split()[1]) - 1
                take = self._features(rows, self.encoder_[:l], run.crew)
                yield from self._phase(phase, pairs[l], take, len(rows), profile.pretrain_iter,
                                       _dropout_rates(profile, l, len(pairs)), run)
        run.kept.parts["autoencoder"] = self._at_the_end

    def encode(self, X) -> np.ndarray:
        """X (n, D) -> the code z (n, d). Raises NotFittedError before ``fit``, ValueError for bad input."""
        check_is_fitted(self, "encoder_")
        return map_blocks(self._encode_block, check_data(self, X, reset=False, dtype=self._dtype))

    transform = encode

    def decode(self, Z) -> np.ndarray:
        """Codes Z (n, d) -> reconstructions (n, D), in the units of the data."""
        check_is_fitted(self, "encoder_")
        Z = np.asarray(Z, self._dtype)
        width = self.decoder_[0].W.shape[0]
        if Z.ndim != 2 or Z.shape[1] != width:
            raise ValueError(f"Z must have the shape (n, {width}); got {Z.shape}")
        return map_blocks(lambda z: mlp(self.decoder_, z)[-1] / self.scale_ + self.shift_, Z)

    inverse_transform = decode

    def reconstruction_loss(self, X) -> float:
        """1/(2 n D) sum ||x_rec - x||^2 over X (n, D), in the scaled units that training saw."""
        check_is_fitted(self, "encoder_")
        X = check_data(self, X, reset=False, dtype=self._dtype)
        theta = self.encoder_ + self.decoder_
        total = 0.0
        for start in range(0, len(X), BLOCK):
            x = self._scaled(X[start : start + BLOCK])
            total += float(squared_error(mlp(theta, x)[-1], x)[0]) * len(x)
        return total / len(X)

    @property
    def _n_features_out(self):
        return self.encoder_[-1].W.shape[1]

    @property
    def _dtype(self):
        """What the network was trained in, and so what it is asked in."""
        return self.encoder_[0].W.dtype

    def _scaled(self, x):
        return (x - self.shift_) * self.scale_

    def _encode_block(self, x):
        return encode(self.encoder_, self._scaled(x))

    def _features(self, rows, below: Sequence[Dense], crew: ThreadPool) -> Callable[[np.ndarray], np.ndarray]:
        """What a pair trains on, as a function of row numbers: the fixed output of the layers below it.

        It is computed once, up to the last layer that is no wider than the data and takes no more memory than they
        do (sparse or mapped data are small: there, than ``STORED`` bytes); the layers above run for each minibatch.
        """
        if not below:
            return lambda i: self._scaled(rows[i])
        widest = min(rows.shape[1], max(rows.nbytes, STORED) // (len(rows) * rows.dtype.itemsize))
        stored = max((l + 1 for l, layer in enumerate(below) if len(layer.b) <= widest), default=0)
        if stored == 0:
            return lambda i: crew.map_rows(lambda i: encode(below, self._scaled(rows[i])), i)
        features = map_blocks(lambda x: encode(below[:stored], self._scaled(x)), rows, crew)
        if stored == len(below):
            return lambda i: features[i]
        return lambda i: crew.map_rows(lambda i: encode(below[stored:], features[i]), i)

    def _phase(self, phase, theta, take, n, n_iter, rates, run) -> Iterator[Step]:
        """``_train``; where that diverges or dies, again from the same weights at half the rate, if that is allowed."""
        place = run.place(phase, arrays_of(theta))
        while True:
            try:
                yield from self._train(phase, theta, take, n, n_iter, rates, run, place)
                return
            except TrainingError:
                if place.halvings == run.profile.lr_halvings:
                    raise
            fill(arrays_of(theta), place.start)
            place = Place(phase, place.start, place.halvings + 1)

    def _train(self, phase, theta, take, n, n_iter, rates, run, place) -> Iterator[Step]:
        """SGD on the reconstruction of ``take(rows)``; ``rates[l]`` is the dropout on the input of layer l."""
        profile = replace(run.profile, lr=run.profile.lr / 2**place.halvings)
        engine, batch_size = engine_for(self.engine), min(profile.batch_size, n)
        optimizer = make_optimizer(arrays_of(theta), profile, n_iter, engine)
        fused = engine.FusedStep and engine.FusedStep(theta, optimizer, batch_size, run.crew)
        batches = run.go_on(place, optimizer, minibatches(n, batch_size, profile.shuffle, run.batch_rng))
        run.kept.parts["autoencoder"] = lambda: {
            **self._at_the_end(), **vars(place), "memory": optimizer.memory, "noise": run.noise_rng.bit_generator.state}
        report = max(1, min(n_iter // 20, 1000))
        overall = _half_mean_square(take(evenly_spaced_rows(range(n))))
        for t in range(place.t + 1, n_iter + 1):
            x = take(next(batches))
            loss = self._step(theta, x, rates, run.noise_rng, optimizer, fused)
            place.add(t, loss, _half_mean_square(x))
            if t % report == 0 or t == n_iter or not np.isfinite(loss):
                self._check_progress(place, overall)
                if phase == "finetune" and t >= n_iter / 4 and place.halvings < profile.lr_halvings:
                    self._check_alive(theta, take(sample(range(n))), t)
                self.history_.append(Step(phase, t, n_iter, place.total / place.since))
                yield self.history_[-1]
                place.total, place.nothing, place.since = 0.0, 0.0, 0
            run.kept()

    @staticmethod
    def _check_progress(place, overall):
        """TrainingError where the loss is more than twice that of the start and of reconstructing nothing."""
        mean = place.total / place.since
        reference = max(overall, place.nothing / place.since, place.first if np.isfinite(place.first) else 0.0)
        if not mean <= 2 * reference:
            raise TrainingError(
                f"the reconstruction loss became {mean:.3g} in phase '{place.phase}' before iteration {place.t}, "
                f"and is no more than {reference:.3g} at the start or for reconstructing nothing: the learning "
                "rate is too large for the scale of the data; try input_scale='unit' or a smaller lr in the profile"
            )

    @staticmethod
    def _check_alive(theta, x, t):
        """TrainingError where the reconstruction is the same for all rows x (n, D), which are not."""
        with np.errstate(over="ignore", invalid="ignore"):
            varies, data = (float(np.var(a, axis=0, dtype=np.float64).sum()) for a in (mlp(theta, x)[-1], x))
        if varies < DEAD * data:
            raise TrainingError(f"the network is dead at iteration {t}: it reconstructs all rows as the same one")

    def _at_the_end(self) -> dict:
        """What is to be kept of a training that is over; while it lasts, "phase" and more are put over it."""
        return {"phase": "end", "weights": arrays_of(self.encoder_ + self.decoder_), "history": pack(self.history_)}

    def _take_up(self, state: dict) -> None:
        """The weights and the history of a run that is to go on."""
        fill(arrays_of(self.encoder_ + self.decoder_), state["weights"])
        self.history_ = unpack(state["history"])

    def _step(self, theta, x, rates, noise_rng, optimizer, fused=None) -> float:
        """One step on the clean minibatch x (b, D): corrupt, forward, backward, update; returns the loss."""
        masks = [dropout_mask(noise_rng, (len(x), len(W)), rate, x.dtype) for (W, _, _), rate in zip(theta, rates)]
        if fused:
            return fused.reconstruct(x, masks)
        with np.errstate(over="ignore", invalid="ignore"):  # the loop above sees a loss that is not a number
            loss, g_theta = reconstruction_loss_and_grads(theta, x, masks)
            optimizer.step(arrays_of(g_theta))
        return float(loss)


def given_autoencoder(estimator, n_features: int) -> StackedAutoencoder:
    """A fitted autoencoder of ``n_features`` columns, out of its ``FrozenEstimator``; ValueError for anything else."""
    ae = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    if not isinstance(ae, StackedAutoencoder):
        raise ValueError(f"autoencoder must be a fitted StackedAutoencoder or None; got {ae!r}")
    check_is_fitted(ae, "encoder_", msg=(
        "the autoencoder given is not fitted (scikit-learn's clone leaves one unfitted: put it into "
        "sklearn.frozen.FrozenEstimator before)"))
    if ae.n_features_in_ != n_features:
        raise ValueError(f"X has {n_features} features, but the autoencoder given is expecting {ae.n_features_in_}")
    return ae


def _init_pairs(rng, sizes, std, dtype) -> list[list[Dense]]:
    """[encoder layer, decoder layer] for each pair; ReLU but on the code and on the reconstruction of x."""
    pairs = []
    for l, (n_in, n_out) in enumerate(zip(sizes, sizes[1:])):
        acts = ["linear" if l == len(sizes) - 2 else "relu", "linear" if l == 0 else "relu"]
        pairs.append(init_mlp(rng, [n_in, n_out, n_in], acts, std, dtype))
    return pairs


def _dropout_rates(profile: Profile, l: int, n_pairs: int) -> list[float]:
    """Dropout on the input of pair l and on its hidden layer (Eqs. 6 and 8)."""
    on_input = l > 0 or profile.dropout_on_input
    on_hidden = l < n_pairs - 1 or profile.dropout_on_code
    return [profile.dropout * on_input, profile.dropout * on_hidden]


def _half_mean_square(x):
    """The loss of reconstructing x (n, D) as 0."""
    return float(np.square(x).mean(dtype=np.float64)) / 2
