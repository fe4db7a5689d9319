"""Checkpoints: the whole state of a training run in one file; a resumed run ends in the same bits.

A checkpoint is the state object of the run as JSON and .npy arrays (``state_tree``). The file is an archive
as a model file is: nothing in it is ever executed, every array and the header have their SHA-256 digests, and the file is
written atomically.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import ArchiveError, CheckpointError
from ..io.archive import read_archive, write_archive
from ..io.atomic import PathLike, delete_temporary_files, write_atomically
from ..io.os_errors import reason_of
from ..layers import Dense, arrays_of
from ..profiles import Profile
from ..utils.provenance import rounding
from ..utils.rows import Rows, blocks
from ..utils.validation import check_sizes
from .state_tree import from_tree, to_tree

__all__ = ["Checkpoint", "check_same_shapes", "fingerprint", "from_tree", "recipe_of", "recorded_init", "to_tree"]

FORMAT = 5
KIND = "checkpoint"


class Checkpoint:
    """File for the state of a training run.

    A file that cannot be written raises a warning, and training continues; an earlier file stays.

    Parameters
    ----------
    path : str or path-like
        File to write. A run replaces an earlier checkpoint, and no other file.
    every : float, default=10.0
        Smallest number of minutes between two writes, at least 0. 0 writes after each step, ``inf`` only after ``stop``
        is called.

    Attributes
    ----------
    notes : dict
        Other data for the file, as JSON; for the caller.
    recipe : dict
        Settings and data digests that must be equal to resume, by name. ``begin`` sets them.

    See Also
    --------
    decnp.dec.DEC.resume : Function that continues from the file.

    Examples
    --------
    >>> from decnp import DEC
    >>> DEC(10, checkpoint=Checkpoint("run.checkpoint", every=60)).checkpoint.every
    60
    """

    def __init__(self, path: PathLike, every: float = 10.0) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"checkpoint must be a path or a Checkpoint; got {path!r}")
        numbers = (int, float, np.integer, np.floating)
        if isinstance(every, bool) or not isinstance(every, numbers) or not every >= 0:
            raise ValueError(f"every must be a number of minutes >= 0, or inf; got {every!r}")
        self.path = Path(path)
        self.every = every
        self.notes: dict[str, Any] = {}
        self.recipe: dict[str, Any] = {}
        self._last = time.monotonic()
        self._stop = False

    def begin(self, recipe: Mapping[str, Any]) -> None:
        """Set ``recipe``. The run calls this before its first step.

        Parameters
        ----------
        recipe : mapping
            Recipe of the run.

        Raises
        ------
        CheckpointError
            If the file could not be written later, or exists and is not a checkpoint.
        """
        target = Path(os.path.realpath(self.path))
        try:
            if target.exists() and not target.is_file():
                raise OSError("it is not a file")
            tempfile.TemporaryFile(dir=target.parent).close()
            self._check_replaceable()
        except OSError as error:
            hint = "; ~ is not expanded" if self.path.parts[:1] == ("~",) else ""
            raise CheckpointError(f"the checkpoint {self.path} cannot be written: {reason_of(error)}{hint}") from error
        self.recipe = dict(recipe)

    def _check_replaceable(self) -> None:
        """Raise CheckpointError if the file exists and is not a checkpoint, of any run and format. Raises OSError."""
        try:
            header, _ = read_archive(self.path, what="checkpoint")
        except FileNotFoundError:
            return
        except ArchiveError:
            header = {}
        if header.get("kind") != KIND:
            raise CheckpointError(f"the checkpoint {self.path} would replace a file that is not a checkpoint, or is "
                                  "damaged: delete that file, or choose another path")

    def stop(self) -> None:
        """Write after the current step, then end the run with KeyboardInterrupt."""
        self._stop = True

    def keep(self, state: Callable[[], object]) -> None:
        """Write the state if it is time or ``stop`` was called. The run calls this after each step.

        Parameters
        ----------
        state : callable
            Function without arguments that returns the state.

        Raises
        ------
        KeyboardInterrupt
            If ``stop`` was called, after the state is written.

        Warns
        -----
        RuntimeWarning
            If the file could not be written.
        """
        if not self._stop and time.monotonic() - self._last < 60 * self.every:
            return
        try:
            self.write(state())
        except OSError as error:
            earlier = "the one before it stays" if self.path.exists() else "there is none yet"
            warnings.warn(f"the checkpoint {self.path} could not be written ({reason_of(error)}); {earlier}",
                          RuntimeWarning, stacklevel=2)
        self._last = time.monotonic()
        if self._stop:
            raise KeyboardInterrupt

    def write(self, state: object) -> None:
        """Write a state to the file atomically.

        Parameters
        ----------
        state : object
            State: dataclasses, arrays and random generators, as ``to_tree`` takes them.

        Raises
        ------
        OSError
            If the file cannot be written. An earlier file then stays.
        """
        arrays: dict[str, np.ndarray] = {}
        header = {"format": FORMAT, "kind": KIND, "notes": self.notes, "machine": rounding(),
                  "recipe": to_tree(self.recipe, arrays), "state": to_tree(state, arrays, "state")}
        header["digest"] = _digest(header)
        delete_temporary_files(self.path)
        write_atomically(self.path, lambda file: write_archive(file, header, arrays))

    def read(self, recipe: Mapping[str, Any], classes: Iterable[type]) -> Any:
        """Return the state in the file, and set ``notes`` and ``recipe``.

        Parameters
        ----------
        recipe : mapping
            Recipe of this run.
        classes : iterable of type
            Classes that the state consists of; the file can name no others.

        Returns
        -------
        state : object
            State, as it was written.

        Raises
        ------
        CheckpointError
            If the file is damaged or not a checkpoint, or if its recipe is not ``recipe``. The message names the first
            difference.
        OSError
            If the file does not exist or cannot be read.

        Warns
        -----
        RuntimeWarning
            If the run began with another BLAS library or number of threads, which round differently.
        """
        try:
            header, arrays = read_archive(self.path, what="checkpoint")
            if header["kind"] != KIND:
                raise CheckpointError(f"{self.path} is not a checkpoint")
            if header["format"] != FORMAT:
                raise CheckpointError(f"{self.path} is a checkpoint of another decnp: its format is "
                                      f"{header['format']!r}, this one reads {FORMAT}")
            if header.pop("digest") != _digest({name: value for name, value in header.items() if name != "sha256"}):
                raise CheckpointError(f"{self.path} is damaged: its header does not have the digest in it")
            notes, machine, stored = dict(header["notes"]), header["machine"], dict(header["recipe"])
            self._check_recipe(recipe, stored)
            state = from_tree(header["state"], arrays, {cls.__name__: cls for cls in classes})
        except CheckpointError:
            raise
        except ArchiveError as error:
            raise CheckpointError(str(error)) from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{self.path} is not a checkpoint, or is damaged ({error})") from error
        self.notes, self.recipe = notes, dict(recipe)
        if machine != rounding():
            warnings.warn(f"the run began with {', '.join(machine)} and is resumed with {', '.join(rounding())}: its "
                          "result can differ from that of an uninterrupted run", RuntimeWarning, stacklevel=2)
        return state

    def _check_recipe(self, recipe: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """Raise CheckpointError with the first difference between two recipes."""
        plain = json.loads(json.dumps(to_tree(dict(recipe), {})))  # as JSON returns it: tuples as lists
        for name in {**plain, **stored}:
            if plain.get(name) != stored.get(name):
                raise CheckpointError(
                    f"{self.path} is of another run: {name} was {stored.get(name)!r}, and is {plain.get(name)!r} now")

    def remove(self) -> None:
        """Delete the file: the run is complete."""
        self.path.unlink(missing_ok=True)
        delete_temporary_files(self.path)


def recipe_of(model: Any, X: Rows, schedule: Profile, start: Any) -> dict[str, Any]:
    """Return by name the values that must be equal to resume a run on X.

    ``model`` is the ``DEC``, ``schedule`` its profile, ``start`` the autoencoder given, or None.
    """
    names = ("n_clusters", "alpha", "tol", "n_init", "update_encoder", "engine")
    seed = model.random_state
    return {
        **{name: getattr(model, name) for name in names}, "hidden_layer_sizes": check_sizes(model.hidden_layer_sizes),
        **asdict(schedule), "init": schedule.init if model.init is None else recorded_init(model.init),
        "random_state": int(seed) if isinstance(seed, Integral) else type(seed).__name__,
        "autoencoder": None if start is None else fingerprint(*arrays_of(start.encoder_ + start.decoder_)),
        "dtype": X.dtype.name, "the shape of X": X.shape, "the sha256 of X": fingerprint(X),
    }


def recorded_init(init: Any) -> str:
    """Return the name of ``init``, with the arguments of a partial, or the digest of its numbers if it is an array."""
    if isinstance(init, str):
        return init
    if isinstance(init, partial):
        named = [f"{name}={_recorded_argument(value)}" for name, value in sorted(init.keywords.items())]
        return f"{recorded_init(init.func)}({', '.join([*map(_recorded_argument, init.args), *named])})"
    if callable(init):
        return str(getattr(init, "__qualname__", type(init).__name__))
    return fingerprint(np.asarray(init, np.float64))


def _recorded_argument(value: Any) -> str:
    """Return a description of an argument that is the same in another process: its value, or the type of an object."""
    if value is None or isinstance(value, (str, int, float, np.generic)):
        return repr(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return fingerprint(np.atleast_1d(value))
    return recorded_init(value) if callable(value) else type(value).__name__


def check_same_shapes(restored: Sequence[Dense], new: Sequence[Dense]) -> None:
    """Raise CheckpointError unless restored layers have the shapes and dtypes of new ones."""
    shapes, others = ([(a.shape, a.dtype) for a in arrays_of(theta)] for theta in (restored, new))
    if shapes != others:
        raise CheckpointError("the checkpoint is damaged: its layers do not fit the parameters of this run")


def _digest(header: Mapping[str, Any]) -> str:
    """Return the SHA-256 digest of a header as JSON, which is the same for a header that was read."""
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


def fingerprint(*arrays: Rows) -> str:
    """Return the SHA-256 digest of the arrays' bytes, row by row; sparse rows count as dense ones."""
    digest = hashlib.sha256()
    for x in chain.from_iterable(map(blocks, arrays)):
        digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest()
