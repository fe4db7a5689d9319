"""The stacked autoencoder of DEC section 3.2: greedy layer-wise pretraining, then fine-tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterator, NamedTuple, Optional, Sequence

import numpy as np
from scipy.sparse.linalg import svds
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .checks import as_generator, check_data, check_number, check_sizes
from .engine import engine_for
from .layers import BLOCK, Dense, arrays_of, dropout_mask, init_mlp, mlp, reconstruction_loss_and_grads, squared_error
from .optim import SGD, Adam, burn_in, cosine_decay, cyclic_minibatches, shuffled_minibatches, step_decay
from .profiles import Profile, profile_for

__all__ = ["StackedAutoencoder", "Step", "TrainingError"]


class Step(NamedTuple):
    """A report from a training loop: one for every so many iterations, or for each refresh of P."""

    phase: str
    """"pretrain 1", ..., "finetune", "k-means", "cluster"."""
    iteration: int
    """Iterations done in this phase."""
    n_iter: int
    """Iterations that the phase has (in "cluster": at most)."""
    loss: float
    """Mean loss of the minibatches since the last report: reconstruction, or KL in nats per sample."""
    changed: Optional[float] = None
    """In "cluster": the fraction of labels that changed since the last refresh of P."""


class TrainingError(ArithmeticError):
    """Training left the finite numbers; the message says where and what to try."""


class StackedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A fully connected autoencoder D-500-500-2000-10 and back, trained as in DEC section 3.2.

    Each pair of an encoder layer and its decoder layer is first trained as a denoising autoencoder
    (Eqs. 6-9) on the fixed features of the pairs below; then the whole stack is fine-tuned. ReLU
    everywhere but on the code and on the reconstruction.

    Parameters
    ----------
    hidden_layer_sizes : widths of the encoder's layers; the last one is the code's
    profile : "fast", "paper" or a ``decnp.Profile``: the schedule
    batch_size : rows in a minibatch
    engine : "numba" or "numpy", for the update of the weights
    dtype : "float32", "float64", or None for float32 where it holds X exactly, else float64
    random_state : None, int, ``numpy.random.Generator`` or ``RandomState``
    verbose : 0 is silent; 1 prints a line for each report

    Attributes
    ----------
    encoder_, decoder_ : lists of ``Dense``
    shift_, scale_ : the network sees (x - shift_) * scale_
    history_ : list of ``Step``; a phase that diverged and started again at half the rate is in it both times
    n_features_in_ : D

    Differs from the paper: see ``decnp.Profile``, switch by switch.

    >>> from decnp.datasets import load_digits
    >>> X, _ = load_digits()
    >>> ae = StackedAutoencoder((32, 4), random_state=0).fit(X)
    >>> ae.encode(X).shape
    (1797, 4)
    """

    def __init__(
        self, hidden_layer_sizes=(500, 500, 2000, 10), *, profile="fast", batch_size=256, engine="numba",
        dtype=None, random_state=None, verbose=0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.profile = profile
        self.batch_size = batch_size
        self.engine = engine
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None) -> "StackedAutoencoder":
        """Train on X (n, D); ``y`` is ignored. Raises ValueError for bad input, TrainingError for lost numbers."""
        for step in self.steps(X):
            if self.verbose:
                print(f"{step.phase:>12}  {step.iteration:>7}/{step.n_iter}  loss {step.loss:.5f}", flush=True)
        return self

    def steps(self, X) -> Iterator[Step]:
        """The training run as a generator of ``Step``; ``fit`` drains it."""
        X = check_data(self, X, reset=True)
        profile = profile_for(self.profile, len(X))
        check_number("batch_size", self.batch_size, low=1, whole=True)
        sizes = [X.shape[1], *check_sizes(self.hidden_layer_sizes)]
        weights_rng, noise_rng, batch_rng = as_generator(self.random_state).spawn(3)
        rows = X[: profile.autoencoder_rows]
        self.shift_, self.scale_ = _scaling(rows, profile)
        self.history_ = []

        if profile.lr_by_spectrum:
            profile = replace(profile, lr=profile.lr / np.sqrt(_top_share(self._scaled(_some(rows)))))
        pairs = _init_pairs(weights_rng, sizes, profile.init_std, X.dtype)
        if profile.pretrain_iter:
            for l, pair in enumerate(pairs):
                take = None  # the last pair's features go before this pair's come
                take = self._features(rows, [enc for enc, _ in pairs[:l]])
                rates = _dropout_rates(profile, l, len(pairs))
                yield from self._phase(f"pretrain {l + 1}", pair, take, len(rows), profile.pretrain_iter, rates,
                                       profile, noise_rng, batch_rng)
        self.encoder_ = [enc for enc, _ in pairs]
        self.decoder_ = [dec for _, dec in reversed(pairs)]
        take = self._features(rows, [])
        yield from self._phase("finetune", self.encoder_ + self.decoder_, take, len(rows), profile.finetune_iter,
                               [profile.finetune_dropout], profile, noise_rng, batch_rng)

    def encode(self, X) -> np.ndarray:
        """X (n, D) -> the code z (n, d). Raises NotFittedError before ``fit``, ValueError for bad input."""
        check_is_fitted(self, "encoder_")
        return in_blocks(self._encode_block, check_data(self, X, reset=False, dtype=self._dtype))

    transform = encode

    def decode(self, Z) -> np.ndarray:
        """Codes Z (n, d) -> reconstructions (n, D), in the units of the data."""
        check_is_fitted(self, "encoder_")
        Z = np.asarray(Z, self._dtype)
        width = self.decoder_[0].W.shape[0]
        if Z.ndim != 2 or Z.shape[1] != width:
            raise ValueError(f"Z must have the shape (n, {width}); got {Z.shape}")
        return in_blocks(lambda z: mlp(self.decoder_, z)[-1] / self.scale_ + self.shift_, Z)

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
        return mlp(self.encoder_, self._scaled(x))[-1]

    def _features(self, rows, below: Sequence[Dense]) -> Callable[[np.ndarray], np.ndarray]:
        """What a pair trains on, as a function of row numbers: the fixed output of the layers below it.

        It is computed once, up to the last layer that is no wider than the data; so that it never takes
        more memory than they do, a wider layer above that runs for each minibatch.
        """
        stored = max((l + 1 for l, layer in enumerate(below) if len(layer.b) <= rows.shape[1]), default=0)
        if stored == 0:
            return lambda i: mlp(below, self._scaled(rows[i]))[-1]
        features = in_blocks(lambda x: mlp(below[:stored], self._scaled(x))[-1], rows)
        return lambda i: mlp(below[stored:], features[i])[-1]

    def _phase(self, phase, theta, take, n, n_iter, rates, profile, noise_rng, batch_rng) -> Iterator[Step]:
        """``_train``; where that diverges, again from the same weights at half the rate, as often as allowed."""
        start = [a.copy() for a in arrays_of(theta)]
        for halvings in range(profile.lr_halvings + 1):
            try:
                yield from self._train(phase, theta, take, n, n_iter, rates, profile, noise_rng, batch_rng)
                return
            except TrainingError:
                if halvings == profile.lr_halvings:
                    raise
            profile = replace(profile, lr=profile.lr / 2)
            for a, a_start in zip(arrays_of(theta), start):
                a[...] = a_start

    def _train(self, phase, theta, take, n, n_iter, rates, profile, noise_rng, batch_rng) -> Iterator[Step]:
        """SGD on the reconstruction of ``take(rows)``; ``rates[l]`` is the dropout on the input of layer l."""
        optimizer = make_optimizer(arrays_of(theta), profile, n_iter, engine_for(self.engine))
        batches = minibatches(n, self.batch_size, profile.shuffle, batch_rng)
        report = max(1, min(n_iter // 20, 1000))
        overall = _half_mean_square(take(_some(range(n))))
        total, nothing, since = 0.0, 0.0, 0  # the loss, and that of reconstructing nothing, since the last report
        first = 0.0  # the first minibatch's loss
        for t in range(1, n_iter + 1):
            x = take(next(batches))
            loss = self._step(theta, x, rates, noise_rng, optimizer)
            first = loss if t == 1 else first
            total, nothing, since = total + loss, nothing + _half_mean_square(x), since + 1
            if t % report == 0 or t == n_iter or not np.isfinite(loss):
                reference = max(overall, nothing / since, first if np.isfinite(first) else 0.0)
                if not total / since <= 2 * reference:
                    raise TrainingError(
                        f"the reconstruction loss became {total / since:.3g} in phase '{phase}' before iteration {t}, "
                        f"and is no more than {reference:.3g} at the start or for reconstructing nothing: the learning "
                        "rate is too large for the scale of the data; try input_scale='unit' or a smaller lr in the profile"
                    )
                self.history_.append(Step(phase, t, n_iter, total / since))
                yield self.history_[-1]
                total, nothing, since = 0.0, 0.0, 0

    def _step(self, theta, x, rates, noise_rng, optimizer) -> float:
        """One step on the clean minibatch x (b, D): corrupt, forward, backward, update; returns the loss."""
        masks = [dropout_mask(noise_rng, (len(x), len(W)), rate, x.dtype) for (W, _, _), rate in zip(theta, rates)]
        with np.errstate(over="ignore", invalid="ignore"):  # the loop above sees a loss that is not a number
            loss, g_theta = reconstruction_loss_and_grads(theta, x, masks)
            optimizer.step(arrays_of(g_theta))
        return float(loss)


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


def _scaling(X, profile: Profile):
    """shift (D,) or 0 and scale, for (x - shift) * scale."""
    shift = X.mean(axis=0, dtype=np.float64).astype(X.dtype) if profile.center else X.dtype.type(0)
    scale = profile.input_scale
    if scale == "unit":
        blocks = (X[s : s + BLOCK] - shift for s in range(0, len(X), BLOCK))
        with np.errstate(over="ignore"):
            mean_square = sum(float(np.sum(np.square(x, dtype=np.float64))) for x in blocks) / X.size
        scale = 1 / np.sqrt(mean_square) if mean_square > 0 else np.inf if np.any(X != shift) else 1.0
    scale = 1.0 if scale is None else float(scale)
    if not float(np.finfo(X.dtype).tiny) < scale < float(np.finfo(X.dtype).max):
        raise TrainingError(f"the data's scale does not fit into {X.dtype}: the factor would be {scale:.3g}; rescale X")
    return shift, X.dtype.type(scale)


def _some(X):
    """At most ``BLOCK`` of X's rows, evenly spaced."""
    return np.asarray(X[:: -(-len(X) // BLOCK)])


def _top_share(x) -> float:
    """The share, in (0, 1], of sum ||x_i||^2 along the top right-singular direction of x (n, D); 1 if n or D < 3."""
    total = float(np.vdot(x, x))
    if total == 0 or min(x.shape) < 3:
        return 1.0
    top = svds(x.astype(np.float64), k=1, return_singular_vectors=False, v0=np.ones(min(x.shape)))[0] ** 2
    return min(1.0, top / total)


def _half_mean_square(x):
    """The loss of reconstructing x (n, D) as 0."""
    return float(np.vdot(x, x)) / (2 * x.size)


def make_optimizer(arrays, profile: Profile, n_iter: int, engine):
    """The profile's optimiser for one autoencoder phase of ``n_iter`` steps; every second array is a bias."""
    if profile.lr_decay == "step":
        lr = step_decay(profile.lr, profile.lr_every, profile.lr_factor)
    else:
        lr = cosine_decay(profile.lr, n_iter)
    lr_scale = [1.0, profile.bias_lr] * (len(arrays) // 2)
    if profile.optimizer == "adam":
        return Adam(arrays, lr, lr_scale=lr_scale, update=engine.adam_update)
    return SGD(arrays, lr, burn_in(profile.momentum, profile.burn_in), lr_scale, engine.sgd_update)


def minibatches(n: int, batch_size: int, shuffle: bool, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless row numbers, in random or in file order."""
    return shuffled_minibatches(n, batch_size, rng) if shuffle else cyclic_minibatches(n, batch_size)


def in_blocks(f: Callable[[np.ndarray], np.ndarray], X: np.ndarray) -> np.ndarray:
    """f over X (n, D) in blocks of ``BLOCK`` rows, into one array (n, ...) of X's dtype."""
    first = f(X[:BLOCK])
    out = np.empty((len(X), *first.shape[1:]), first.dtype)
    out[:BLOCK] = first
    for start in range(BLOCK, len(X), BLOCK):
        out[start : start + BLOCK] = f(X[start : start + BLOCK])
    return out
