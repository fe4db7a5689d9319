"""Export of a trained model as an ONNX graph in float32: the encoder and Eq. 1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .inference import Model, load_model
from .io.atomic import PathLike, write_atomically

if TYPE_CHECKING:
    from .dec import DEC

__all__ = ["OPSET", "export_onnx"]

OPSET = 13
"""Version of the ONNX operators: the first that has all operators in their current form. It needs onnxruntime >= 1.7."""
IR_VERSION = 7  # version of the file format that was released with opset 13
MAX_BYTES = 2**31 - 2**20  # protobuf's limit, minus 1 MB for the graph itself
LARGEST = 3e38  # close to the largest float32


def export_onnx(model: Model | DEC | PathLike, path: PathLike) -> None:
    r"""Write ``model`` to ``path`` as ONNX, opset 13, atomically.

    The input of the graph is ``x`` (n, D) float32, for any n. Its outputs are the embedding ``z`` (n, d) and ``q``
    (n, k), Eq. 1, both float32, and ``label`` (n,) int64, argmax_j q_ij. The graph includes shift and scale of the
    model. A float64 model is rounded to float32. For NaN and infinite numbers q is NaN, and the label has no
    meaning. The metadata hold alpha, n_clusters and the dtype of the model.

    Parameters
    ----------
    model : Model, DEC or path
        Result of ``load_model``, a fitted ``DEC``, or the path of a model file.
    path : str or path-like
        File to write.

    Raises
    ------
    ImportError
        If the package ``onnx`` is not installed.
    ModelFileError
        If ``model`` is a path, and the file is not a model file.
    ValueError
        If the model does not fit into float32, or into the 2 GB of an ONNX file.
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
    constants = _constants(model)
    nodes = [helper.make_node(op, inputs, [output], output, **attributes)
             for op, inputs, output, attributes in [*_encoder(model), *EQUATION_1]]
    k, d = model.centers.shape
    graph = helper.make_graph(
        nodes, "DEC",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", model.n_features])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", d]),
         helper.make_tensor_value_info("q", TensorProto.FLOAT, ["n", k]),
         helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
        "Deep Embedded Clustering: the encoder z = f_theta(x), and Eq. 1, q.",
    )
    onnx = helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="decnp",
        producer_version=__version__)
    helper.set_model_props(
        onnx, {"alpha": repr(float(model.alpha)), "n_clusters": str(k), "trained_dtype": model.dtype.name})
    return onnx


def _constants(model: Model) -> dict[str, np.ndarray]:
    """Return the constants of the graph by name. Differences are computed in float64, and rounded to float32 once."""
    *_, last = model.encoder
    wide: dict[str, Any] = {"shift": model.shift, "scale": model.scale, "c": np.zeros(len(last.b))}
    for l, (W, b, _) in enumerate(model.encoder, 1):
        wide[f"W{l}"], wide[f"b{l}"] = W, b.astype(np.float64)
    rounded = np.asarray(model.shift, np.float32).astype(np.float64)
    wide["b1"] -= np.broadcast_to((model.shift - rounded) * model.scale, model.n_features) @ model.encoder[0].W
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


def _encoder(model: Model) -> Iterator[tuple[str, list[str], str, dict[str, Any]]]:
    """Yield (operator, inputs, output, attributes) of each node: x -> h0, the scaled input, ..., zc = z - c, and z."""
    yield "Sub", ["x", "shift"], "x_centred", {}
    yield "Mul", ["x_centred", "scale"], "h0", {}
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
