"""Export of a trained model as an ONNX graph in float32: the encoder and Eq. 1."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .inference import Model, load_model
from .io.atomic import PathLike, write_atomically
from .io.recipe import Categories, Number

if TYPE_CHECKING:
    from .dec import DEC

__all__ = ["OPSET", "export_onnx"]

OPSET = 13
"""Version of the ONNX operators: the first that has all operators in their current form. It needs onnxruntime >= 1.7."""
IR_VERSION = 7  # version of the file format that was released with opset 13
MAX_BYTES = 2**31 - 2**20  # protobuf's limit, minus 1 MB for the graph itself
DOMAINS = {"OneHotEncoder": "ai.onnx.ml"}  # of operators that are not among the standard ones
LARGEST = 3e38  # close to the largest float32
ROUNDING = 0.01  # largest step of float32 near the shift of a column, in units of the model


def export_onnx(model: Model | DEC | Any, path: PathLike) -> None:
    r"""Write ``model`` to ``path`` as ONNX, opset 13, atomically.

    The input of the graph is ``x`` (n, D) float32, for any n. Its outputs are the embedding ``z`` (n, d) and ``q``
    (n, k), Eq. 1, both float32, and ``label`` (n,) int64, argmax_j q_ij. The graph includes shift and scale of the
    model. A float64 model is rounded to float32. For NaN and infinite numbers q is NaN, and the label has no
    meaning. The metadata hold alpha, n_clusters and the dtype of the model.

    The graph of a model with a recipe takes raw columns: ``x`` (n, C) float32 has the columns of numbers, NaN where a
    number is missing, and ``words`` (n, W) strings those of words, "" where one is missing. Each is there only if the table
    has such columns. The metadata ``x`` and ``words`` hold their names as JSON. Unseen categories count as none.

    Parameters
    ----------
    model : Model, DEC, Pipeline or path
        Result of ``load_model``, a fitted ``DEC``, a fitted pipeline as ``decnp.save`` takes it, or the path of a model
        file.
    path : str or path-like
        File to write.

    Raises
    ------
    ImportError
        If the package ``onnx`` is not installed.
    ModelFileError
        If ``model`` is a path, and the file is not a model file.
    ValueError
        If the model does not fit into float32, or into the 2 GB of an ONNX file, or if float32 rounds its input too much:
        neighboring numbers are more than a hundredth of the model's unit apart, or two categories become equal.
    OSError
        If a file cannot be read or written.

    See Also
    --------
    decnp.persistence.save : Write a model file of decnp.

    Notes
    -----
    Differs from Eq. 1 as printed: not in value. Distances are computed relative to the mean centroid c, so that an
    embedding far from the origin loses no digits, and the powers of each row are relative to its nearest centroid,

    .. math:: q_{ij} \propto (1 + (d_{ij} - d_i^*) / (\alpha + d_i^*))^{-(\alpha + 1) / 2}, \quad
        d_{ij} = \|z_i - \mu_j\|^2, \quad d_i^* = \min_j d_{ij}

    so that far points do not become 0/0. A label can differ from the label of the model if the q of two clusters are
    equal up to rounding. The graph needs memory for n k d numbers, so split a long x into parts.
    """
    if isinstance(model, (str, os.PathLike)):
        model = load_model(model)
    elif not isinstance(model, Model):
        model = Model.from_estimator(model)
    content = _graph(model).SerializeToString()
    write_atomically(path, lambda file: file.write(content))


def _graph(model: Model) -> Any:
    """Return the ONNX model."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise ImportError(f'ONNX files need the package onnx: pip install "decnp[onnx]" ({error})') from error
    _check_rounding(model)
    steps = _Preparation(model)
    constants = {**_constants(model, steps.shift), **steps.constants}
    nodes = [helper.make_node(op, inputs, [output], output, domain=DOMAINS.get(op, ""), **attributes)
             for op, inputs, output, attributes in [*steps.nodes, *_encoder(model, steps.output), *EQUATION_1]]
    k, d = model.centers.shape
    graph = helper.make_graph(
        nodes, "DEC",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT if name == "x" else TensorProto.STRING, ["n", len(columns)])
         for name, columns in steps.inputs.items()],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", d]),
         helper.make_tensor_value_info("q", TensorProto.FLOAT, ["n", k]),
         helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
        "Deep Embedded Clustering: the encoder z = f_theta(x), and Eq. 1, q.",
    )
    opsets = [helper.make_opsetid("", OPSET)]
    opsets += [helper.make_opsetid("ai.onnx.ml", 2)] * ("words" in steps.inputs)
    onnx = helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=opsets, producer_name="decnp", producer_version=__version__)
    names = {} if model.recipe is None else {name: json.dumps(columns) for name, columns in steps.inputs.items()}
    helper.set_model_props(
        onnx, {"alpha": repr(float(model.alpha)), "n_clusters": str(k), "trained_dtype": model.dtype.name, **names})
    return onnx


def _check_rounding(model: Model) -> None:
    """Raise ValueError if float32, the dtype of the graph's input, rounds off what the model needs."""
    D, recipe = len(model.encoder[0].W), model.recipe
    shift = np.broadcast_to(model.shift, D).astype(np.float64)
    features: Sequence[Number | Categories] = [Number(j) for j in range(D)] if recipe is None else recipe.features
    names = model.feature_names if recipe is None else recipe.columns
    start = 0
    for one in features:
        name = repr(names[one.column]) if names else str(one.column + 1)
        if isinstance(one, Categories):
            if not one.of_words:
                _check_values(name, [float(value) for value in one.values if value is not None])
        elif one.mean or model.dtype == np.float64:  # a model in float32 rounds the rows itself
            _check_step(name, one.mean + one.std * shift[start], one.std / float(model.scale))
        start += one.width


def _check_step(name: str, near: float, unit: float) -> None:
    """Raise ValueError if float32 numbers ``near`` a number are far apart for a model that works in this ``unit``."""
    step = np.spacing(np.float32(min(abs(near), LARGEST)))
    if step > ROUNDING * unit:
        raise ValueError(f"the column {name} has numbers near {near:.4g}, which float32 rounds to steps of {step:.4g}: "
                         f"too much for the model, in which 1 stands for {unit:.4g} of this column. Subtract a constant "
                         "from the column before training, or leave the column out")


def _check_values(name: str, values: Sequence[float]) -> None:
    """Raise ValueError if two categories that are numbers are equal in float32, or one is beyond it."""
    seen: dict[float, float] = {}
    for value in values:
        if abs(value) > LARGEST:
            raise ValueError(f"the column {name} has the category {value!r}, which float32 does not hold")
        rounded = float(np.float32(value))
        if rounded in seen:
            raise ValueError(f"the column {name} has the categories {seen[rounded]!r} and {value!r}, which are equal in "
                             "float32")
        seen[rounded] = value


class _Preparation:
    """Nodes of the graph that turn its inputs into the rows (n, D) of the network: those of a recipe, or none."""

    def __init__(self, model: Model) -> None:
        self.shift = model.shift.astype(np.float64)
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, np.ndarray] = {}
        self.inputs: dict[str, Sequence[Any]] = {"x": range(model.n_features)}
        self.output = "x"
        recipe = model.recipe
        if recipe is None:
            return
        in_words = recipe.columns_of_words
        both = {*in_words} & {one.column for one in recipe.features if not (isinstance(one, Categories) and one.of_words)}
        if both:
            raise ValueError(f"the column {recipe.columns[min(both)]!r} is used as numbers and as words, so it cannot be "
                             "exported")
        of = {"x": [j for j in range(len(recipe.columns)) if j not in in_words], "words": in_words}
        self.inputs = {name: [recipe.columns[j] for j in places] for name, places in of.items() if places}
        self.shift = np.broadcast_to(self.shift, recipe.n_features).copy()
        parts, start = [], 0
        for is_number, run in groupby(recipe.features, lambda one: isinstance(one, Number)):
            features: list[Any] = list(run)
            parts += ([self._numbers(features, of["x"], start)] if is_number else
                      [self._categories(one, of["words" if one.of_words else "x"]) for one in features])
            start += sum(one.width for one in features)
        self._add("Concat", parts, "prepared", axis=1)
        self.output = "prepared"

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append((op, inputs, output, attributes))
        return output

    def _constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        self.constants[name] = np.asarray(value, dtype)
        return name

    def _numbers(self, features: list[Number], places: list[int], start: int) -> str:
        """Add the nodes for columns of numbers that follow one another; ``start`` is the place of the first."""
        name = f"numbers{start}"
        at = self._constant(f"{name}_at", [places.index(one.column) for one in features], np.int64)
        x = self._add("Gather", ["x", at], f"{name}_raw", axis=1)
        if any(one.fill is not None for one in features):
            fill = self._constant(f"{name}_fill", [np.nan if one.fill is None else one.fill for one in features])
            missing = self._add("IsNaN", [x], f"{name}_missing")
            x = self._add("Where", [missing, fill, x], f"{name}_filled")
        mean, std = (np.array([getattr(one, field) for one in features]) for field in ("mean", "std"))
        rounded = mean.astype(np.float32)
        self.shift[start : start + len(features)] += (mean - rounded) / std
        centered = self._add("Sub", [x, self._constant(f"{name}_mean", rounded)], f"{name}_centered")
        return self._add("Div", [centered, self._constant(f"{name}_std", std)], name)

    def _categories(self, feature: Categories, places: list[int]) -> str:
        """Add the nodes for a column of categories: whether it has each, and a product that places and fills them."""
        name = f"categories{len(self.nodes)}"
        values = [value for value in feature.values if value is not None]
        place = places.index(feature.column)
        at = self._constant(f"{name}_at", place if feature.of_words else [place], np.int64)
        if feature.of_words:
            cells = self._add("Gather", ["words", at], f"{name}_raw", axis=1)  # (n,)
            found = self._add("OneHotEncoder", [cells], f"{name}_found", cats_strings=[*values, ""], zeros=1)
        else:
            cells = self._add("Gather", ["x", at], f"{name}_raw", axis=1)
            equal = self._add("Equal", [cells, self._constant(f"{name}_values", [values])], f"{name}_equal")
            missing = self._add("IsNaN", [cells], f"{name}_missing")
            both = self._add("Concat", [equal, missing], f"{name}_which", axis=1)
            found = self._add("Cast", [both], f"{name}_found", to=1)  # 1: float
        matrix = np.zeros((len(values) + 1, len(feature.values)))
        for i, value in enumerate([*values, feature.fill]):  # the last row is that of a missing cell
            if value in feature.values:
                matrix[i, feature.values.index(value)] = 1
        if feature.dropped is not None:
            matrix = np.delete(matrix, feature.dropped, axis=1)
        return self._add("MatMul", [found, self._constant(f"{name}_matrix", matrix)], name)


def _constants(model: Model, shift: np.ndarray) -> dict[str, np.ndarray]:
    """Return the constants of the graph by name; ``shift`` takes the place of the model's.

    Differences are computed in float64, and rounded to float32 once.
    """
    *_, last = model.encoder
    wide: dict[str, Any] = {"shift": shift, "scale": model.scale, "c": np.zeros(len(last.b))}
    for l, (W, b, _) in enumerate(model.encoder, 1):
        wide[f"W{l}"], wide[f"b{l}"] = W, b.astype(np.float64)
    rounded = np.asarray(shift, np.float32).astype(np.float64)
    wide["b1"] -= np.broadcast_to((shift - rounded) * model.scale, len(model.encoder[0].W)) @ model.encoder[0].W
    if last.act == "linear":  # the last layer computes z - c directly
        wide["c"] = model.centers.mean(axis=0, dtype=np.float64).astype(np.float32).astype(np.float64)
        wide[f"b{len(model.encoder)}"] -= wide["c"]
    wide["mu"] = model.centers - wide["c"]
    wide["alpha"], wide["exponent"] = model.alpha, -(model.alpha + 1) / 2
    wide["one"], wide["largest"] = 1.0, LARGEST
    if sum(np.size(value) for value in wide.values()) * 4 > MAX_BYTES:
        raise ValueError("the encoder does not fit into an ONNX file, which holds at most 2 GB")
    with np.errstate(over="ignore"):
        constants = {name: np.asarray(value, np.float32) for name, value in wide.items()}
    for name, value in constants.items():
        if not np.isfinite(value).all() or (name == "alpha" and value < np.finfo(np.float32).tiny):
            raise ValueError(f"the model's {name} does not fit into float32, so it cannot be exported")
    return {**constants, "axis": np.array([1], np.int64)}


def _encoder(model: Model, x: str) -> Iterator[tuple[str, list[str], str, dict[str, Any]]]:
    """Yield (operator, inputs, output, attributes) of each node: ``x`` -> h0, the scaled input, ..., zc = z - c, and z."""
    yield "Sub", [x, "shift"], "x_centered", {}
    yield "Mul", ["x_centered", "scale"], "h0", {}
    for l, (_, _, act) in enumerate(model.encoder, 1):
        out = "zc" if l == len(model.encoder) else f"h{l}"
        yield "Gemm", [f"h{l - 1}", f"W{l}", f"b{l}"], out if act == "linear" else f"a{l}", {}
        if act == "relu":
            yield "Relu", [f"a{l}"], out, {}
    yield "Add", ["zc", "c"], "z", {}


EQUATION_1: list[tuple[str, list[str], str, dict[str, Any]]] = [
    ("Unsqueeze", ["zc", "axis"], "z_row", {}),                                    # (n, 1, d)
    ("Sub", ["z_row", "mu"], "diff", {}),                                           # (n, k, d)
    ("ReduceSumSquare", ["diff"], "dist", {"axes": [2], "keepdims": 0}),            # (n, k) d_ij
    ("ReduceMin", ["dist"], "nearest", {"axes": [1], "keepdims": 1}),               # (n, 1) d_i*
    ("Sub", ["dist", "nearest"], "beyond", {}),
    ("Add", ["nearest", "alpha"], "unit", {}),
    ("Div", ["beyond", "unit"], "ratio", {}),
    ("Min", ["ratio", "largest"], "r", {}),                                         # never inf
    # log(1 + r) is computed as log(y) + (r - (y - 1)), y = 1 + r rounded, which is accurate for small r too
    ("Add", ["r", "one"], "y", {}),
    ("Sub", ["y", "one"], "r_in_y", {}),
    ("Sub", ["r", "r_in_y"], "lost", {}),                                           # 0 from r = 1 on
    ("Log", ["y"], "log_y", {}),
    ("Add", ["log_y", "lost"], "log1p_r", {}),
    ("Mul", ["log1p_r", "exponent"], "log_s", {}),                                  # its largest is 0
    ("Softmax", ["log_s"], "q", {"axis": 1}),
    ("ArgMax", ["q"], "label", {"axis": 1, "keepdims": 0}),
]
