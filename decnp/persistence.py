"""Model files: one zip of .npy arrays and a JSON header. Nothing is ever unpickled or executed.

A model file is a zip archive without compression: ``header.json`` and an .npy file for each array, named

    centers                       (k, d)      the centroids mu
    encoder.0.W, encoder.0.b, ... (n_in, n_out), (n_out,)     and so for each layer, first to last
    decoder.0.W, decoder.0.b, ... likewise, from the code to the reconstruction
    shift, scale                  () or (D,), and ()    the network sees (x - shift) * scale

The header gives the architecture, from which all shapes follow, the SHA-256 sum of each array's bytes
(little-endian, row by row), the parameters and profile of the training run and how it ended. A file is
read only if all of this fits together, and memory is taken only for bytes that are in the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import struct
import zipfile
from dataclasses import asdict, fields
from numbers import Integral
from typing import TYPE_CHECKING, BinaryIO, Union

import numpy as np

from . import __version__
from .datasets.files import read_npy, write_aside
from .layers import Dense
from .profiles import Profile, profile_for

if TYPE_CHECKING:
    from .dec import DEC

__all__ = ["ModelFileError", "save", "write_model", "load", "read_model", "layers_of"]

FORMAT = 1
HEADER = "header.json"
PARTS = ("encoder", "decoder")
MAX_HEADER = 1 << 21  # bytes
DTYPES = {"float32": "<f4", "float64": "<f8"}
PARAMETERS = ("tol", "batch_size", "n_init", "update_encoder", "update_interval", "max_iter", "engine", "dtype",
              "random_state", "verbose")  # of DEC, beside those that the header has anyway
NOT_A_MODEL = (zipfile.BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError, OverflowError, RecursionError,
               NotImplementedError, RuntimeError, struct.error)  # what a damaged zip, JSON or .npy can raise

PathLike = Union[str, "os.PathLike[str]"]


class ModelFileError(ValueError):
    """The file is no decnp model, is damaged, or is from a newer decnp; the sentence says which."""


def save(model: DEC, path: PathLike) -> None:
    """Write a fitted ``DEC`` to ``path``, aside and renamed: what was there stays until the new file is complete.

    The same model always gives the same bytes. Not kept: ``labels_``, ``history_``, what k-means started
    from, and a ``random_state`` that is no whole number. Raises NotFittedError for a model that is not
    fitted, OSError if the file cannot be written.

    >>> import tempfile
    >>> from decnp import DEC, load_digits, persistence, Profile
    >>> X, _ = load_digits()
    >>> dec = DEC(10, hidden_layer_sizes=(32, 5), profile=Profile(pretrain_iter=0, finetune_iter=9, max_iter=9)).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     persistence.save(dec, f"{folder}/model.decnp")
    ...     again = persistence.load(f"{folder}/model.decnp")
    >>> bool((again.predict(X) == dec.labels_).all())
    True
    """
    write_aside(path, lambda file: write_model(model, file))


def write_model(model: DEC, file: BinaryIO) -> None:
    """The bytes of a model file into ``file``, which is open, empty and seekable. See ``save``."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model, "stop_reason_")
    arrays = _arrays(model)
    header = {"format": FORMAT, **_header(model)}
    header["sha256"] = {name: _sha256(array) for name, array in arrays.items()}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(HEADER), json.dumps(header, indent=1))
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes > 1 << 30) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def load(path: PathLike) -> DEC:
    """The fitted ``DEC`` in a model file: it transforms and predicts as when it was saved, to the bit.

    Loading executes nothing from the file.

    Raises
    ------
    ModelFileError
        If the file is no model, is cut short or changed, or is from a newer decnp.
    OSError
        If it is not there or cannot be read.
    """
    from .autoencoder import StackedAutoencoder
    from .dec import DEC

    header, arrays = read_model(path)
    try:
        parameters = header["parameters"]
        shared = {name: parameters[name] for name in ("batch_size", "engine", "dtype", "random_state", "verbose")}
        profile = Profile(**{f.name: header["profile"][f.name] for f in fields(Profile) if f.name in header["profile"]})
        shared.update(hidden_layer_sizes=tuple(header["hidden_layer_sizes"]), profile=profile)
        model = DEC(len(arrays["centers"]), alpha=header["alpha"], **{**parameters, **shared})
        training = header["training"]
        model.n_iter_, model.converged_ = int(training["n_iter"]), bool(training["converged"])
        model.stop_reason_ = str(training["stop_reason"])
        if "feature_names" in header:
            model.feature_names_in_ = np.array([str(name) for name in header["feature_names"]], object)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is damaged: its header does not describe a training run ({error})") from error
    model.cluster_centers_ = arrays["centers"]
    model.autoencoder_ = ae = StackedAutoencoder(**{**shared, "dtype": header["dtype"]})
    ae.encoder_, ae.decoder_ = (layers_of(header, arrays, part) for part in PARTS)
    ae.shift_, ae.scale_ = arrays["shift"][()], arrays["scale"][()]
    model.n_features_in_ = ae.n_features_in_ = header["n_features"]
    return model


def read_model(path: PathLike) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a model file, checked against each other. Needs NumPy alone; errors as for ``load``."""
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, os.fstat(file.fileno()).st_size)
                header = _checked_header(archive.read(members.pop(HEADER)), len(members))
                arrays = {}
                for name, shapes in _shapes(header).items():
                    arrays[name] = _checked_array(archive, members[f"{name}.npy"], name, shapes, header)
                return header, arrays
        except ModelFileError as error:
            raise ModelFileError(f"{path} {error}") from None
        except NOT_A_MODEL as error:
            raise ModelFileError(f"{path} is no decnp model file, or is damaged or cut short ({error})") from error


# ---------------------------------------------------------------- what is written

def _arrays(model):
    """All arrays of the model by name, little-endian and row by row."""
    ae = model.autoencoder_
    arrays = {"centers": model.cluster_centers_, "shift": ae.shift_, "scale": ae.scale_}
    for part in PARTS:
        for l, layer in enumerate(getattr(ae, f"{part}_")):
            arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"] = layer.W, layer.b
    dtype = DTYPES[model.cluster_centers_.dtype.name]
    return {name: np.asarray(array, dtype, order="C") for name, array in arrays.items()}


def _header(model):
    """What the header says beside the sums."""
    ae, parameters = model.autoencoder_, {name: getattr(model, name) for name in PARAMETERS}
    parameters["dtype"] = None if model.dtype is None else np.dtype(model.dtype).name
    parameters["random_state"] = model.random_state if isinstance(model.random_state, Integral) else None
    header = {
        "versions": {"decnp": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "dtype": model.cluster_centers_.dtype.name,
        "n_features": model.n_features_in_,
        "n_clusters": len(model.cluster_centers_),
        "alpha": model.alpha,
        "hidden_layer_sizes": [layer.W.shape[1] for layer in ae.encoder_],
        "activations": {part: [layer.act for layer in getattr(ae, f"{part}_")] for part in PARTS},
        "parameters": parameters,
        "profile": asdict(profile_for(model.profile, len(getattr(model, "labels_", ())))),
        "training": {"n_iter": model.n_iter_, "converged": model.converged_, "stop_reason": model.stop_reason_},
    }
    if hasattr(model, "labels_"):  # a model that was loaded does not know
        header["training"]["n_samples"] = len(model.labels_)
        header["training"]["loss"] = model.history_[-1].loss
    names = list(getattr(model, "feature_names_in_", ()))
    if names and len(json.dumps(names)) < MAX_HEADER // 2:
        header["feature_names"] = names
    return json.loads(json.dumps(header, default=lambda value: value.item()))  # NumPy's numbers to Python's


def _member(name):
    """An entry without the time of day, so that the same model gives the same file; readable once unzipped."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member


def _sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


# ---------------------------------------------------------------- what is read

def _members(archive, size):
    """The archive's entries by name; none compressed or encrypted, none twice, together no larger than the file."""
    entries = archive.infolist()
    members = {entry.filename: entry for entry in entries}
    if HEADER not in members:
        raise ModelFileError("is no decnp model file: it has no header.json")
    plain = all(e.compress_type == zipfile.ZIP_STORED and e.file_size == e.compress_size for e in entries)
    if not plain or len(members) != len(entries):
        raise ModelFileError("is no decnp model file: its entries must be plain, and each there once")
    if sum(entry.file_size for entry in entries) > size or members[HEADER].file_size > MAX_HEADER:
        raise ModelFileError(f"is damaged: its entries cannot be as large as they say in a file of {size} bytes")
    return members


def _checked_header(content, n_members):
    """The header as a dictionary in which what describes the network is complete and in range."""
    header = json.loads(content)
    version = header["format"]
    if isinstance(version, int) and version > FORMAT:
        raise ModelFileError(f"has the model format {version} of a newer decnp, this one reads {FORMAT}: update decnp")
    if version != FORMAT or header["dtype"] not in DTYPES:
        raise ModelFileError(f"is no decnp model file of format {FORMAT}")
    sizes, activations = header["hidden_layer_sizes"], header["activations"]
    numbers = [header["n_features"], header["n_clusters"], *sizes]
    if not sizes or not all(type(n) is int and 0 < n < 1 << 40 for n in numbers):
        raise ModelFileError(f"is damaged: its header names the widths {numbers}")
    for part in PARTS:
        if len(activations[part]) != len(sizes) or not set(activations[part]) <= {"relu", "linear"}:
            raise ModelFileError(f"is damaged: its header must have relu or linear for each layer of the {part}")
    alpha = header["alpha"]
    if type(alpha) not in (int, float) or not math.isfinite(alpha) or alpha <= 0:
        raise ModelFileError("is damaged: alpha in its header is no finite number > 0")
    parameters = header["parameters"]
    if (parameters.keys() != set(PARAMETERS) or parameters["engine"] not in ("numba", "numpy")
            or not all(value is None or isinstance(value, (bool, int, float, str)) for value in parameters.values())):
        raise ModelFileError("is damaged: its header does not have the parameters of a DEC")
    if n_members != 3 + 4 * len(sizes):
        raise ModelFileError(f"is damaged: it must have {3 + 4 * len(sizes)} arrays; got {n_members}")
    return header


def _shapes(header):
    """The shapes that each array may have, by name: they follow from the architecture."""
    D, k, sizes = header["n_features"], header["n_clusters"], header["hidden_layer_sizes"]
    widths = [D, *sizes]
    shapes = {"centers": [(k, sizes[-1])], "shift": [(), (D,)], "scale": [()]}
    for part, ends in (("encoder", zip(widths, widths[1:])), ("decoder", zip(widths[::-1], widths[-2::-1]))):
        for l, (n_in, n_out) in enumerate(ends):
            shapes[f"{part}.{l}.W"], shapes[f"{part}.{l}.b"] = [(n_in, n_out)], [(n_out,)]
    return shapes


def _checked_array(archive, member, name, shapes, header):
    with archive.open(member) as file:
        array = read_npy(file, member.file_size, name)
    dtype = header["dtype"]
    if array.shape not in shapes or array.dtype.str != DTYPES[dtype]:
        raise ModelFileError(f"is damaged: {name} must be {dtype} {shapes[-1]}; got {array.dtype} {array.shape}")
    if _sha256(array) != header["sha256"][name]:
        raise ModelFileError(f"is damaged: {name} does not have the sha256 that the header gives")
    return np.asarray(array, dtype, order="C")


def layers_of(header: dict, arrays: dict[str, np.ndarray], part: str) -> list[Dense]:
    """The layers of the "encoder" or "decoder", from what ``read_model`` gives."""
    return [Dense(arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"], act)
            for l, act in enumerate(header["activations"][part])]
