"""The number of BLAS threads when threads of one process work at once."""

import os
import subprocess
import sys
import warnings

import pytest
from commands import QUICK, ROOT

CROSSWISE = """
import sys, threading
import numpy as np
from threadpoolctl import threadpool_limits
from decnp.utils.threads import ThreadPool, blas_threads, single_threaded_blas

a_in, b_in, a_out = (threading.Event() for _ in "abc")
hook = threading.local()

def A(work):
    hook.call = lambda: (a_in.set(), b_in.wait(20))
    work()
    a_out.set()

def B(work):
    a_in.wait(20)
    hook.call = lambda: (b_in.set(), a_out.wait(20))
    work()

def run_crosswise(work):
    threads = [threading.Thread(target=target, args=(work,)) for target in (A, B)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert a_out.is_set() and blas_threads() == 2, blas_threads()

if blas_threads() != 2:
    sys.exit("one thread only")
"""


@pytest.fixture
def crosswise():
    """Return a function that runs code in two threads: A enters ``hook.call``, then B; A leaves, then B."""
    def run(code):
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", CROSSWISE + code], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "2"})
        if done.stderr == "one thread only\n":
            pytest.skip("the BLAS library takes no second thread here")
        assert done.returncode == 0, done.stderr
    return run


def test_maps_that_overlap_leave_the_number_of_blas_threads(crosswise):
    crosswise("run_crosswise(lambda: ThreadPool(1).map(lambda _: hook.call(), [0]))")


def test_blas_has_one_thread_until_the_last_one_leaves(crosswise):
    crosswise("""
with single_threaded_blas:
    with single_threaded_blas:
        assert blas_threads() == 1
    assert blas_threads() == 1
assert blas_threads() == 2
try:
    with single_threaded_blas:
        raise KeyboardInterrupt
except KeyboardInterrupt:
    assert blas_threads() == 2
with threadpool_limits(1, "blas"):  # a limit of the caller is what is put back
    with single_threaded_blas:
        pass
    assert blas_threads() == 1
""")


@pytest.mark.parametrize("module, function", [("decnp.training.start", "KMeans.fit"), ("decnp.autoencoder", "top_singular_share")])
def test_fits_that_overlap_leave_the_number_of_blas_threads(crosswise, module, function):
    crosswise(f"""
import decnp, importlib
owner, name = importlib.import_module({module!r}), {function!r}
if "." in name:
    owner, name = getattr(owner, name.split(".")[0]), name.split(".")[1]
original = getattr(owner, name)
setattr(owner, name, lambda *args: (hook.call(), original(*args))[1])
X = np.random.default_rng(0).normal(size=(60, 3))
profile = decnp.Profile(init_std=None, pretrain_iter=0, finetune_iter=3, max_iter=0, lr_by_spectrum=True)
run_crosswise(lambda: decnp.DEC(3, hidden_layer_sizes=(4, 2), profile=profile, n_init=1).fit(X))
""")


def test_a_number_of_threads_that_cannot_be_set_is_said(says, data, monkeypatch):
    from decnp.utils import threads

    with threads.limit_blas_threads(None):
        pass
    no_libraries = threads._blas_libraries().select(prefix="none")
    monkeypatch.setattr(threads, "_find_blas_libraries", lambda scipy_is_loaded: no_libraries)
    warnings.simplefilter("default")  # pytest puts its filters back
    status, _, err = says("fit", "x.npy", *QUICK, "--threads", "2")
    assert status == 0 and "warning: the number of threads cannot be set to 2: threadpoolctl 3." in err
