"""Format of model files: one safetensors file of arrays, with a JSON header in its metadata, for NumPy alone.

``io.safetensors`` reads and writes the file. Its arrays are named

    centers                       (k, d)      the centroids mu
    encoder.0.W, encoder.0.b, ... (n_in, n_out), (n_out,)     and so for each layer, first to last
    decoder.0.W, decoder.0.b, ... likewise, from the embedding to the reconstruction
    shift, scale                  () or (D,), and ()    the network sees (x - shift) * scale
    feature_names, left_out       bytes: names of columns that are too long for the header, one JSON string a line

The header has the architecture, which determines the names and shapes of all arrays, the SHA-256 digest of each array's
bytes (little-endian, C order), and the training run: its parameters, profile and end. Matrices W can be in float16
(``storage``). A model for prediction has no decoder. The recipe of a table (``io.recipe``) turns its raw columns into the
network's D. This is format 4. Formats 1 to 3 are read, too: zip files of .npy arrays (``io.archive``). In format 1,
``storage`` is ``dtype``, and there is always a decoder and a training run.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, BinaryIO

import numpy as np

from ..exceptions import ModelFileError
from ..layers import Dense
from ..profiles import Profile
from ..utils.validation import check_number
from .array_file import MAX_HEADER, UNREADABLE, Expected, one_line, opened
from .atomic import PathLike
from .safetensors import read_safetensors, size_in_file, write_safetensors

__all__ = ["layers_of", "named_arrays", "names_array", "profile_of", "read_model", "write_file"]

FORMAT = 4  # the newest
ZIP = b"PK\3\4"  # first bytes of the formats 1 to 3
PARTS = ("encoder", "decoder")
DTYPES = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}
FIELDS = {"dtype": str, "n_features": int, "n_clusters": int, "hidden_layer_sizes": list, "activations": dict,
          "versions": dict}
RUN = {"parameters": dict, "profile": dict, "training": dict}
PARAMETERS = ("tol", "batch_size", "n_init", "update_encoder", "update_interval", "max_iter", "engine", "dtype",
              "random_state", "verbose")  # of DEC, beside those that the header has anyway
MAX_LAYERS = 1000
NAMES = ("feature_names", "left_out")
MAX_NAMES = 1 << 24  # bytes of each array of names; the strings take up to 20 times as much memory


def write_file(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write a model file into ``file``, which is open and empty; the same content gives the same bytes.

    ``arrays`` are those of the network by name. ``header`` is complete except for the format and the digests; long lists
    of names in it become arrays. Raises ValueError for a model that could not be read again: NaN or infinite values,
    matrices beyond float16 if that is the storage, shapes that do not fit together, too many names.
    """
    long = [name for name in NAMES if size_in_file(header.get(name, [])) > MAX_HEADER // 16]
    arrays.update({name: names_array(name, header[name]) for name in long})
    arrays = {name: _as_stored(name, array, header) for name, array in arrays.items()}
    header = {"format": FORMAT, **header}
    try:
        _check_names(header)
        if long:
            header["names"] = {name: arrays[name].size for name in long}
            header = {name: value for name, value in header.items() if name not in long}
        for name, want in _expected(json.loads(json.dumps(header))).items():
            if arrays[name].shape not in want.shapes:
                raise ValueError(f"{name} must have the shape {want.shapes[-1]}; got {arrays[name].shape}")
    except UNREADABLE as error:
        raise ValueError(f"this model cannot be saved, the file would not be readable: {one_line(error)}") from error
    write_safetensors(file, header, arrays)


def names_array(name: str, names: Sequence[str]) -> np.ndarray:
    """Return the list ``name`` of names as bytes, one JSON string a line; ValueError if they are more than are read."""
    content = "".join(f"{json.dumps(one)}\n" for one in names).encode()
    if len(content) > MAX_NAMES:
        raise ValueError(f"{name} take {len(content)} bytes, and {MAX_NAMES} are the most: use shorter names, or leave "
                         "columns out of the file")
    return np.frombuffer(content, np.uint8)


def _names_of(name: str, array: np.ndarray) -> list[str]:
    """Return the names in an array that ``names_array`` has made."""
    names = []
    for line in io.BytesIO(array.tobytes()):
        if not line.startswith(b'"'):  # nothing but a string is parsed, which bounds the memory
            raise ModelFileError(f"is damaged: {name} must have a JSON string in each line")
        names.append(json.loads(line))
    return names


def _as_stored(name: str, array: np.ndarray, header: Mapping[str, Any]) -> np.ndarray:
    """Return an array as the file stores it: finite, little-endian and in C order."""
    if not np.isfinite(array).all():
        raise ValueError(f"a model with NaN or infinite values cannot be saved; {name} has some")
    if name == "scale" and not array > 0:
        raise ValueError(f"a model with a scale that is not > 0 cannot be saved; got {array}")
    dtype = _stored_dtype(name, header)
    if dtype == DTYPES["float16"] and np.abs(array).max() >= 65520:  # rounds to infinity
        raise ValueError(f"storage='float16' holds weights up to 65504; {name} has {np.abs(array).max():g}")
    return np.asarray(array, dtype, order="C")


def read_model(path: PathLike, unread: tuple[str, ...] = ()) -> tuple[dict, dict[str, np.ndarray]]:
    """Return header and arrays of the model file ``path``, after a check of both; the arrays have the header's ``dtype``.

    Arrays whose names begin with a word of ``unread`` must be in the file, and are not read. All strings of the header
    are printable, except the names of columns. Raises as ``decnp.load`` does.
    """
    with opened(path, "decnp model file", ModelFileError) as file:
        if file.read(len(ZIP)) == ZIP:
            from .archive import read_zip  # late: new files need no zipfile

            header, arrays = read_zip(file, _expected, unread)
        else:
            header, arrays = read_safetensors(file, _expected, unread)
        header.update({name: _names_of(name, arrays.pop(name)) for name in header.pop("names", ())})
        _check_names(header)
    if not arrays["scale"] > 0:
        raise ModelFileError(f"{path} is damaged: its scale must be > 0")
    return header, arrays


def layers_of(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray], part: str) -> list[Dense]:
    """Return the layers of ``part``, "encoder" or "decoder", from header and arrays of a file."""
    return [Dense(arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"], act)
            for l, act in enumerate(header["activations"][part])]


def named_arrays(layers: Mapping[str, Sequence[Dense]]) -> dict[str, np.ndarray]:
    """Return the arrays of the layers of each part under the names of the file; ``layers_of`` is the inverse."""
    return {f"{part}.{l}.{name}": array for part, theta in layers.items() for l, layer in enumerate(theta)
            for name, array in (("W", layer.W), ("b", layer.b))}


def profile_of(header: Mapping[str, Any]) -> Profile:
    """Return the training schedule of a header; a field that an older file does not have gets its default."""
    return Profile(**{f.name: header["profile"][f.name] for f in fields(Profile) if f.name in header["profile"]})


# ---------------------------------------------------------------- requirements for the header

def _expected(header: dict[str, Any]) -> dict[str, Expected]:
    """Return the requirements for the arrays, and add ``storage`` to a header of format 1.

    Raises ModelFileError unless the known fields of the header are complete and in range.
    """
    version = header.get("format")
    if header.get("kind") == "checkpoint":
        raise ModelFileError("is a checkpoint, not a decnp model file: resume its run, which writes the model")
    if type(version) is int and version > FORMAT:
        raise ModelFileError(f"has the model format {version} of a newer decnp, this one reads {FORMAT}: update decnp")
    if type(version) is not int or version < 1:
        raise ModelFileError(f"is not a decnp model file: its format must be a number from 1 to {FORMAT}; got {version!r}")
    _check_kinds(header, FIELDS)
    dtype = header["dtype"]
    header["storage"] = dtype if version == 1 else header.get("storage", dtype)
    if (dtype, header["storage"]) not in (("float32", "float32"), ("float64", "float64"), ("float32", "float16")):
        raise ModelFileError(f"is damaged: its header has the dtype {dtype!r}, stored as {header['storage']!r}")
    _check_architecture(header, version)
    if version == 1 or header["activations"]["decoder"] or RUN.keys() & header.keys():
        _check_run(header)
    if "recipe" in header:
        _check_recipe(header)
    _check_plain({name: value for name, value in header.items() if name not in (*NAMES, "recipe")})
    expected = {name: Expected(_stored_dtype(name, header), shapes, dtype) for name, shapes in _shapes(header).items()}
    return {**expected, **{name: Expected("|u1", [(size,)], "uint8") for name, size in _sizes_of_names(header).items()}}


def _check_kinds(header: Mapping[str, Any], fields: Mapping[str, type]) -> None:
    """Raise ModelFileError unless each of ``fields`` is in the header with its type."""
    for name, kind in fields.items():
        if type(header.get(name)) is not kind:
            raise ModelFileError(f"is damaged: {name} in its header must be of the kind {kind.__name__}")


def _check_architecture(header: Mapping[str, Any], version: int) -> None:
    """Check the fields that determine the shapes of all arrays, and alpha."""
    sizes, activations = header["hidden_layer_sizes"], header["activations"]
    widths = [header["n_features"], header["n_clusters"], *sizes]
    if not sizes or not all(type(n) is int and 0 < n < 1 << 40 for n in widths):
        raise ModelFileError(f"is damaged: its header names the widths {widths}")
    if len(sizes) > MAX_LAYERS:
        raise ModelFileError(f"is damaged: its header names {len(sizes)} layers, and {MAX_LAYERS} are the most")
    for part in PARTS:
        acts = activations.get(part)
        none = part == "decoder" and version > 1 and acts == []
        if not none and not (isinstance(acts, list) and len(acts) == len(sizes)
                             and all(act in ("relu", "linear") for act in acts)):
            raise ModelFileError(f"is damaged: its header must have relu or linear for each layer of the {part}")
    try:
        check_number("alpha in its header", header.get("alpha"), low=0, strict=True)
    except ValueError as error:
        raise ModelFileError(f"is damaged: {error}") from None


def _check_recipe(header: Mapping[str, Any]) -> None:
    """Check the recipe of a table: it must be complete, and give as many columns as the network takes."""
    from .recipe import Recipe  # late: most models have none

    try:
        recipe = Recipe.from_json(header["recipe"])
    except ValueError as error:
        raise ModelFileError(f"is damaged: {error}") from None
    if recipe.n_features != header["n_features"]:
        raise ModelFileError(f"is damaged: its recipe gives {recipe.n_features} columns, and the network takes "
                             f"{header['n_features']}")


def _sizes_of_names(header: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of bytes of each array of names."""
    sizes = header.get("names", {})
    if not (isinstance(sizes, dict) and sizes.keys() <= {*NAMES} - header.keys()
            and all(type(size) is int and 0 < size <= MAX_NAMES for size in sizes.values())):
        raise ModelFileError(f"is damaged: names in its header must give 1 to {MAX_NAMES} bytes for each array of names")
    return sizes


def _check_names(header: Mapping[str, Any]) -> None:
    """Raise ModelFileError unless the names of columns in ``header`` are lists of strings of the right length."""
    names, left_out = (header.get(name, []) for name in NAMES)
    if "feature_names" in header and not (isinstance(names, list) and all(isinstance(name, str) for name in names)
                                          and len(names) == header["n_features"]):
        raise ModelFileError("is damaged: the feature_names in its header must be n_features strings")
    if not (isinstance(left_out, list) and all(isinstance(name, str) for name in left_out)):
        raise ModelFileError("is damaged: left_out in its header must be a list of strings")
    "".join([*names, *left_out]).encode()  # no lone surrogates
    if names and "recipe" in header:
        raise ModelFileError("is damaged: its header has feature_names beside a recipe")


def _check_run(header: Mapping[str, Any]) -> None:
    """Check the types of the parameters, the profile and the end of the training run."""
    _check_kinds(header, RUN)
    parameters, training = header["parameters"], header["training"]
    flat = [value for name in RUN for value in header[name].values()]
    if (parameters.keys() != set(PARAMETERS) or parameters["engine"] not in ("numba", "numpy")
            or not all(value is None or isinstance(value, (bool, int, float, str)) for value in flat)):
        raise ModelFileError("is damaged: its header does not have the parameters of a DEC and plain values for them")
    try:
        profile_of(header)
    except ValueError as error:
        raise ModelFileError(f"is damaged: its header does not describe a training run ({error})") from None
    _check_kinds(training, {"n_iter": int, "converged": bool, "stop_reason": str})
    for name, kinds in (("n_samples", (int,)), ("loss", (int, float))):
        if name in training and type(training[name]) not in kinds:
            raise ModelFileError(f"is damaged: {name} in its header must be a number")
    for name in ("init", "start"):
        if not isinstance(training.get(name, ""), str):
            raise ModelFileError(f"is damaged: {name} in its header must be a text")


def _check_plain(value: Any) -> None:
    """Raise ModelFileError for strings that a terminal cannot print and for numbers that are not finite."""
    if isinstance(value, dict):
        _check_plain([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            _check_plain(item)
    elif isinstance(value, str):
        if not value.isprintable() or len(value) > 1000:
            raise ModelFileError(f"is damaged: its header has the text {value!r}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ModelFileError(f"is damaged: its header has the number {value}")


def _shapes(header: Mapping[str, Any]) -> dict[str, list[tuple[int, ...]]]:
    """Return the shapes that each array may have, by name, from the architecture."""
    D, k, sizes = header["n_features"], header["n_clusters"], header["hidden_layer_sizes"]
    widths = {"encoder": [D, *sizes], "decoder": [*sizes[::-1], D]}
    shapes: dict[str, list[tuple[int, ...]]] = {"centers": [(k, sizes[-1])], "shift": [(), (D,)], "scale": [()]}
    for part in PARTS:
        for l, (n_in, n_out, _) in enumerate(zip(widths[part], widths[part][1:], header["activations"][part])):
            shapes[f"{part}.{l}.W"], shapes[f"{part}.{l}.b"] = [(n_in, n_out)], [(n_out,)]
    return shapes


def _stored_dtype(name: str, header: Mapping[str, Any]) -> str:
    """Return the dtype of an array in the file, as ``Expected`` has it; only matrices W can be in float16."""
    if name in NAMES:
        return "|u1"
    return DTYPES[header["storage"] if name.endswith(".W") else header["dtype"]]
