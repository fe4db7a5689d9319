"""Imported by the process from which ``forked.Forked`` forks: a run of ``decnp`` has loaded every module and kernel that it needs."""

import contextlib
import io
import os
import tempfile

import numpy as np
from commands import QUICK

from decnp.cli import main

with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
    np.save(os.path.join(folder, "x.npy"), np.random.default_rng(0).random((60, 6)))
    main(["fit", os.path.join(folder, "x.npy"), *QUICK, "-q", "--out", os.path.join(folder, "run")])
