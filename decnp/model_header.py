"""The header of a model file: what it must say, and which arrays follow from it. See ``decnp.model_file``."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import numpy as np

from .checks import check_number
from .layers import Dense
from .profiles import Profile

__all__ = ["ModelFileError", "checked_header", "layers_of", "profile_of", "shapes_of", "stored_dtype"]

FORMAT = 2  # the newest
PARTS = ("encoder", "decoder")
DTYPES = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}
FIELDS = {"dtype": str, "n_features": int, "n_clusters": int, "hidden_layer_sizes": list, "activations": dict,
          "versions": dict, "sha256": dict}
RUN = {"parameters": dict, "profile": dict, "training": dict}
PARAMETERS = ("tol", "batch_size", "n_init", "update_encoder", "update_interval", "max_iter", "engine", "dtype",
              "random_state", "verbose")  # of DEC, beside those that the header has anyway


class ModelFileError(ValueError):
    """The file is no decnp model, is damaged, or is from a newer decnp; the sentence says which."""


def checked_header(content: bytes) -> dict:
    """The header as a dictionary whose known fields are complete and in range, with ``storage`` in any format."""
    header = json.loads(content.decode(), object_pairs_hook=_each_once)
    if not isinstance(header, dict):
        raise ModelFileError("is no decnp model file: its header is no JSON object")
    version = header.get("format")
    if type(version) is int and version > FORMAT:
        raise ModelFileError(f"has the model format {version} of a newer decnp, this one reads {FORMAT}: update decnp")
    if type(version) is not int or version < 1:
        raise ModelFileError(f"is no decnp model file: its format must be a number from 1 to {FORMAT}; got {version!r}")
    _check_kinds(header, FIELDS)
    dtype = header["dtype"]
    header["storage"] = dtype if version == 1 else header.get("storage", dtype)
    if (dtype, header["storage"]) not in (("float32", "float32"), ("float64", "float64"), ("float32", "float16")):
        raise ModelFileError(f"is damaged: its header has the dtype {dtype!r}, stored as {header['storage']!r}")
    _check_architecture(header, version)
    if version == 1 or header["activations"]["decoder"] or RUN.keys() & header.keys():
        _check_run(header)
    names = header.get("feature_names", [])
    if "feature_names" in header and not (isinstance(names, list) and all(isinstance(name, str) for name in names)
                                          and len(names) == header["n_features"]):
        raise ModelFileError("is damaged: the feature_names in its header must be n_features strings")
    "".join(names).encode()  # no half characters
    _check_plain({name: value for name, value in header.items() if name != "feature_names"})
    return header


def _each_once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ModelFileError("is damaged: its header has a name twice")
    return dict(pairs)


def _check_kinds(header, fields):
    """Each of ``fields`` must be there and of its kind."""
    for name, kind in fields.items():
        if type(header.get(name)) is not kind:
            raise ModelFileError(f"is damaged: {name} in its header must be of the kind {kind.__name__}")


def _check_architecture(header, version):
    """What the shapes of all arrays follow from, and alpha."""
    sizes, activations = header["hidden_layer_sizes"], header["activations"]
    widths = [header["n_features"], header["n_clusters"], *sizes]
    if not sizes or not all(type(n) is int and 0 < n < 1 << 40 for n in widths):
        raise ModelFileError(f"is damaged: its header names the widths {widths}")
    for part in PARTS:
        acts = activations.get(part)
        none = part == "decoder" and version > 1 and acts == []
        if not none and not (isinstance(acts, list) and len(acts) == len(sizes)
                             and all(act in ("relu", "linear") for act in acts)):
            raise ModelFileError(f"is damaged: its header must have relu or linear for each layer of the {part}")
    try:
        check_number("alpha in its header", header.get("alpha"), low=0, above=True)
    except ValueError as error:
        raise ModelFileError(f"is damaged: {error}") from None


def _check_run(header):
    """The parameters and the profile of the training run, as far as types go, and how it ended."""
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


def _check_plain(value):
    """Strings that a terminal can show, finite numbers."""
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


def shapes_of(header: dict) -> dict[str, list[tuple]]:
    """The shapes that each array may have, by name: they follow from the architecture."""
    D, k, sizes = header["n_features"], header["n_clusters"], header["hidden_layer_sizes"]
    widths = {"encoder": [D, *sizes], "decoder": [*sizes[::-1], D]}
    shapes = {"centers": [(k, sizes[-1])], "shift": [(), (D,)], "scale": [()]}
    for part in PARTS:
        for l, (n_in, n_out, _) in enumerate(zip(widths[part], widths[part][1:], header["activations"][part])):
            shapes[f"{part}.{l}.W"], shapes[f"{part}.{l}.b"] = [(n_in, n_out)], [(n_out,)]
    return shapes


def stored_dtype(name: str, header: dict) -> str:
    """The dtype of an array in the file, as .npy has it: what is in float16 are the matrices W."""
    return DTYPES[header["storage"] if name.endswith(".W") else header["dtype"]]


def layers_of(header: dict, arrays: dict[str, np.ndarray], part: str) -> list[Dense]:
    """The layers of the "encoder" or "decoder", from what ``read_model`` gives."""
    return [Dense(arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"], act)
            for l, act in enumerate(header["activations"][part])]


def profile_of(header: dict) -> Profile:
    """The training schedule in a header; a field that the file does not have yet has its default."""
    return Profile(**{f.name: header["profile"][f.name] for f in fields(Profile) if f.name in header["profile"]})
