"""Helpers for the tests of the data sets: empty data folders, small files in the official formats, a local mirror."""

import gzip
import io
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from decnp.datasets import _files

HTML = b"<!DOCTYPE html><title>Please log in</title>"


def empty_folders(tmp_path, monkeypatch):
    """Set $DECNP_DATA and the cache to empty folders, without a checkout; return {"env": ..., "cache": ...}."""
    folders = {"env": tmp_path / "env", "cache": tmp_path / "xdg" / "decnp"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    monkeypatch.setattr(_files, "CHECKOUT", tmp_path / "none")
    monkeypatch.setenv("DECNP_DATA", str(folders["env"]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("no_proxy", "*")
    return folders


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------- STL-10

def stl_contents(n_train=4, n_test=3, n_unlabeled=8, seed=0):
    """Return {name: images (n, 96, 96, 3) or labels} of a small STL-10."""
    rng = np.random.default_rng(seed)
    images = {split: rng.integers(0, 256, (n, 96, 96, 3), np.uint8)
              for split, n in (("train", n_train), ("test", n_test), ("unlabeled", n_unlabeled))}
    labels = {split: rng.integers(1, 11, len(images[split])).astype(np.uint8) for split in ("train", "test")}
    return {**{f"{split}_X.bin": x for split, x in images.items()},
            **{f"{split}_y.bin": y for split, y in labels.items()}}


def stl_bytes(array):
    """Return the bytes of an official file: of each image the three channels, in column order; or the labels."""
    if array.ndim == 1:
        return bytes(array.tolist())
    places = [(row, column, channel) for channel in range(3) for column in range(96) for row in range(96)]
    return b"".join(bytes(image[place] for place in places) for image in array)


def stl_archive(files):
    """Return a tar.gz of {name: bytes}, below stl10_binary/."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"stl10_binary/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


# ---------------------------------------------------------------- RCV1-v2

TOKEN_FILES = [f"lyrl2004_tokens_{part}.dat" for part in ("test_pt0", "test_pt1", "test_pt2", "test_pt3", "train")]
TOPICS = "rcv1-v2.topics.qrels"


def rcv1_files(documents):
    """Return {name: bytes} of a small RCV1-v2 with ``documents`` (number, text, topics), in order."""
    share = -(-len(documents) // len(TOKEN_FILES))
    files = {}
    for i, name in enumerate(TOKEN_FILES):
        own = documents[i * share:][:share]
        files[name] = "".join(f".I {number}\n.W\n{text}\n\n" for number, text, _ in own).encode()
    files[TOPICS] = "".join(f"{topic} {number} 1\n" for number, _, topics in documents for topic in topics).encode()
    return files


def put(folder, files, zipped=False):
    """Write {name: bytes} to a folder, gzipped or not."""
    for name, content in files.items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if zipped else content)


# ---------------------------------------------------------------- a mirror

class Mirror(BaseHTTPRequestHandler):
    """Server of server.files {path: bytes}.

    Below /cut/ it closes the connection after server.cut bytes, below /deaf/ it ignores Range, below /both/ it does
    both, and below /other/ it sends the whole file with the headers of a part.
    """

    def do_GET(self):
        kind, name = self.path.strip("/").split("/", 1)
        asked = self.headers["Range"]
        self.server.asked.append((self.path, asked))
        body = self.server.files.get(self.path, self.server.files.get(name))
        if body is None:
            self.send_error(404)
            return
        start = int(asked[len("bytes="):-1]) if asked and kind not in ("deaf", "both", "other") else 0
        if asked and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start or kind == "other" else 200)
        if start or kind == "other":
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        part = body[start:]
        self.wfile.write(part[:self.server.cut] if kind in ("cut", "both") else part)

    def log_message(self, *args):
        pass


@contextmanager
def mirror(files):
    """Run a server of ``files``; yield it, with ``url``, ``asked`` [(path, Range)] and ``cut``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        server.files, server.asked, server.cut = files, [], 1000
        server.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
