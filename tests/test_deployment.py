"""docs/deployment.md: the HTTP service answers real requests, and the commands of its pages work on NumPy alone."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import QUICK, blobs
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from decnp import DEC, save
from decnp.inference import load_model

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deployment.md").read_text()
SERVE, = (block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "http.server" in block)
DOCKERFILE, = re.findall(r"```dockerfile\n(.*?)```", PAGE, re.S)
COLUMNS = {"a": [0.5, None, "1"], "b": [1, "NA", 3], "kind": ["x", "new", None]}


@pytest.fixture(scope="module")
def models(X, tmp_path_factory):
    """Folders with serve.py and a model.decnp: one of numbers, and one with a recipe."""
    plain, recipe = (tmp_path_factory.mktemp(name) for name in ("plain", "recipe"))
    dec = DEC(3, hidden_layer_sizes=(4, 2), profile=QUICK, random_state=0)
    save(dec.fit(X), plain / "model.decnp")
    frame = pd.DataFrame(blobs(60, n_features=2), columns=["a", "b"]).assign(kind=["x", "y", "z"] * 20)
    prepare = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]),
        ("words", OneHotEncoder(handle_unknown="ignore"), ["kind"])])
    save(make_pipeline(prepare, dec).fit(frame), recipe / "model.decnp")
    for folder in (plain, recipe):
        (folder / "serve.py").write_text(SERVE)
    return {"plain": plain, "recipe": recipe}


@contextmanager
def service(folder, command, **options):
    """Start the service in a folder, and yield a function that posts a body and returns status and answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**options.pop("env", os.environ), "PORT": str(port)}
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=nothing, **options)

    def post(body, **headers):
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/", body if isinstance(body, bytes) else json.dumps(body), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        return answer.status, content

    try:
        for _ in range(600):
            assert process.poll() is None, "the service ended"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield post
    finally:
        process.kill()
        process.wait()


def in_the_tree(folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return service(folder, [sys.executable, "serve.py"], env=environment)


def test_the_service_answers_rows_with_labels_and_q(models, X):
    model = load_model(models["plain"] / "model.decnp")
    with in_the_tree(models["plain"]) as post:
        status, answer = post(X[:20].tolist())
        assert status == 200 and answer["labels"] == model.predict(X[:20]).tolist()
        assert answer["q"] == model.predict_proba(X[:20]).tolist()
        for body, sentence in (
            ([[1, 2, 3]], "X must have the shape (n, 6); got (1, 3)"),
            ([[1, 2, 3, 4, 5, None]], "X must hold finite numbers within float64; row 0 (counted from 0) does not"),
            ([[1, 2, 3, 4, 5, float("nan")]], "X must hold finite numbers within float64; row 0 (counted from 0) does not"),
            ([["a"] * 6], "X must hold real numbers; got the dtype <U1"),
            ({"a": [1]}, "X must have the shape (n, 6); got a value of the type dict"),
                ([[10**400, 2, 3, 4, 5, 6]], "X must hold real numbers; int too large to convert to float"),
            (b"1,2,3", "Extra data: line 1 column 2 (char 1)"),
            (b"", "Expecting value: line 1 column 1 (char 0)"),
            (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
            (b"[" * 99_999, "maximum recursion depth exceeded"),
        ):
            status, answer = post(body)
            assert status == 400 and answer["error"].startswith(sentence), answer
        assert post(X[:1].tolist())[0] == 200  # it still answers


def test_the_service_takes_the_columns_of_a_recipe(models):
    with in_the_tree(models["recipe"]) as post:
        status, answer = post(COLUMNS)
        with pytest.warns(UserWarning, match="not trained on"):
            assert (status, answer["labels"]) == (200, load_model(models["recipe"] / "model.decnp").predict(COLUMNS).tolist())
        assert post({"a": [1], "b": [2]}) == (400, {"error": "X lacks columns that the model was trained on: 'kind'"})
        assert post({**COLUMNS, "b": [1, 2, "far"]}) == (400, {"error": "the column 'b' must hold numbers; got 'far'"})


# ---------------------------------------------------------------- an environment with NumPy alone

def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)


@pytest.fixture(scope="module")
def bare(models):
    """A folder that nobody may write to, with the environment and the files of the Dockerfile."""
    folder = Path(tempfile.mkdtemp(prefix="decnp-bare-"))  # another user can read it, unlike pytest's own
    source, dist, env = folder / "source", folder / "dist", folder / "env"
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "decnp", "notebooks", "data/results"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    try:
        built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", dist, source)
        if "No matching distribution found for setuptools" in built.stderr:
            pytest.skip("building the wheel downloads setuptools, and there is no network")
        assert built.returncode == 0, built.stderr
        assert run(sys.executable, "-m", "venv", env).returncode == 0
        packages = Path(run(env / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        numpy = Path(np.__file__).parent
        for package in (numpy, numpy.with_name("numpy.libs"), numpy.with_name(f"numpy-{np.__version__}.dist-info")):
            if package.exists():  # so that pip finds NumPy installed, and no test needs the network
                shutil.copytree(package, packages / package.name)
        install, = re.findall("^RUN (.*)$", DOCKERFILE, re.M)
        done = run("bash", "-euc", install, cwd=folder, env={**os.environ, "PATH": f"{env / 'bin'}:{os.environ['PATH']}",
                                                             "PIP_NO_INDEX": "1"})
        assert done.returncode == 0, done.stderr
        shutil.rmtree(source)
        for name, path in models.items():
            shutil.copytree(path, folder / name)
        np.savetxt(folder / "x.csv", blobs()[:9], delimiter=",")
        run("chmod", "-R", "a+rX,a-w", folder)
        yield folder
    finally:
        run("chmod", "-R", "u+w", folder)
        shutil.rmtree(folder)


OTHER_USERS = (  # the second one can run an interpreter below /root
    ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"],
    ["unshare", "--user", "--map-user=12345", "--map-group=12345"])


@pytest.fixture(scope="module")
def as_nobody(bare):
    """The beginning of a command, and options of subprocess, for another user than root, who has no home."""
    options = dict(env={"PATH": f"{bare / 'env' / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent"})
    for prefix in OTHER_USERS if os.getuid() == 0 else [[]]:
        program = "import os, sys, numpy; print(os.getuid() > 0, os.access('.', os.W_OK), sys.base_prefix)"
        try:
            done = run(*prefix, bare / "env" / "bin" / "python", "-c", program, cwd=bare, **options)
        except FileNotFoundError:  # the system does not have the command
            continue
        if done.stdout == f"True False {sys.base_prefix}\n":
            return prefix, options
    pytest.skip("this user is root, and no other user can run the interpreter")


@pytest.mark.slow
def test_the_command_with_numpy_alone(bare, as_nobody):
    prefix, options = as_nobody

    def decnp(*words):
        return run(*prefix, bare / "env" / "bin" / "decnp", *words, cwd=bare / "plain", **options)

    listed = run(bare / "env" / "bin" / "pip", "list", "--format=json", **options).stdout
    assert {package["name"] for package in json.loads(listed)} <= {"decnp", "numpy", "pip", "setuptools"}
    done = decnp("predict", "model.decnp", "../x.csv")
    assert done.returncode == 0, done.stderr
    assert [int(word) for word in done.stdout.split()] == load_model(bare / "plain" / "model.decnp").predict(blobs()[:9]).tolist()
    assert decnp("info", "model.decnp", "--json").returncode == 0
    done = decnp("fit", "../x.csv", "--n-clusters", "2")
    assert (done.returncode, done.stdout) == (2, "")
    sentence = "decnp fit needs packages that are not installed: pip install scipy scikit-learn numba threadpoolctl"
    assert done.stderr == f"decnp: error: {sentence}\n" and f"`{sentence}`" in PAGE


@pytest.mark.slow
def test_the_dockerfile_starts_the_service(bare, as_nobody):
    prefix, options = as_nobody
    command = [*prefix, *json.loads(re.search("^CMD (.*)$", DOCKERFILE, re.M)[1])]
    for name, rows in (("plain", blobs()[:9].tolist()), ("recipe", {**COLUMNS, "kind": ["x", "y", "z"]})):
        with service(bare / name, command, **options) as post:
            assert post(rows)[1]["labels"] == load_model(bare / name / "model.decnp").predict(rows).tolist()


def test_only_packages_that_are_not_installed_are_named(tmp_path):
    """In a process without two of them, fit names these two; another module that is missing is a defect, with a traceback."""
    np.savetxt(tmp_path / "x.csv", blobs()[:9], delimiter=",")
    program = """if True:
        import sys
        for name in sys.argv[1].split(","):
            sys.modules[name] = None
        from decnp.cli import main
        sys.exit(main(["fit", "x.csv", "--n-clusters", "2"]))
    """
    for names, status, last in (
        ("sklearn,threadpoolctl", 2, "decnp: error: decnp fit needs packages that are not installed: "
                                     "pip install scikit-learn threadpoolctl"),
        ("decnp.dec", 1, "ModuleNotFoundError: import of decnp.dec halted; None in sys.modules"),
    ):
        done = run(sys.executable, "-c", program, names, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert (done.returncode, done.stderr.splitlines()[-1]) == (status, last)
