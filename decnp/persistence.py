"""Save and load a fitted DEC, and take over models that were trained elsewhere. Nothing is ever pickled.

``decnp.io.model_file`` defines the format. ``pickle``, ``joblib`` and ``skops`` work too, as for any estimator.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .exceptions import ModelFileError
from .io.atomic import PathLike, write_atomically
from .io.model_file import PARAMETERS, PARTS, RUN, layers_of, named_arrays, profile_of, read_model, write_file
from .io.recipe import Recipe
from .layers import Dense
from .profiles import profile_for, recorded_profile
from .utils.provenance import versions
from .utils.validation import check_number

if TYPE_CHECKING:
    from .dec import DEC
    from .inference import Model

__all__ = ["save", "write_model", "load", "from_arrays"]


def save(model: DEC | Model | Any, path: PathLike, storage: str | None = None) -> None:
    """Write a fitted ``DEC`` to ``path`` atomically: an earlier file stays until the new one is complete.

    The file has the safetensors format, whatever its name, so that PyTorch, JAX and Rust open its arrays. The same model
    always gives the same bytes. ``labels_``, ``history_``, the labels and centroids of the start, an
    ``init`` that is not a string and a ``random_state`` that is not an int are not saved.

    Parameters
    ----------
    model : DEC, Pipeline or decnp.inference.Model
        A fitted ``DEC``, or a fitted scikit-learn ``Pipeline`` that ends in one. Its other steps, ``ColumnTransformer``,
        ``SimpleImputer``, ``StandardScaler`` and ``OneHotEncoder``, are kept as a recipe, which ``decnp predict`` and
        ``decnp.inference`` apply to raw columns. A ``Model`` is written without a decoder, for prediction.
    path : str or path-like
        File to write; it can have any ending.
    storage : {"float16"}, default=None
        "float16" stores the weight matrices in two bytes a number, rounded to 11 bits; they are float32 again once
        loaded. Biases, centroids, shift and scale are stored as float32.

    Raises
    ------
    NotFittedError
        For a model that is not fitted.
    ValueError
        For another ``storage``, weights that float16 cannot hold, a model with NaN or infinite values, a pipeline with a
        step that cannot be kept, and another estimator.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read the model.
    decnp.inference.load_model : Read the model for prediction with NumPy alone.
    decnp.export.export_onnx : Write a model for other programs.

    Examples
    --------
    >>> import tempfile
    >>> from decnp import DEC, load_digits, persistence, Profile
    >>> X, _ = load_digits()
    >>> dec = DEC(10, hidden_layer_sizes=(32, 5), profile=Profile(pretrain_iter=0, finetune_iter=9, max_iter=0)).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     persistence.save(dec, f"{folder}/model.decnp")
    ...     again = persistence.load(f"{folder}/model.decnp")
    >>> bool((again.predict(X) == dec.labels_).all())
    True
    """
    write_atomically(path, lambda file: write_model(model, file, storage))


def write_model(
    model: DEC | Model | Any, file: BinaryIO, storage: str | None = None, feature_names: Sequence[str] = (),
    left_out: Sequence[str] = (), recipe: Recipe | None = None,
) -> None:
    """Write a model file into an open file.

    Parameters
    ----------
    model : DEC, decnp.inference.Model or Pipeline
        Model, as for ``save``.
    file : binary file
        Open file, empty.
    storage : {"float16"}, default=None
        As for ``save``.
    feature_names : sequence of str, default=()
        Columns of the training data. If it is empty, those that the model has, if any.
    left_out : sequence of str, default=()
        Columns of the table that are not features.
    recipe : Recipe, default=None
        Steps from raw columns to the features, with their names.

    See Also
    --------
    save : Write to a path, atomically.
    """
    from .inference import Model

    if storage not in (None, "float16"):
        raise ValueError(f"storage must be None or 'float16'; got {storage!r}")
    if isinstance(model, Model):
        network, run = _parts(model)
    else:
        from .training.estimator import split_estimator  # late: a Model is saved without scikit-learn

        model, own_recipe, dropped = split_estimator(model)
        if own_recipe is not None:
            from .training.preparation import check_size

            check_size(own_recipe)
            recipe, left_out = own_recipe, dropped
        network, run = _parts_of_dec(model, feature_names)
        if recipe is not None:
            run.pop("feature_names", None)
            run["recipe"] = recipe.to_json()
    dtype = "float32" if storage else network["centers"].dtype.name
    layers: dict[str, list[Dense]] = {part: network.pop(part) for part in PARTS}
    header = {
        "versions": versions("decnp", "python", "numpy"),
        "dtype": dtype,
        "storage": storage or dtype,
        "n_features": layers["encoder"][0].W.shape[0],
        "n_clusters": len(network["centers"]),
        "alpha": model.alpha,
        "hidden_layer_sizes": [layer.W.shape[1] for layer in layers["encoder"]],
        "activations": {part: [layer.act for layer in layers[part]] for part in PARTS},
        **run,
        **({"left_out": list(left_out)} if left_out else {}),
    }
    network.update(named_arrays(layers))
    header = json.loads(json.dumps(header, default=lambda value: value.item()))  # NumPy's numbers to Python's
    write_file(file, header, network)


def load(path: PathLike) -> DEC:
    """Return the fitted ``DEC`` in a model file. Nothing from the file is executed.

    Parameters
    ----------
    path : str or path-like
        File written by ``save`` or ``decnp fit``.

    Returns
    -------
    model : DEC
        Fitted estimator. It transforms and predicts as when it was saved, to the bit. If the file has a recipe, the model
        takes the columns that the recipe makes; ``decnp.inference.load_model`` takes raw columns.

    Raises
    ------
    ModelFileError
        If the file is not a model, is cut short or changed, was written by a newer decnp, or has no decoder.
    OSError
        If the file does not exist or cannot be read.

    See Also
    --------
    save : Write the file; it has an example.
    decnp.inference.load_model : Read the model for prediction with NumPy alone.
    """
    from .autoencoder import StackedAutoencoder
    from .dec import DEC

    header, arrays = read_model(path)
    if not header["activations"]["decoder"]:
        raise ModelFileError(f"{path} has no decoder, so it is not a complete DEC; decnp.inference.load_model reads it")
    parameters, training = header["parameters"], header["training"]
    shared = {name: parameters[name] for name in ("batch_size", "engine", "dtype", "random_state", "verbose")}
    shared.update(hidden_layer_sizes=tuple(header["hidden_layer_sizes"]), profile=profile_of(header))
    model = DEC(len(arrays["centers"]), alpha=header["alpha"], init=training.get("init"),
                **{**parameters, **shared})
    model.n_iter_, model.converged_, model.stop_reason_ = (
        training[name] for name in ("n_iter", "converged", "stop_reason"))
    if "start" in training:
        model.init_ = training["start"]
    if "feature_names" in header:
        model.feature_names_in_ = np.array(header["feature_names"], object)
    elif "recipe" in header:
        model.feature_names_in_ = np.array(Recipe.from_json(header["recipe"]).feature_names, object)
    model.cluster_centers_ = arrays["centers"]
    encoder, decoder = (layers_of(header, arrays, part) for part in PARTS)
    model.autoencoder_ = StackedAutoencoder.from_layers(
        encoder, decoder, arrays["shift"], arrays["scale"], **{**shared, "dtype": header["dtype"]})
    model.n_features_in_ = header["n_features"]
    return model


def from_arrays(
    weights: Sequence[Any], biases: Sequence[Any], centers: Any, alpha: float = 1.0, *, shift: Any = 0.0,
    scale: Any = 1.0,
    activations: Sequence[str] | None = None,
) -> Model:
    """Return a model of a DEC that was trained elsewhere, for prediction and, with ``save``, for a model file.

    Parameters
    ----------
    weights : sequence of array-like
        Matrices of the encoder, first to last, each (n_in, n_out), as in Keras. PyTorch's are W.T.
    biases : sequence of array-like
        Biases of the encoder, each (n_out,).
    centers : array-like of shape (k, d)
        Centroids mu.
    alpha : float, default=1.0
        Degrees of freedom of Eq. 1.
    shift, scale : array-like or float, default=0.0, 1.0
        The input of the network is (x - shift) * scale; shift is a number or (D,).
    activations : sequence of {"relu", "linear"}, default=None
        Activation of each layer. None means "relu", and "linear" for the last.

    Returns
    -------
    model : decnp.inference.Model
        Model with copies of the arrays, in float32 if float32 holds the dtype of each array exactly, else in float64. A
        number as shift or scale does not affect the dtype.

    Raises
    ------
    ValueError
        For arrays that do not fit together or do not hold finite numbers.

    See Also
    --------
    save : Write the model to a file.

    Examples
    --------
    >>> model = from_arrays([np.eye(2)], [np.zeros(2)], [[0.0, 0.0], [1.0, 1.0]])
    >>> model.predict([[0.1, 0.2], [0.9, 0.7]])
    array([0, 1], dtype=int32)
    """
    from .inference import Model

    Ws, bs = ([_numbers(f"{name}[{l}]", array) for l, array in enumerate(arrays)]
              for name, arrays in (("weights", weights), ("biases", biases)))
    mu, shift, scale = (_numbers(*named) for named in (("centers", centers), ("shift", shift), ("scale", scale)))
    check_number("alpha", alpha, low=0, strict=True)
    _check_fit(Ws, bs, mu)
    acts = ["relu"] * (len(Ws) - 1) + ["linear"] if activations is None else list(activations)
    if len(acts) != len(Ws) or not all(act in ("relu", "linear") for act in acts):
        raise ValueError(f"activations must be 'relu' or 'linear' for each of the {len(Ws)} weights; got {acts!r}")
    given = np.result_type(np.float32, *(array.dtype for array in (*Ws, *bs, mu, *[shift] * shift.ndim)))
    dtype = np.dtype(np.float32 if given == np.float32 else np.float64)
    shift, rounded = (_within(*named, dtype) for named in (("shift", shift), ("scale", scale)))
    if shift.shape not in ((), Ws[0].shape[:1]) or scale.shape or not rounded > 0:
        raise ValueError(f"shift must be a number or {Ws[0].shape[:1]}, and scale a number > 0 in {dtype}; got shift of the "
                         f"shape {shift.shape}, scale {scale}")
    encoder = [Dense(W.astype(dtype), b.astype(dtype), act) for W, b, act in zip(Ws, bs, acts)]
    return Model(encoder, mu.astype(dtype), alpha, shift, rounded)


def _within(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an array of finite numbers in another dtype; raise ValueError if they overflow."""
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers within {dtype}")
    return array


def _numbers(name: str, value: Any) -> np.ndarray:
    """Return the value as an array of finite real numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be an array of numbers ({error})") from error
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite real numbers, which its values of the dtype {array.dtype} are not")
    return array


def _check_fit(Ws: Sequence[np.ndarray], bs: Sequence[np.ndarray], mu: np.ndarray) -> None:
    """Raise ValueError unless the shapes of layers and centroids fit together."""
    if not Ws or len(Ws) != len(bs):
        raise ValueError(f"weights and biases must be as many, and at least one; got {len(Ws)} and {len(bs)}")
    if _misfit(Ws, bs, mu):
        turned = all(W.ndim == 2 for W in Ws) and not _misfit([W.T for W in Ws], bs, mu)
        hint = "; they fit as W.T, so these are (n_out, n_in), as PyTorch has them: give W.T of each" if turned else ""
        raise ValueError(_misfit(Ws, bs, mu) + hint)


def _misfit(Ws: Sequence[np.ndarray], bs: Sequence[np.ndarray], mu: np.ndarray) -> str:
    """Return the first shape that does not fit as a sentence, or an empty string."""
    n_in: int | str = "n_in"
    for l, (W, b) in enumerate(zip(Ws, bs)):
        if W.ndim != 2 or not W.size or n_in not in ("n_in", len(W)):
            return f"weights[{l}] must have the shape ({n_in}, n_out); got {W.shape}"
        n_in = W.shape[1]
        if b.shape != (n_in,):
            return f"biases[{l}] must have the shape ({n_in},), for weights[{l}] of the shape {W.shape}; got {b.shape}"
    if mu.ndim != 2 or mu.shape[1] != n_in or not len(mu):
        return f"centers must have the shape (k, {n_in}); got {mu.shape}"
    return ""


# ---------------------------------------------------------------- content of the file

def _parts_of_dec(model: DEC, feature_names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the network's layers and arrays by name, and the header's record of the training run."""
    ae, parameters = model.autoencoder_, {name: getattr(model, name) for name in PARAMETERS}
    parameters["dtype"] = None if model.dtype is None else np.dtype(model.dtype).name
    parameters["random_state"] = model.random_state if isinstance(model.random_state, Integral) else None
    run: dict[str, Any] = {
        "parameters": parameters,
        "profile": recorded_profile(profile_for(model.profile, len(getattr(model, "labels_", ()))), ae.shift_),
        "training": {"n_iter": model.n_iter_, "converged": model.converged_, "stop_reason": model.stop_reason_,
                     **({"init": model.init} if isinstance(model.init, str) else {}),
                     **({"start": model.init_} if hasattr(model, "init_") else {})},
    }
    if hasattr(model, "labels_"):  # a model that was loaded does not know
        run["training"]["n_samples"] = len(model.labels_)
        if np.isfinite(model.history_[-1].loss):
            run["training"]["loss"] = model.history_[-1].loss
    names = list(feature_names) or list(getattr(model, "feature_names_in_", ()))
    if names:
        run["feature_names"] = names
    return {"encoder": ae.encoder_, "decoder": ae.decoder_, "centers": model.cluster_centers_, "shift": ae.shift_,
            "scale": ae.scale_}, run


def _parts(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the same for an ``inference.Model``; the record of the run is that of the file it was loaded from."""
    run = {name: model.header[name] for name in (*RUN, "feature_names", "left_out", "recipe") if name in model.header}
    return {"encoder": model.encoder, "decoder": [], "centers": model.centers, "shift": model.shift,
            "scale": model.scale}, run
