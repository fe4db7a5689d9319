"""Numba's cache saves time only: kernels run where it cannot be written, and where its files are damaged."""

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from decnp.kernels import jit

MODULE = "from decnp.kernels.jit import jit\n\n\n@jit()\ndef double(x):\n    return 2 * x\n"


@pytest.fixture
def double(tmp_path, monkeypatch):
    """Load a kernel anew from a file whose cache is beside it, call it, and return the messages of its warnings."""
    path = tmp_path / "doubles.py"
    path.write_text(MODULE)

    def double():
        monkeypatch.setattr(jit, "_warned", [])
        spec = importlib.util.spec_from_file_location("doubles", path)
        module = importlib.util.module_from_spec(spec)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            spec.loader.exec_module(module)
            assert module.double(21) == 42 and module.double(2.5) == 5
        double.hits = sum(module.double.stats.cache_hits.values())
        return [str(warning.message) for warning in caught]

    double.folder = tmp_path / "__pycache__"
    return double


def test_the_cache_is_used_where_there_is_one(double):
    assert double() == [] and double.hits == 0
    assert double() == [] and double.hits == 2


@pytest.mark.parametrize("suffix", ["nbc", "nbi"])
@pytest.mark.parametrize("keep", [0, 1, 20, -10])
def test_a_cut_off_file_of_the_cache_is_compiled_again(double, suffix, keep):
    double()
    for path in double.folder.glob(f"*.{suffix}"):
        path.write_bytes(path.read_bytes()[:keep])
    assert double() == [] and double.hits == 0
    assert double() == [] and double.hits == 2  # it has been written anew


def test_bytes_that_are_no_cache_are_compiled_again(double):
    double()
    for path in double.folder.glob("*.nb?"):
        path.write_bytes(b"\0" * 500)
    assert double() == [] and double.hits == 0


def test_no_place_for_the_cache_gives_one_warning(double, monkeypatch):
    def no_place(function):
        raise RuntimeError("cannot cache function 'double': no locator available")

    monkeypatch.setattr(jit, "_Cache", no_place)
    warning, = double()
    assert "NUMBA_CACHE_DIR" in warning and "no locator" in warning and not list(double.folder.glob("*.nb?"))


def test_a_full_disk_gives_one_warning(double, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", full)
    warning, = double()
    assert "No space left on device" in warning


def test_kernels_are_compiled_by_this_decorator_alone():
    kernels = Path(jit.__file__).parent
    assert [path.name for path in kernels.parent.rglob("*.py") if "import njit" in path.read_text()] == ["jit.py"]


@pytest.mark.slow  # it compiles every kernel
@pytest.mark.skipif(not shutil.which("setpriv") or os.name != "posix" or os.geteuid() != 0,
                    reason="needs root, to become another user")
@pytest.mark.skipif(not os.access(Path(jit.__file__), os.R_OK), reason="needs a readable package")
def test_a_user_without_a_home_trains_from_a_package_that_cannot_be_written(tmp_path):
    package = tmp_path / "site"
    shutil.copytree(Path(jit.__file__).parents[1], package / "decnp",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 3)))
    environment = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "PYTHONPATH": str(package)}
    other_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+dac_read_search",
                  "--ambient-caps=+dac_read_search", sys.executable]  # may read root's Python, and write nothing
    if subprocess.run([*other_user, "-c", "import numpy"], env=environment, cwd="/", capture_output=True).returncode:
        pytest.skip("the other user cannot read this Python or its packages")
    run = subprocess.run(
        [*other_user, "-m", "decnp", "fit", "-q",
         str(tmp_path / "x.npy"), "--n-clusters", "2", "--hidden", "4,2", "--init", "k-means", "--set", "pretrain_iter=5",
         "--set", "finetune_iter=5", "--max-iter", "4", "--update-interval", "2"],
        env=environment, cwd="/", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "cluster sizes" in run.stdout
    assert run.stderr.count("numba's cache cannot be written") == 1 == run.stderr.count("\n")
