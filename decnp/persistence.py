"""Model files: one zip of .npy arrays and a JSON header, never a pickle."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

from . import __version__
from .datasets.files import write_aside

__all__ = ["save"]

FORMAT = 1


def save(model, path) -> None:
    """Write a fitted ``DEC`` to ``path``, aside and renamed: header.json and the network's arrays."""
    ae = model.autoencoder_
    arrays = {"centers": model.cluster_centers_, "shift": np.asarray(ae.shift_), "scale": np.asarray(ae.scale_)}
    for part, layers in (("encoder", ae.encoder_), ("decoder", ae.decoder_)):
        for l, layer in enumerate(layers):
            arrays[f"{part}.{l}.W"], arrays[f"{part}.{l}.b"] = layer.W, layer.b
    header = {
        "format": FORMAT, "decnp": __version__, "alpha": model.alpha, "n_features": model.n_features_in_,
        "encoder": [layer.act for layer in ae.encoder_], "decoder": [layer.act for layer in ae.decoder_],
    }

    def write(file):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("header.json", json.dumps(header, indent=1))
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                archive.writestr(f"{name}.npy", buffer.getvalue())

    write_aside(path, write)
