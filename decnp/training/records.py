"""What the two training loops share: their reports, their state between two steps, optimisers and minibatches."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from ..optim import SGD, Adam, burn_in, cosine_decay, cyclic_minibatches, shuffled_minibatches, step_decay
from ..profiles import Profile
from ..utils.threads import ThreadPool

__all__ = [
    "Diagnosis", "History", "Kept", "Place", "Run", "Step", "fill", "make_optimizer", "minibatches",
    "pack", "unpack",
]


class Diagnosis(NamedTuple):
    """What a refresh of P finds, without labels; ``decnp.training.diagnostics`` says what each number is."""

    sizes: tuple[int, ...]
    kl_before: Optional[float]
    kl_after: float
    confidence: float
    entropy: float
    nearest: tuple[int, int]
    distance: float
    radius: float
    spread: float
    reconstruction: float


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
    diagnosis: Optional[Diagnosis] = None
    """In "cluster": what this refresh finds."""

    def as_dict(self) -> dict:
        """All numbers by name, those of the diagnosis (or None for each) beside the others."""
        found = dict.fromkeys(Diagnosis._fields) if self.diagnosis is None else self.diagnosis._asdict()
        return {**{name: value for name, value in self._asdict().items() if name != "diagnosis"}, **found}


class History(list):
    """The reports of a run: a list of ``Step``."""

    def to_frame(self):
        """A pandas ``DataFrame``, a line for each report and a column for each number; ImportError without pandas.

        >>> History([Step("finetune", 1, 2, 0.5)]).to_frame()[["phase", "loss"]]
              phase  loss
        0  finetune   0.5
        """
        import pandas

        return pandas.DataFrame([step.as_dict() for step in self], columns=Step("", 0, 0, 0.0).as_dict())


class Kept:
    """A run and the checkpoint that keeps it, or none: where it goes on from, and what is to be kept.

    Attributes
    ----------
    state : the tree that an earlier process left, by parts; empty for a new run
    parts : for each part of the run a function that gives its tree of numbers and arrays as it is now
    """

    def __init__(self, checkpoint=None, state: Optional[dict] = None):
        self.checkpoint = checkpoint
        self.state = state or {}
        self.parts: dict[str, Callable[[], Any]] = {}

    def __call__(self) -> None:
        """To be called after each step; the checkpoint knows whether it is time to write."""
        if self.checkpoint is not None:
            self.checkpoint.keep(lambda: {name: part() for name, part in self.parts.items()})


def pack(history: Sequence[Step]) -> dict:
    """Reports as a tree of words and two arrays, for a checkpoint."""
    phases = list(dict.fromkeys(step.phase for step in history))
    numbers = [[phases.index(step.phase), *step[1:4], np.nan if step.changed is None else step.changed]
               for step in history]
    found = [[*d.sizes, np.nan if d.kl_before is None else d.kl_before, *d[2:5], *d.nearest, *d[6:]]
             for d in (step.diagnosis for step in history) if d is not None]
    return {"phases": phases, "numbers": np.array(numbers, np.float64).reshape(-1, 5),
            "diagnosed": [i for i, step in enumerate(history) if step.diagnosis is not None],
            "diagnoses": np.array(found, np.float64).reshape(len(found), len(found[0]) if found else 0)}


def unpack(packed: dict) -> History:
    """The reports again."""
    phases = packed["phases"]
    history = History(
        Step(phases[int(phase)], int(t), int(n), float(loss), None if np.isnan(changed) else float(changed))
        for phase, t, n, loss, changed in packed["numbers"])
    for i, row in zip(packed["diagnosed"], packed["diagnoses"].tolist(), strict=True):
        *sizes, before, after, confidence, entropy, a, b, distance, radius, spread, reconstruction = row
        history[i] = history[i]._replace(diagnosis=Diagnosis(
            tuple(map(int, sizes)), None if np.isnan(before) else before, after, confidence, entropy, (int(a), int(b)),
            distance, radius, spread, reconstruction))
    return history


@dataclass
class Place:
    """Where a phase is: what it remembers between two iterations, beside the weights and the optimiser's memory."""

    phase: str
    start: list
    """The weights that the phase began with."""
    halvings: int = 0
    """How often it has diverged or died."""
    t: int = 0
    """Iterations done."""
    total: float = 0.0
    """The sum of the minibatches' losses since the last report ..."""
    nothing: float = 0.0
    """... that of reconstructing nothing ..."""
    since: int = 0
    """... and how many they are."""
    first: float = 0.0
    """The first minibatch's loss."""
    batches: Optional[Mapping[str, Any]] = None
    """The state of the minibatches' generator when the phase began."""

    def add(self, t, loss, nothing):
        """Iteration t has been done."""
        self.first = loss if t == 1 else self.first
        self.t, self.total, self.nothing, self.since = t, self.total + loss, self.nothing + nothing, self.since + 1


class Run(NamedTuple):
    """What all phases of one autoencoder's training share."""

    profile: Profile
    noise_rng: np.random.Generator
    batch_rng: np.random.Generator
    kept: Kept
    crew: ThreadPool

    @property
    def state(self) -> dict:
        """Where the training goes on from; empty for a new run."""
        return self.kept.state.get("autoencoder", {})

    def place(self, phase: str, theta: list) -> Place:
        """The place where ``phase`` begins with the weights ``theta``, or goes on."""
        if self.state.get("phase") == phase:
            return Place(**{field.name: self.state[field.name] for field in fields(Place)})
        return Place(phase, [a.copy() for a in theta])

    def go_on(self, place: Place, optimizer, batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The minibatches from ``place`` on; if that lies within a phase, the optimiser and the generators go there."""
        if place.batches is None:
            place.batches = self.batch_rng.bit_generator.state
            return batches
        self.batch_rng.bit_generator.state = place.batches
        self.noise_rng.bit_generator.state = self.state["noise"]
        fill(optimizer.memory, self.state["memory"])
        optimizer.t = place.t
        for _ in range(place.t):  # drawn before
            next(batches)
        return batches


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


def fill(arrays: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> None:
    """Put ``values`` into ``arrays``, one by one. Raises ValueError where a shape or dtype differs."""
    for array, value in zip(arrays, values, strict=True):
        if array.shape != value.shape or array.dtype != value.dtype:
            raise ValueError(f"an array must be {array.dtype} {array.shape}; got {value.dtype} {value.shape}")
        array[...] = value


def minibatches(n: int, batch_size: int, shuffle: bool, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless row numbers, in random or in file order."""
    return shuffled_minibatches(n, batch_size, rng) if shuffle else cyclic_minibatches(n, batch_size)
