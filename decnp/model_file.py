"""The format of model files: one zip of .npy arrays and a JSON header, written and read on NumPy alone.

A model file is a zip archive without compression: ``header.json`` and an .npy file for each array, named

    centers                       (k, d)      the centroids mu
    encoder.0.W, encoder.0.b, ... (n_in, n_out), (n_out,)     and so for each layer, first to last
    decoder.0.W, decoder.0.b, ... likewise, from the code to the reconstruction
    shift, scale                  () or (D,), and ()    the network sees (x - shift) * scale

The header gives the architecture, from which the names and shapes of all arrays follow, the SHA-256 sum of
each array's bytes (little-endian, row by row), and the training run: its parameters, profile and end.
Format 2 is written where format 1 does not do: its matrices W may be stored in float16 (``storage``), and
it may have no decoder, and then no training run either.

A file from a stranger is safe to read. Nothing in it is unpickled, evaluated or extracted; an .npy must begin
with the very bytes that its name and the header call for; and memory is taken only for bytes that are there:
the arrays', and 30 MB at most for the header and the archive's directory.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import stat
import struct
import zipfile
from dataclasses import fields
from typing import BinaryIO, Union

import numpy as np

from .checks import check_number
from .layers import Dense
from .profiles import Profile

__all__ = ["ModelFileError", "layers_of", "profile_of", "read_model", "write_file"]

FORMAT = 2  # the newest
HEADER = "header.json"
PARTS = ("encoder", "decoder")
MAX_HEADER = 1 << 19  # bytes; JSON takes up to 45 times as many to parse
PIECE = 1 << 19  # bytes read at once, and so the archive's directory at most
NPY = b"\x93NUMPY\1\0"  # and its version
DTYPES = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}
FIELDS = {"dtype": str, "n_features": int, "n_clusters": int, "hidden_layer_sizes": list, "activations": dict,
          "versions": dict, "sha256": dict}
RUN = {"parameters": dict, "profile": dict, "training": dict}
PARAMETERS = ("tol", "batch_size", "n_init", "update_encoder", "update_interval", "max_iter", "engine", "dtype",
              "random_state", "verbose")  # of DEC, beside those that the header has anyway
UNREADABLE = (zipfile.BadZipFile, ValueError, LookupError, ArithmeticError, TypeError, EOFError, OSError, RuntimeError,
              struct.error)  # what a damaged zip or JSON can raise

PathLike = Union[str, "os.PathLike[str]"]


class ModelFileError(ValueError):
    """The file is no decnp model, is damaged, or is from a newer decnp; the sentence says which."""


def layers_of(header: dict, arrays: dict[str, np.ndarray], part: str) -> list[Dense]:
    """The layers of the "encoder" or "decoder", from what ``read_model`` gives."""
    return [Dense(arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"], act)
            for l, act in enumerate(header["activations"][part])]


def profile_of(header: dict) -> Profile:
    """The training schedule in a header; a field that the file does not have yet has its default."""
    return Profile(**{f.name: header["profile"][f.name] for f in fields(Profile) if f.name in header["profile"]})


def _one_line(message):
    """A message that may quote a stranger's file, for a sentence: one line, printable, not long."""
    text = str(message)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= 300 else f"{text[:300]}..."


# ---------------------------------------------------------------- writing

def write_file(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """A model file into ``file``, which is open, empty and seekable; the same content gives the same bytes.

    ``header`` lacks the format and the sums only. Raises ValueError for what could not be read again: NaN or
    infinite values, matrices beyond float16 if they are to be stored so, shapes that do not fit together.
    """
    arrays = {name: _as_stored(name, array, header) for name, array in arrays.items()}
    number = 1 if header["storage"] == header["dtype"] and header["activations"]["decoder"] else FORMAT
    header = {"format": number, **header, "sha256": {name: _sha256(array) for name, array in arrays.items()}}
    if number == 1:
        del header["storage"]
    content = json.dumps(header, indent=1).encode()
    try:
        if any(arrays[name].shape not in shapes for name, shapes in _shapes(_checked_header(content)).items()):
            raise ValueError(f"arrays have the shapes {[array.shape for array in arrays.values()]}")
    except UNREADABLE as error:
        raise ValueError(f"this model cannot be saved, the file would not be readable: {_one_line(error)}") from error
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(HEADER), content)
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy"), "w", force_zip64=array.nbytes > 1 << 30) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def _as_stored(name, array, header):
    """The array as the file has it: finite, little-endian and row by row."""
    if not np.isfinite(array).all():
        raise ValueError(f"a model with NaN or infinite values cannot be saved; {name} has some")
    dtype = _stored_dtype(name, header)
    if dtype == DTYPES["float16"] and np.abs(array).max() >= 65520:  # rounds to infinity
        raise ValueError(f"storage='float16' holds weights up to 65504; {name} has {np.abs(array).max():g}")
    return np.asarray(array, dtype, order="C")


def _stored_dtype(name, header):
    return DTYPES[header["storage"] if name.endswith(".W") else header["dtype"]]


def _member(name):
    """An entry without the time of day, so that the same model gives the same file; readable once unzipped."""
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o644 << 16
    return member


def _sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


# ---------------------------------------------------------------- reading

class _InPieces(io.FileIO):
    """A file of which nobody gets more than ``PIECE`` bytes at once, whatever sizes are written in it."""

    def read(self, size=-1):
        piece = super().read(PIECE + 1 if size is None or size < 0 else min(size, PIECE + 1))
        if len(piece) > PIECE:
            raise ModelFileError("is damaged: its directory is too large for that of a model")
        return piece


def read_model(path: PathLike) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a model file, checked against each other; the arrays are in the header's ``dtype``.

    All strings in the header but the ``feature_names`` are printable. Raises as ``decnp.load`` does.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe would wait for ever; a folder is an OSError
        raise ModelFileError(f"{path} is no decnp model file: it is a pipe or a device")
    with _InPieces(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            _check_ends(file, size)
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, size)
                header = _checked_header(archive.read(members.pop(HEADER)))
                _check_names(members, header)
                arrays = {name: _read_array(archive, members[f"{name}.npy"], name, header, shapes)
                          for name, shapes in _shapes(header).items()}
                if not arrays["scale"] > 0:
                    raise ModelFileError("is damaged: its scale must be > 0")
                return header, arrays
        except ModelFileError as error:
            raise ModelFileError(f"{path} {_one_line(error)}") from None
        except UNREADABLE as error:
            raise ModelFileError(f"{path} is no decnp model file, or is damaged ({_one_line(error)})") from error


def _check_ends(file, size):
    """A zip archive from its first byte to its last, and nothing before or after it."""
    begin = file.read(4)
    file.seek(max(0, size - 22))
    end = file.read(22)
    if begin != b"PK\3\4":
        raise ModelFileError("is no decnp model file: it does not begin as one")
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ModelFileError("is cut short, or something was added at its end: it does not end as a model file")


def _members(archive, size):
    """The archive's entries by name: plain files, each there once, one after the other, within the file."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    members = {entry.filename: entry for entry in entries}
    if HEADER not in members:
        raise ModelFileError("is no decnp model file: it has no header.json")
    if len(members) != len(entries) or not all(map(_is_plain, entries)):
        raise ModelFileError("is no decnp model file: its entries must be plain files, and each there once")
    if sum(entry.file_size for entry in entries) > size or members[HEADER].file_size > MAX_HEADER:
        raise ModelFileError(f"is damaged: its entries cannot be as large as they say in a file of {size} bytes")
    starts = [entry.header_offset for entry in entries] + [size]
    ends = [entry.header_offset + 30 + len(entry.filename) + entry.file_size for entry in entries]
    if starts[0] != 0 or any(end > start for end, start in zip(ends, starts[1:])):
        raise ModelFileError("is damaged: its entries must follow one another from the first byte")
    return members


def _check_names(members, header):
    """The arrays that the header calls for, and no others."""
    n_arrays = 3 + 2 * sum(len(header["activations"][part]) for part in PARTS)
    if len(members) != n_arrays:
        raise ModelFileError(f"is damaged: it must have {n_arrays} arrays; got {len(members)}")
    for name in _shapes(header):
        if f"{name}.npy" not in members:
            raise ModelFileError(f"is damaged: it must have the arrays that its header calls for; {name} is missing")


def _is_plain(entry):
    """Neither compressed nor encrypted, no folder, no link, and no name that is read in two ways."""
    return (entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size
            and entry.flag_bits & ~0x800 == 0 and entry.orig_filename == entry.filename
            and stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG))


def _checked_header(content):
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


def _shapes(header):
    """The shapes that each array may have, by name: they follow from the architecture."""
    D, k, sizes = header["n_features"], header["n_clusters"], header["hidden_layer_sizes"]
    widths = {"encoder": [D, *sizes], "decoder": [*sizes[::-1], D]}
    shapes = {"centers": [(k, sizes[-1])], "shift": [(), (D,)], "scale": [()]}
    for part in PARTS:
        for l, (n_in, n_out, _) in enumerate(zip(widths[part], widths[part][1:], header["activations"][part])):
            shapes[f"{part}.{l}.W"], shapes[f"{part}.{l}.b"] = [(n_in, n_out)], [(n_out,)]
    return shapes


def _read_array(archive, member, name, header, shapes):
    """The array, straight into its own memory; the only copy beside it is of one piece."""
    stored = np.dtype(_stored_dtype(name, header))
    with archive.open(member) as file:
        begin = file.read(10)
        said = file.read(int.from_bytes(begin[8:], "little"))
        begins = {_npy_header(_stored_dtype(name, header), shape): shape for shape in shapes}
        shape = begins.get(said.rstrip()) if begin[:8] == NPY else None
        if shape is None:
            wanted = f"{stored} {' or '.join(map(str, shapes))}"
            raise ModelFileError(f"is damaged: {name} must be an .npy array of {wanted}; it begins as {begin + said!r}")
        n_bytes, there = math.prod(shape) * stored.itemsize, member.file_size - len(begin) - len(said)
        if n_bytes != there:
            raise ModelFileError(f"is damaged: {name} {shape} takes {n_bytes} bytes of data, and {there} are there")
        array, total, finite = np.empty(shape, header["dtype"]), hashlib.sha256(), True
        flat, step = array.reshape(-1), PIECE // stored.itemsize
        for start in range(0, flat.size, step):
            piece = file.read(min(step, flat.size - start) * stored.itemsize)
            total.update(piece)
            values = np.frombuffer(piece, stored)
            finite = finite and bool(np.isfinite(values).all())
            with np.errstate(invalid="ignore"):  # NaN, of which the next lines speak
                flat[start : start + step] = values
    if total.hexdigest() != header["sha256"].get(name):
        raise ModelFileError(f"is damaged: {name} does not have the sha256 that the header gives")
    if not finite:
        raise ModelFileError(f"is damaged: {name} has NaN or infinite values")
    return array


def _npy_header(dtype, shape):
    """The text with which NumPy begins an .npy, without the spaces that end it."""
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
