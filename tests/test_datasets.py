"""The real MNIST from the checkout; everything that can go wrong on a miniature set and a local mirror."""

import gzip
import hashlib
import io
import re
import struct
import sys
import threading
import tracemalloc
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from decnp.datasets import DataError, _files, load_digits, load_mnist, mnist

pytestmark = pytest.mark.filterwarnings("error")

needs_mnist = pytest.mark.skipif(
    not (_files.CHECKOUT / "mnist.npz").exists(), reason="needs the checkout's data/mnist.npz"
)
HTML = b"<!DOCTYPE html><title>Please log in</title>"


# ---------------------------------------------------------------- the real thing

@needs_mnist
def test_mnist_is_mnist():
    X, y = load_mnist()
    assert X.shape == (70000, 784) and X.dtype == np.float32 and X.flags.c_contiguous
    assert y.shape == (70000,) and y.dtype == np.int64
    assert np.bincount(y).tolist() == [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    assert y[:5].tolist() == [5, 0, 4, 1, 9] and y[60000:60005].tolist() == [7, 2, 1, 0, 4]  # train, then test
    assert np.vdot(X, X) / X.size == pytest.approx(2.92, abs=0.005)  # mean ||x||^2 / 784 at scale 0.02


@needs_mnist
def test_mnist_needs_little_more_memory_than_its_result():
    tracemalloc.start()
    X, _ = load_mnist("test")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pixels = X.size  # bytes of uint8
    assert peak < X.nbytes + pixels + 2_000_000  # 2 MB for buffers and labels; a copy would take 8 or 31


@needs_mnist
def test_the_readme_has_the_digests():
    readme = (_files.CHECKOUT / "README.md").read_text()
    assert hashlib.sha256((_files.CHECKOUT / "mnist.npz").read_bytes()).hexdigest() in readme
    for key, part in mnist.OFFICIAL_FILES.items():
        assert re.search(rf"{part.sha256}  {part.name} +\({key}\)", readme)


def test_digits():
    X, y = load_digits()
    assert X.shape == (1797, 64) and X.dtype == np.float32 and X.flags.c_contiguous
    assert y.shape == (1797,) and y.dtype == np.int64
    assert X.min() == 0 and X.max() == 16 and sorted(set(y.tolist())) == list(range(10))


# ---------------------------------------------------------------- a miniature MNIST, and places to put it

ARRAYS = {
    "x_train": np.random.default_rng(0).permutation(3 * 784).astype(np.uint8).reshape(3, 784),  # all 256 values
    "y_train": np.array([5, 0, 4], np.uint8),
    "x_test": np.random.default_rng(1).integers(0, 256, (2, 784), np.uint8),
    "y_test": np.array([7, 2], np.uint8),
}


def idx(key):
    """The idx file of one of ARRAYS, put together by hand."""
    array = ARRAYS[key]
    if array.ndim == 2:
        return struct.pack(">IIII", 0x803, len(array), 28, 28) + array.tobytes()
    return struct.pack(">II", 0x801, len(array)) + array.tobytes()


NAMES = {key: part.name for key, part in mnist.OFFICIAL_FILES.items()}
ZIPPED = {f"{NAMES[key]}.gz": gzip.compress(idx(key)) for key in ARRAYS}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty folders instead of this machine's; no mirrors; the miniature's sums instead of the official ones."""
    parts = {
        key: mnist.OfficialFile(NAMES[key], (len(a), 28, 28) if a.ndim == 2 else a.shape, hashlib.sha256(idx(key)).hexdigest())
        for key, a in ARRAYS.items()
    }
    monkeypatch.setattr(mnist, "OFFICIAL_FILES", parts)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    folders = {name: tmp_path / name for name in ("home", "checkout", "env", "cache")}
    folders["cache"] = tmp_path / "xdg" / "decnp"
    monkeypatch.setattr(_files, "CHECKOUT", folders["checkout"])
    monkeypatch.setenv("DECNP_DATA", str(folders["env"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return folders


def put(folder, form, **changes):
    """The miniature set into ``folder`` as "npz", "gz" or "raw"; returns the images' file."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "npz":
        np.savez_compressed(folder / "mnist.npz", **{**ARRAYS, **changes})
        return folder / "mnist.npz"
    for key, name in NAMES.items():
        if form == "gz":
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(key)))
        else:
            (folder / name).write_bytes(idx(key))
    return folder / (NAMES["x_train"] + (".gz" if form == "gz" else ""))


def assert_is_the_miniature(X, y, scale=0.02):
    pixels = np.concatenate([ARRAYS["x_train"], ARRAYS["x_test"]]).astype(float)
    assert_array_equal(X, (pixels * scale).astype(np.float32))  # rounded once
    assert X.dtype == np.float32 and X.flags.c_contiguous and X.flags.writeable
    assert y.tolist() == [5, 0, 4, 7, 2] and y.dtype == np.int64


@pytest.mark.parametrize("place", ["home", "checkout", "env", "cache"])
@pytest.mark.parametrize("form", ["npz", "gz", "raw"])
def test_every_form_in_every_place(places, form, place):
    put(places[place], form)
    assert_is_the_miniature(*load_mnist(data_home=places["home"] if place == "home" else None))


@pytest.mark.parametrize("split, rows", [("train", slice(0, 3)), ("test", slice(3, 5)), ("all", slice(0, 5))])
def test_splits(places, split, rows):
    put(places["env"], "npz")
    X, y = load_mnist(split)
    whole, digits = load_mnist()
    assert_array_equal(X, whole[rows])
    assert_array_equal(y, digits[rows])


@pytest.mark.parametrize("scale", [1, 1 / 255, np.float32(0.5)])
def test_scale(places, scale):
    put(places["env"], "npz")
    assert_is_the_miniature(*load_mnist(scale=scale), scale=float(scale))


def test_images_may_be_stored_as_squares_or_by_columns(places):
    put(places["env"], "npz", x_train=ARRAYS["x_train"].reshape(3, 28, 28), x_test=np.asfortranarray(ARRAYS["x_test"]))
    assert_is_the_miniature(*load_mnist())


def test_order_of_the_places(places):
    """A broken file in each place: the first one is named. Then it is taken away, and the next one is."""
    order = ["home", "checkout", "env", "cache"]
    for place in order:
        put(places[place], "gz").write_bytes(HTML)
    for place in order:
        with pytest.raises(DataError, match=re.escape(str(places[place]))):
            load_mnist(data_home=str(places["home"]))
        for path in places[place].iterdir():
            path.unlink()
    with pytest.raises(DataError, match="could not be downloaded"):
        load_mnist(data_home=places["home"])


def test_home_is_where_the_tilde_points(places, monkeypatch):
    put(places["home"], "npz")
    monkeypatch.setenv("HOME", str(places["home"].parent))
    monkeypatch.setenv("USERPROFILE", str(places["home"].parent))
    assert_is_the_miniature(*load_mnist(data_home="~/home"))
    monkeypatch.setenv("DECNP_DATA", "~/home")
    assert_is_the_miniature(*load_mnist())
    monkeypatch.delenv("DECNP_DATA")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    put(places["home"].parent / ".cache" / "decnp", "npz")
    assert_is_the_miniature(*load_mnist())


@pytest.mark.parametrize("platform, variables, folder", [
    ("linux", {}, "~/.cache/decnp"),
    ("linux", {"XDG_CACHE_HOME": ""}, "~/.cache/decnp"),
    ("linux", {"LOCALAPPDATA": "/local"}, "~/.cache/decnp"),
    ("freebsd14", {}, "~/.cache/decnp"),
    ("darwin", {}, "~/Library/Caches/decnp"),
    ("win32", {"LOCALAPPDATA": "/local"}, "/local/decnp"),
    ("win32", {}, "~/AppData/Local/decnp"),
    *((platform, {"XDG_CACHE_HOME": "~/xdg", "LOCALAPPDATA": "/local"}, "~/xdg/decnp")
      for platform in ("linux", "darwin", "win32")),
])
def test_the_cache_is_where_the_system_has_its_caches(tmp_path, monkeypatch, platform, variables, folder):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**variables, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert _files.download_folder() == Path(folder).expanduser()
    assert _files.download_folder("given") == Path("given")


# ---------------------------------------------------------------- broken files

def flipped(key):
    array = ARRAYS[key].copy()
    array.flat[-1] ^= 1
    return array


@pytest.mark.parametrize("key", ARRAYS)
def test_one_wrong_bit_in_an_npz_is_noticed(places, key):
    path = put(places["env"], "npz", **{key: flipped(key)})
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))} \({key}\) is not the official {NAMES[key]}: "
                                        r"its sha256 is \w{64}, not \w{64}; delete or replace it$"):
        load_mnist()


@pytest.mark.parametrize(
    "array, says",
    [
        (ARRAYS["x_train"].astype(np.int64), "x_train must hold 2352 values of uint8; got 2352 of int64"),
        (ARRAYS["x_train"][:2], "x_train must hold 2352 values of uint8; got 1568 of uint8"),
        (np.array([{}], object), "Object arrays cannot be loaded when allow_pickle=False"),
    ],
)
def test_an_npz_of_something_else(places, array, says):
    path = put(places["env"], "npz", x_train=array)
    with pytest.raises(DataError, match=f"{re.escape(str(path))} is .*{says}"):
        load_mnist()


def test_an_npz_that_lacks_an_array(places):
    places["env"].mkdir()
    np.savez(places["env"] / "mnist.npz", x_train=ARRAYS["x_train"])
    with pytest.raises(DataError, match=r"mnist\.npz is damaged: y_train cannot be read"):
        load_mnist()


@pytest.mark.parametrize("form", ["npz", "gz", "raw"])
def test_a_truncated_file_is_named(places, form):
    path = put(places["env"], form)
    whole = path.read_bytes()
    for length in (0, 1, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"^{re.escape(str(path))} .*; delete or replace it$"):
            load_mnist()


@pytest.mark.parametrize("form", ["npz", "gz", "raw"])
def test_a_file_with_a_changed_byte_is_never_used_unless_its_contents_are_right(places, form):
    path = put(places["env"], form)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for where in rng.choice(len(whole), 150):
        path.write_bytes(whole[:where] + bytes([whole[where] ^ int(rng.integers(1, 256))]) + whole[where + 1 :])
        try:
            X, y = load_mnist()
        except DataError as error:
            assert str(path) in str(error)
        else:  # a date or a flag
            assert_is_the_miniature(X, y)


@pytest.mark.parametrize(
    "record, offset, byte",
    [
        (b"PK\1\2", 8, 1),  # the first array is said to be encrypted: a RuntimeError of zipfile
        (b"PK\5\6", 18, 255),  # the list of arrays is said to begin elsewhere: an OSError here
    ],
)
def test_a_zip_archive_whose_records_lie(places, record, offset, byte):
    path = put(places["env"], "npz")
    content = bytearray(path.read_bytes())
    content[content.index(record) + offset] |= byte
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} is damaged: x_train cannot be read"):
        load_mnist()


@pytest.mark.parametrize("form", ["npz", "gz", "raw"])
def test_html_under_a_good_name(places, form):
    path = put(places["env"], form)
    path.write_bytes(HTML)
    says = "it is not a complete zip archive" if form == "npz" else re.escape("(it begins with b'<!DOCTYPE')")
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} .*{says}"):
        load_mnist()


@pytest.mark.parametrize("extra", [b"\0", b"more"])
def test_a_file_that_goes_on_is_noticed(places, extra):
    path = put(places["env"], "raw")
    path.write_bytes(idx("x_train") + extra)
    with pytest.raises(DataError, match=re.escape(str(path))):
        load_mnist()


# ---------------------------------------------------------------- downloads, from a mirror on this machine

class Mirror(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        name = self.path.rpartition("/")[2]
        body = self.server.files.get(self.path, self.server.files.get(name))
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        if not self.path.startswith("/silent/"):  # a mirror that does not say how much will come
            cut = self.path.startswith("/cut/")  # a mirror that hangs up half way
            self.send_header("Content-Length", str(len(body) * (1 + cut)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(places, monkeypatch):
    """A server that has the miniature's four zipped files; ``server.use("a/", ...)`` makes its folders the mirrors."""
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.files, server.asked = dict(ZIPPED), []
        server.url = f"http://127.0.0.1:{server.server_address[1]}/"
        server.use = lambda *names: monkeypatch.setattr(mnist, "MIRRORS", tuple(server.url + n for n in names))
        server.use("a/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("given_home", [True, False])
def test_a_download_is_kept_and_not_asked_for_again(places, mirror, given_home):
    home = places["home"] if given_home else None
    assert_is_the_miniature(*load_mnist(data_home=home))
    assert names_in(places["home" if given_home else "cache"]) == sorted(ZIPPED)
    assert names_in(places["cache" if given_home else "home"]) == names_in(places["env"]) == []
    assert sorted(mirror.asked) == sorted(f"/a/{name}" for name in ZIPPED)
    assert_is_the_miniature(*load_mnist(data_home=home))
    assert len(mirror.asked) == 4


def test_only_what_is_needed_and_missing_is_downloaded(places, mirror):
    load_mnist("test")
    assert mirror.asked == [f"/a/{NAMES['x_test']}.gz", f"/a/{NAMES['y_test']}.gz"]


def test_a_mirror_may_keep_its_length_to_itself_and_serve_unzipped(places, mirror):
    mirror.use("silent/")
    mirror.files = {f"{NAMES[key]}.gz": idx(key) for key in ARRAYS}
    assert_is_the_miniature(*load_mnist())
    assert_is_the_miniature(*load_mnist())


IMAGES = f"{NAMES['x_train']}.gz"
BAD_FIRST_MIRRORS = {
    "html": ("a/", HTML, r"\(it begins with b'<!DOCTYPE'\) is not the official train-images-idx3-ubyte"),
    "wrong": ("a/", gzip.compress(idx("x_test")), "is not the official train-images-idx3-ubyte: its sha256 is"),
    "truncated": ("a/", ZIPPED[IMAGES][:-9], "is damaged: it cannot be unzipped"),
    "garbled": ("a/", ZIPPED[IMAGES][:30] + b"x" * 30 + ZIPPED[IMAGES][60:], "is damaged: it cannot be unzipped"),
    "cut": ("cut/", ZIPPED[IMAGES], r"the connection ended after \d+ of \d+ bytes|IncompleteRead"),
    "missing": ("a/", None, "HTTP Error 404"),
}


@pytest.mark.parametrize("why", BAD_FIRST_MIRRORS)
def test_a_bad_mirror_is_named_and_the_next_one_used(places, mirror, why):
    folder, body, says = BAD_FIRST_MIRRORS[why]
    mirror.files[f"/{folder}{IMAGES}"] = body
    mirror.use(folder)
    with pytest.raises(DataError) as error:
        load_mnist()
    start = f"{IMAGES} could not be downloaded to {places['cache']}: {mirror.url}{folder}{IMAGES} "
    assert str(error.value).startswith(start) and re.search(says, str(error.value))
    assert str(error.value).endswith("; put it there manually, or set $DECNP_DATA to a folder that has it")
    # nothing broken stays, and what a mirror sent until it hung up has no name that anybody would read
    assert names_in(places["cache"]) == ([f"{IMAGES}.part"] if why == "cut" else [])
    mirror.asked.clear()
    mirror.use(folder, "b/")
    assert_is_the_miniature(*load_mnist())
    assert names_in(places["cache"]) == sorted(ZIPPED)
    assert mirror.asked[:2] == [f"/{folder}{IMAGES}", f"/b/{IMAGES}"]


def test_a_dead_mirror_is_passed_over(places, mirror, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/", mirror.url + "b/"))
    assert_is_the_miniature(*load_mnist())


def test_all_mirrors_dead(places, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/a/", "http://127.0.0.1:1/b/"))
    with pytest.raises(DataError, match=r"127\.0\.0\.1:1/a/.* failed \(.*; http://127\.0\.0\.1:1/b/.* failed \("):
        load_mnist()


@pytest.mark.parametrize("moment", ["while reading", "before the rename"])
def test_an_interrupted_download_leaves_only_its_part(places, mirror, monkeypatch, moment):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_files, "CHUNK_SIZE", 100)
    real, calls = urllib.request.urlopen, []

    def urlopen(*args, **kwargs):
        response = real(*args, **kwargs)
        read = response.read
        response.read = lambda size: (calls.append(1), interrupt() if len(calls) == 3 else read(size))[1]
        return response

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if moment == "while reading":
            patch.setattr(urllib.request, "urlopen", urlopen)
        else:
            patch.setattr(_files.os, "replace", interrupt)
        load_mnist()
    assert names_in(places["cache"]) == [f"{IMAGES}.part"]
    assert_is_the_miniature(*load_mnist())  # the next one is not harmed by it
    assert names_in(places["cache"]) == sorted(ZIPPED)


def test_the_final_name_appears_only_after_the_check(places, mirror, monkeypatch):
    seen, real = [], mnist._from_idx

    def look(path, part, name):
        seen.append((path.name, (path.parent / f"{part.name}.gz").exists()))
        return real(path, part, name)

    monkeypatch.setattr(mnist, "_from_idx", look)
    load_mnist()
    assert len(seen) == 4
    assert all(name.endswith(".part") and not there for name, there in seen)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(places, mirror, monkeypatch, capsys, terminal, with_tqdm):
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)  # as if not installed
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setattr("decnp.utils.progress.PROGRESS_INTERVAL", 0)
    load_mnist("test")
    said = sys.stderr.getvalue()
    if terminal and with_tqdm:
        assert "100%" in said and NAMES["x_test"] in said and "decnp: " not in said
    else:
        assert said.startswith(f"decnp: downloading {mirror.url}a/{NAMES['x_test']}.gz\ndecnp: 0.0 of 0.0 MB\n")
    assert capsys.readouterr().out == ""


def test_progress_without_a_stderr(places, mirror, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)  # pythonw
    assert_is_the_miniature(*load_mnist())


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(places, mirror):
    places["home"].parent.joinpath("file").write_text("")
    with pytest.raises(OSError, match="file"):
        load_mnist(data_home=places["home"].parent / "file" / "below")


# ---------------------------------------------------------------- arguments

@pytest.mark.parametrize("split", ["training", "", None, 0, ["all"]], ids=repr)
def test_unknown_split(places, split):
    with pytest.raises(ValueError, match=rf"^split must be 'all', 'train' or 'test'; got {re.escape(repr(split))}$"):
        load_mnist(split)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "0.02", None, 1j], ids=repr)
def test_unfit_scale(places, scale):
    with pytest.raises(ValueError, match=rf"^scale must be a finite number > 0; got {re.escape(repr(scale))}$"):
        load_mnist(scale=scale)


def test_data_home_must_be_a_folder(places):
    path = put(places["home"], "npz")
    for unfit in (path, str(path), 3):
        with pytest.raises(ValueError) as error:
            load_mnist(data_home=unfit)
        assert str(error.value) == f"data_home must be the path of a folder; got {unfit!r}"


def test_the_mirrors_and_sums_are_the_official_ones():
    assert len(mnist.MIRRORS) >= 2 and all(re.fullmatch(r"https://\S+/", url) for url in mnist.MIRRORS)
    assert issubclass(DataError, ValueError) and Path(mnist.__file__).resolve().parents[2] / "data" == _files.CHECKOUT
