"""A small model in each format of decnp's model files, and what it said of a few rows: ``format1.decnp``, ...

    python tests/data/make_models.py        # writes the files that are not there yet, never over one that is

A file of a released format stays here as it is, and every later decnp must read it. ``models.npz`` holds
``X`` (12, 6), rows that the models have not been trained on, and for each file, as ``format1/z`` and so on, the
embedding ``z``, the soft assignments ``q`` and the ``labels`` that were computed when it was written. The models whose
names end in "encoder" have no decoder; those of the formats 2 and 4 store their matrices in float16. The model of format 3
has a recipe, which standardizes the columns.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
SAID = HERE / "models.npz"
NAMES = ("format1", "format2", "format2-encoder", "format3", "format4", "format4-encoder")


def main():
    sys.path.append(str(HERE.parent))
    from conftest import QUICK, blobs

    from decnp import DEC
    from decnp.inference import Model, load_model
    from decnp.persistence import save

    X = blobs(n=162, dtype=np.float32)
    profile = replace(QUICK, lr=1e-2, finetune_iter=2000)
    dec = DEC(3, hidden_layer_sizes=(5, 4, 2), alpha=2.5, profile=profile, random_state=0).fit(X[:150])
    ae = dec.autoencoder_
    encoder = Model(ae.encoder_, dec.cluster_centers_, dec.alpha, ae.shift_, ae.scale_)
    pipeline = make_pipeline(StandardScaler(), clone(dec).set_params(dtype="float32")).fit(X[:150])
    models = (dec, dec, encoder, pipeline, dec, encoder)
    said = dict(np.load(SAID)) if SAID.exists() else {"X": X[150:]}
    for name, model, storage in zip(NAMES, models, (None, "float16", None, None, "float16", None)):
        path = HERE / f"{name}.decnp"
        if not path.exists():
            save(model, path, storage)
            again = load_model(path)
            said.update({f"{name}/z": again.transform(said["X"]), f"{name}/q": again.predict_proba(said["X"]),
                         f"{name}/labels": again.predict(said["X"])})
    np.savez(SAID, **said)


if __name__ == "__main__":
    main()
