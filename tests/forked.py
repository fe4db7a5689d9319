"""Processes of the ``decnp`` command that are forked from one that has imported NumPy, numba and scikit-learn already.

A new Python imports them for two seconds. A forked process has a pid, streams and signal handlers of its own, so that tests
interrupt and kill it. Where the start of Python itself matters, tests run a new one: ``commands.new``, and test_process.py.
"""

import multiprocessing
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing import forkserver, reduction
from pathlib import Path


@cache
def context():
    """Start the process from which the others are forked."""
    forking, here = multiprocessing.get_context("forkserver"), Path(__file__).parent
    forking.set_forkserver_preload(["forked", "preloaded"])
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here.parent), str(here), before])
    forkserver.ensure_running()
    os.environ["PYTHONPATH"] = before
    return forking


class Forked:
    """Process of ``decnp`` with the words ``argv``. It has the methods of ``subprocess.Popen`` that the tests use.

    Warnings are errors in it, or what else is said. ``stderr`` may be a file to write to, and ``ignored`` are signals.
    """

    def __init__(self, *argv, warnings="error", cwd=".", stderr=None, ignored=()):
        self.stdout, out = pipe()
        self.stderr, err = pipe() if stderr is None else (None, os.dup(stderr.fileno()))
        self._process = context().Process(target=run, daemon=True, args=(
            [str(word) for word in argv], os.path.abspath(cwd), dict(os.environ), warnings, ignored, Passed(out), Passed(err)))
        self._process.start()
        os.close(out), os.close(err)

    returncode = property(lambda self: self._process.exitcode)

    def poll(self):
        return self.returncode

    def kill(self):
        self._process.kill()

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def wait(self, timeout):
        self._process.join(timeout)
        assert self.returncode is not None, f"it runs for more than {timeout} s"
        return self.returncode

    def communicate(self, timeout):
        with ThreadPoolExecutor() as pool, self.stdout, self.stderr:
            printed = list(pool.map(lambda stream: stream.read(), (self.stdout, self.stderr)))
        self.wait(timeout)
        return printed


def pipe():
    """Return a file to read from, and the number of one to write to."""
    reading, writing = os.pipe()
    return open(reading, encoding="utf-8"), writing


class Passed:
    """A file that a process writes to: there it is the number of an open file."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return detached, (reduction.DupFd(self.number),)


def detached(duplicate):
    return duplicate.detach()


def run(argv, folder, environment, warning, ignored, *streams):
    """Run the command in the forked process, and exit with its status."""
    import signal

    from decnp.__main__ import run

    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    warnings.simplefilter(warning)
    sys.argv = ["decnp", *argv]
    sys.exit(run())
