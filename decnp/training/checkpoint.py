"""Checkpoints: a training run's whole state in one file, from which it goes on to the same bits.

What a run remembers between two steps is a tree of numbers, words, generators' states and arrays (``DEC.steps``
builds it). The file is a zip of .npy arrays and a JSON header, as a model file is: nothing in it is ever executed,
every array has its SHA-256 sum, and it is written aside and renamed, so that a run killed while it writes leaves
the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from dataclasses import asdict
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any, Callable, Mapping, Union

import numpy as np
from threadpoolctl import threadpool_info

from ..exceptions import CheckpointError, ModelFileError
from ..io.archive import read_archive, write_archive
from ..io.atomic import write_atomically
from ..layers import arrays_of
from ..profiles import Profile
from ..utils.rows import Rows, blocks
from ..utils.validation import check_sizes

__all__ = ["Checkpoint", "fingerprint", "recipe_of"]

FORMAT = 2
KIND = "checkpoint"


class Checkpoint:
    """Where a run keeps its state, and how often.

    Parameters
    ----------
    path : the file; a run overwrites what is there
    every : minutes between two writings at least; 0 writes after each step, ``inf`` only when ``stop`` is called

    Attributes
    ----------
    notes : dict of what else is to be kept in the file, as JSON; for the caller

    A file that cannot be written is warned of, and training goes on: the one before it stays.
    """

    def __init__(self, path: Union[str, "os.PathLike[str]"], every: float = 10.0):
        self.path = Path(path)
        self.every = every
        self.notes: dict = {}
        self._last = time.monotonic()
        self._stop = False

    def stop(self) -> None:
        """Write after the step that is under way, then end the run with KeyboardInterrupt."""
        self._stop = True

    def keep(self, state: Callable[[], dict]) -> None:
        """Called by the run after each step: writes what ``state()`` gives, if it is time or ``stop`` was called."""
        if not self._stop and time.monotonic() - self._last < 60 * self.every:
            return
        try:
            self.write(state())
        except OSError as error:
            kept = "the one before it stays" if self.path.exists() else "there is none yet"
            warnings.warn(f"the checkpoint {self.path} could not be written ({error.strerror or error}); {kept}",
                          RuntimeWarning, stacklevel=2)
        self._last = time.monotonic()
        if self._stop:
            raise KeyboardInterrupt

    def write(self, state: dict) -> None:
        """Write ``state`` to the file, aside and renamed. Raises OSError if that fails; the file before it stays."""
        arrays: dict[str, np.ndarray] = {}
        header = {"format": FORMAT, "kind": KIND, "notes": self.notes, "machine": _machine(),
                  "state": _without_arrays(state, "", arrays)}
        self._sweep()
        write_atomically(self.path, lambda file: write_archive(file, header, arrays))

    def read(self, recipe: Mapping[str, Any]) -> dict:
        """The state in the file; its notes are then in ``notes``.

        Another BLAS library or number of threads than the run began with is warned of: it rounds otherwise.

        Raises
        ------
        CheckpointError
            If the file is damaged or no checkpoint, or if its run's recipe is not ``recipe``: the sentence names the
            first difference.
        OSError
            If it is not there or cannot be read.
        """
        try:
            header, arrays = read_archive(self.path)
            if header["kind"] != KIND:
                raise CheckpointError(f"{self.path} is no checkpoint")
            if header["format"] != FORMAT:
                raise CheckpointError(f"{self.path} is a checkpoint of another decnp: its format is "
                                      f"{header['format']!r}, this one reads {FORMAT}")
            state = _with_arrays(header["state"], arrays)
            self.notes = dict(header["notes"])
            kept, machine = dict(state["recipe"]), header["machine"]
        except (ModelFileError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{self.path} is no checkpoint, or is damaged ({error})") from error
        for name in {**recipe, **kept}:
            here, there = (_plain(one.get(name)) for one in (recipe, kept))
            if here != there:
                raise CheckpointError(f"{self.path} is of another run: {name} was {there!r}, and is {here!r} now")
        if machine != _machine():
            warnings.warn(f"the run began with {', '.join(machine)} and goes on with {', '.join(_machine())}: it can "
                          "end otherwise than in one go", RuntimeWarning, stacklevel=2)
        return state

    def remove(self) -> None:
        """Delete the file: the run is complete."""
        self.path.unlink(missing_ok=True)
        self._sweep()

    def _sweep(self):
        """What a killed run left half written beside the file goes."""
        for part in self.path.parent.glob(f".{self.path.name[:40]}.*.part"):
            part.unlink(missing_ok=True)


def recipe_of(model, X: Rows, profile: Profile, start) -> dict:
    """What must be the same for the run of a ``DEC`` to go on, by name; ``start`` is the autoencoder given, or None."""
    parameters = {name: getattr(model, name) for name in (
        "n_clusters", "alpha", "tol", "n_init", "update_encoder", "engine")}
    seed = model.random_state
    return {
        **parameters, "hidden_layer_sizes": check_sizes(model.hidden_layer_sizes), **asdict(profile),
        "random_state": int(seed) if isinstance(seed, Integral) else type(seed).__name__,
        "autoencoder": start and fingerprint(*arrays_of(start.encoder_ + start.decoder_)),
        "dtype": X.dtype.name, "the shape of X": X.shape, "the sha256 of X": fingerprint(X),
    }


def fingerprint(*arrays: Rows) -> str:
    """The SHA-256 sum of the arrays' bytes, row by row, one array after the other; sparse rows count as dense ones."""
    total = hashlib.sha256()
    for x in chain.from_iterable(map(blocks, arrays)):
        total.update(np.ascontiguousarray(x).data)
    return total.hexdigest()


def _machine() -> list[str]:
    """What rounds the matrix products."""
    return [f"NumPy {np.__version__}"] + sorted(
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture')}, threads: {pool['num_threads']})"
        for pool in threadpool_info() if pool["user_api"] == "blas")


# ---------------------------------------------------------------- a tree as JSON and arrays

def _without_arrays(value, name, arrays):
    """``value`` with each array replaced by {"array": its name}; the arrays go into ``arrays``."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {key: _without_arrays(item, f"{name}.{key}".lstrip("."), arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value, arrays):
    """The tree again."""
    if isinstance(value, dict):
        if value.keys() == {"array"}:
            return arrays[value["array"]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    return [_with_arrays(item, arrays) for item in value] if isinstance(value, list) else value


def _plain(value):
    """As JSON gives it back: tuples as lists, NumPy's numbers as Python's."""
    return json.loads(json.dumps(_without_arrays(value, "", {})))
