"""``decnp data``, and downloads that break off: from a mirror on this machine."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from datafiles import (
    HTML,
    TOKEN_FILES,
    TOPICS,
    mirror,
    names_in,
    put,
    rcv1_files,
    stl_archive,
    stl_bytes,
    stl_contents,
)

from decnp.cli import main
from decnp.datasets import DataError, _files, _rcv1, _stl10, registry, reuters
from decnp.datasets._files import download

ROOT = Path(__file__).parents[1]
STL = {name: stl_bytes(array) for name, array in stl_contents(2, 2, 2).items()}
ARCHIVE = stl_archive(STL)
RCV1 = rcv1_files([(i, f"word{i} more", [["CCAT", "GCAT", "MCAT", "ECAT"][i % 4]]) for i in range(10)])


@pytest.fixture
def server(folders):
    with mirror({"stl10_binary.tar.gz": ARCHIVE}) as server:
        yield server


@pytest.fixture
def says(capsys):
    """Runs the command here; returns status, output and errors."""
    def says(*argv):
        try:
            status = main(["data", *map(str, argv)])
        except SystemExit as exit:
            status = exit.code
        return status, *capsys.readouterr()
    return says


# ---------------------------------------------------------------- downloads that break off

BODY = bytes(range(256)) * 20


def is_body(path, name):
    content = path.read_bytes()
    if content != BODY:
        raise DataError(f"{name} is not the body")
    return content


@pytest.fixture
def body(server, folders):
    """A server of BODY as f, and a function that downloads it from some of its folders."""
    server.files["f"] = BODY
    server.target = folders["cache"] / "f"
    server.part = folders["cache"] / "f.part"
    server.get = lambda *kinds: download([f"{server.url}{kind}/f" for kind in kinds], server.target, is_body)
    return server


def ranges(server):
    return [asked for _, asked in server.asked]


def test_a_broken_download_goes_on_where_it_broke_off(body):
    """The same mirror is asked for the rest as long as more comes."""
    assert body.get("cut") == BODY  # 5120 bytes, 1000 a time
    assert ranges(body) == [None, *(f"bytes={i}000-" for i in range(1, 6))]
    assert names_in(body.target.parent) == ["f"]


def test_the_next_call_goes_on_too(body):
    body.part.write_bytes(BODY[:4000])
    assert body.get("a") == BODY
    assert ranges(body) == ["bytes=4000-"]
    assert names_in(body.target.parent) == ["f"]


def test_the_next_mirror_goes_on(body):
    body.cut = 0
    body.part.write_bytes(BODY[:4000])
    assert body.get("cut", "a") == BODY
    assert body.asked == [("/cut/f", "bytes=4000-"), ("/a/f", "bytes=4000-")]


def test_a_part_that_is_whole_is_taken(body):
    body.part.write_bytes(BODY)
    assert body.get("a") == BODY
    assert ranges(body) == [f"bytes={len(BODY)}-"]  # 416: nothing comes after it


def test_a_mirror_that_knows_no_ranges_sends_everything(body):
    body.part.write_bytes(BODY[:4000])
    assert body.get("deaf") == BODY
    assert ranges(body) == ["bytes=4000-"]


def test_a_mirror_that_sends_another_range_is_not_taken_at_its_word(body):
    body.part.write_bytes(BODY[:4000])
    assert body.get("other") == BODY
    assert len(body.asked) == 1


def test_a_mirror_that_knows_no_ranges_and_hangs_up_is_given_up(body):
    with pytest.raises(DataError, match=r"both/f failed \(.*IncompleteRead|both/f failed \(the connection ended"):
        body.get("both")
    assert len(body.asked) == 2  # the second time nothing was gained
    assert names_in(body.target.parent) == ["f.part"] and body.part.read_bytes() == BODY[:1000]
    assert body.get("both", "a") == BODY


@pytest.mark.parametrize("part", [b"x" * 4000, b"x" * 6000, BODY + b"more"], ids=["wrong", "longer", "more"])
def test_a_part_of_another_file_is_thrown_away(body, part):
    body.part.write_bytes(part)
    assert body.get("a") == BODY
    assert ranges(body) == [f"bytes={len(part)}-", None]
    assert names_in(body.target.parent) == ["f"]


def test_a_wrong_file_leaves_nothing_and_the_next_mirror_begins_anew(body):
    body.files["/html/f"] = HTML
    with pytest.raises(DataError, match=r"^f could not be downloaded to .*: http://\S+/html/f is not the body; put"):
        body.get("html")
    assert names_in(body.target.parent) == [] and len(body.asked) == 1
    body.asked.clear()
    assert body.get("html", "a") == BODY
    assert ranges(body) == [None, None]


def test_a_full_or_broken_mirror_is_passed_over(body):
    assert body.get("missing/missing", "a") == BODY  # 404
    body.target.unlink()
    assert download(["http://127.0.0.1:1/f", f"{body.url}a/f"], body.target, is_body) == BODY


@pytest.mark.parametrize("kept, free, enough", [(0, len(BODY), True), (0, len(BODY) - 1, False), (5000, 120, True),
                                                (5000, 119, False)])
def test_room_on_the_disk_is_looked_for_before_the_first_byte(body, monkeypatch, kept, free, enough):
    """The missing bytes must fit on the disk, not the whole file."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Usage", (), {"free": free}))
    body.part.write_bytes(BODY[:kept])
    if enough:
        assert body.get("a") == BODY
        return
    folder = re.escape(str(body.target.parent))
    with pytest.raises(DataError, match=rf"^there is not enough free space on the disk of {folder} for http://\S+/a/f: "
                                        r"0\.0 MB are needed, 0\.0 MB are free$"):
        body.get("a", "b")
    assert len(body.asked) == 1  # another mirror's file is no smaller
    assert (body.part.read_bytes() if kept else b"") == BODY[:kept]


@pytest.mark.skipif(os.name != "posix", reason="a second process is only noticed where files can be locked")
def test_two_at_a_time_do_not_write_into_one_file(body):
    body.part.write_bytes(BODY[:10])
    with _files._part_of(body.target) as first, _files._part_of(body.target) as second:
        assert first == body.part and second != first and second.stat().st_size == 0
        assert body.get("a") == BODY  # a third one
    assert names_in(body.target.parent) == ["f", "f.part"] and body.part.read_bytes() == BODY[:10]


@pytest.mark.skipif(os.name != "posix", reason="a second process is only noticed where files can be locked")
def test_a_part_that_another_process_has_just_finished_is_left_alone(body, monkeypatch):
    def flock(file, how):
        body.part.write_bytes(BODY)
        os.replace(body.part, body.target)

    monkeypatch.setattr(_files.fcntl, "flock", flock)
    with _files._part_of(body.target) as part:
        assert part not in (body.part, body.target) and part.stat().st_size == 0
    assert names_in(body.target.parent) == ["f"] and body.target.read_bytes() == BODY


def test_progress_counts_what_was_there(body, monkeypatch, capsys):
    monkeypatch.setattr("decnp.utils.progress.PROGRESS_INTERVAL", 0)
    body.files["f"] = big = bytes(3_000_000)
    body.part.write_bytes(big[:2_000_000])
    download([f"{body.url}a/f"], body.target, lambda path, name: None)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"decnp: downloading {body.url}a/f"
    assert re.fullmatch(r"decnp: 2\.\d of 3\.0 MB", lines[1]) and lines[-1] == "decnp: 3.0 of 3.0 MB"


# ---------------------------------------------------------------- decnp data

@pytest.fixture
def official(server, monkeypatch):
    """The small files are the official ones, and the server has them."""
    md5 = lambda content: hashlib.md5(content).hexdigest()
    monkeypatch.setattr(_stl10, "OFFICIAL_ARCHIVE", _stl10.OfficialFile(len(ARCHIVE), md5(ARCHIVE)))
    monkeypatch.setattr(_stl10, "URLS", (f"{server.url}cut/stl10_binary.tar.gz",))
    monkeypatch.setattr(_stl10, "OFFICIAL_FILES", {name: _stl10.OfficialFile(len(c), md5(c)) for name, c in STL.items()})
    monkeypatch.setattr(_rcv1, "TOKENS", {name: hashlib.sha256(RCV1[name]).hexdigest() for name in TOKEN_FILES})
    monkeypatch.setattr(_rcv1, "N_DOCUMENTS", 10)
    server.cut = len(ARCHIVE) // 2 + 1
    return server


def test_fetch_then_verify_then_list(official, folders, says):
    status, out, err = says("fetch", "stl", "--to", folders["env"])
    path = folders["env"] / "stl10_binary.tar.gz"
    assert status == 0 and path.read_bytes() == ARCHIVE
    assert out == f"downloaded {path}: md5 {hashlib.md5(ARCHIVE).hexdigest()}\n"
    assert err.count("decnp: downloading") == 2 and ranges(official) == [None, f"bytes={official.cut}-"]
    status, out, err = says("fetch", "stl")
    assert status == 0 and out.startswith(f"{path} exists: md5 ") and len(official.asked) == 2
    assert says("verify") == (0, f"{path} is correct: md5 {hashlib.md5(ARCHIVE).hexdigest()}\n", "")
    assert says("verify", "stl")[0] == 0
    status, out, err = says("list")
    assert (status, err) == (0, "") and f"found   {path}" in out and "missing reuters10k_counts.npz" in out
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == list(registry.DATA_SETS)


def test_what_was_unpacked_is_verified_file_by_file(official, folders, says):
    put(folders["env"], {f"stl10_binary/{name}": content for name, content in STL.items()})
    status, out, err = says("verify", "stl")
    assert (status, err, out.count(" is correct: md5 ")) == (0, "", 5)
    (folders["env"] / "stl10_binary" / "test_y.bin").unlink()
    status, out, err = says("verify", "stl")
    assert status == 2 and err == ("decnp: error: stl10_binary/test_y.bin of stl is in none of the data folders; "
                                   "see `decnp data list`\n")
    put(folders["env"], {"stl10_binary/train_y.bin": b"\1\2\3"})
    status, out, err = says("verify")
    assert status == 2 and out.count("is correct") == 3
    assert err == (f"decnp: error: {folders['env']}/stl10_binary/train_y.bin is not the official file: it has 3 bytes, "
                   "not 2; delete or replace it, or use it without a check as stl-unofficial\n")


def test_rcv1_is_fetched_zipped_and_verified(official, folders, says, monkeypatch):
    official.files.update({f"{name}.gz": gzip.compress(content) for name, content in RCV1.items()})
    files = tuple(file._replace(urls=(f"{official.url}a/{file.names[-1]}",)) for file in _rcv1.FILES)
    assert [file.urls[0] for file in _rcv1.FILES] == [
        "https://jmlr.csail.mit.edu/papers/volume5/lewis04a/"
        f"{'a08-topic-qrels' if name == TOPICS else 'a12-token-files'}/{name}.gz" for name in (*TOKEN_FILES, TOPICS)]
    monkeypatch.setattr(_rcv1, "FILES", files)
    official.files[f"/a/{TOPICS}.gz"] = HTML
    status, out, err = says("fetch", "reuters10k")
    assert status == 2 and len(re.findall(r"^downloaded \S+: sha256", out, re.M)) == 5
    assert re.search(rf"decnp: error: {TOPICS}\.gz could not be downloaded to .*: http://\S+ is a web page, not", err)
    del official.files[f"/a/{TOPICS}.gz"]
    status, out, err = says("fetch", "reuters10k")
    assert status == 0 and out.count(" exists: sha256") == 5 and ": 10 documents with exactly one" in out
    assert names_in(folders["cache"]) == sorted(f"{name}.gz" for name in RCV1)
    for argv in (["verify"], ["verify", "reuters"], ["verify", "reuters10k"]):
        status, out, err = says(*argv)
        assert (status, err, out.count("is correct")) == (0, "", 6)


def test_files_that_are_not_official_are_named_each_in_one_sentence(folders, says):
    put(folders["env"], {"stl10_binary.tar.gz": ARCHIVE, **RCV1, "reuters10k_counts.npz": b"?"})
    put(folders["env"], {"train-images-idx3-ubyte": b"?"}, zipped=True)
    status, out, err = says("verify")
    assert (status, out) == (2, "")
    lines = err.splitlines()
    for line, (name, reason, end) in zip(lines, [
        ("train-images-idx3-ubyte.gz", "is not the official train-images", ""),
        ("stl10_binary.tar.gz", r"is not the official file: it has \d+ bytes, not 2640397119", "as stl-unofficial"),
        *((name, f"is not the official {name}: its sha256", "as reuters10k-unofficial") for name in TOKEN_FILES),
        (TOPICS, "gives 10 documents .*, not 685071", "as reuters10k-unofficial"),
        ("reuters10k_counts.npz", "is not the expected sample: .*sha256", "as reuters10k-sample-unofficial"),
    ], strict=True):
        path = re.escape(str(folders["env"] / name))
        assert re.search(rf"^decnp: error: {path} .*{reason}.*; delete or replace it.*{end}$", line), line


@pytest.mark.parametrize("content, says_what", [
    (HTML, "is a web page, not the official file: it begins with b'<!DOCTYPE'"),
    (ARCHIVE[:-1], r"is not the official file: it has \d+ bytes, not \d+"),
    (ARCHIVE[:-1] + b"?", r"is not the official file: its md5 is \w{32}, not \w{32}"),
], ids=["html", "truncated", "changed"])
def test_a_wrong_archive_is_refused_where_it_lies_and_where_it_comes_from(official, folders, says, content, says_what):
    official.files["stl10_binary.tar.gz"] = content
    official.cut = 10**9
    status, out, err = says("fetch", "stl")
    assert (status, out) == (2, "")
    assert re.search(rf"^decnp: error: .*http://\S+ {says_what}; put it there manually", err, re.M)
    assert names_in(folders["cache"]) == []
    put(folders["env"], {"stl10_binary.tar.gz": content})
    for argv in (["verify", "stl"], ["fetch", "stl"]):
        status, out, err = says(*argv)
        assert status == 2
        assert re.fullmatch(rf"decnp: error: {folders['env']}/stl10_binary\.tar\.gz {says_what}; .*\n", err)


@pytest.mark.parametrize("argv, says_what", [
    (["fetch", "cifar"], "the name must be that of a data set: mnist, digits, stl, reuters10k, reuters, reuters10k-sample; got 'cifar'"),
    (["fetch", "mnits"], r"no data set is called 'mnits', did you mean 'mnist'\?"),
    (["verify", "Digits"], r"no data set is called 'Digits', did you mean 'digits'\?"),
    (["verify", "cifar"], "the name must be that of a data set: .*; got 'cifar'"),
    (["verify", "stl"], r"stl10_binary\.tar\.gz of stl is in none of the data folders; see `decnp data list`"),
    (["fetch", "reuters10k-sample"], r"reuters10k_counts\.npz is in none of the data folders, and cannot be .*"),
    (["fetch", "stl", "--to", __file__], r"data_home must be the path of a folder; got .*"),
    (["fetch", "stl", "--to", f"{os.devnull}/below"], rf"cannot use {os.devnull}/below: .*"),
    (["fetch"], r"the following arguments are required: NAME \(see .*"),
    ([], r"the following arguments are required: list\|fetch\|verify \(see .*"),
])
def test_what_cannot_be_done_is_one_sentence(folders, says, argv, says_what):
    status, out, err = says(*argv)
    assert (status, out) == (2, "") and re.fullmatch(f"decnp: error: {says_what}\n", err), err


def test_digits_have_no_files(folders, says):
    assert says("fetch", "digits") == (0, "digits is included in scikit-learn: there is nothing to download\n", "")
    assert says("verify", "digits") == (0, "", "")
    assert says("verify") == (0, "", "")


def test_interrupted_downloads_say_so(official, folders, says, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt
    monkeypatch.setattr(urllib.request, "urlopen", interrupt)
    assert says("fetch", "stl")[0] == 130


def test_the_sources_for_fit(folders):
    """Every data set but the sparse one can be fitted, and the names of unchecked files say that they are."""
    assert {name.removesuffix("-unofficial") for name in registry.SOURCES} == set(registry.DATA_SETS) - {"reuters"}
    put(folders["env"], {**{f"stl10_binary/{name}": content for name, content in STL.items()}, **RCV1})
    for name, shape in (("stl", (4, 1428)), ("reuters10k", (10, 11))):
        with pytest.raises(DataError):
            registry.SOURCES[name]()
        with pytest.warns(reuters.UnofficialData):
            X, y = registry.SOURCES[f"{name}-unofficial"]()
        assert X.shape == shape and y.shape == shape[:1]


def test_in_a_process_of_its_own(folders):
    put(folders["env"], {"stl10_binary.tar.gz": ARCHIVE})
    run = [subprocess.run([sys.executable, "-W", "error", "-m", "decnp", "data", *argv], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) for argv in (["list"], ["verify", "stl"])]
    assert (run[0].returncode, run[0].stderr) == (0, "") and "found   " in run[0].stdout
    assert (run[1].returncode, run[1].stdout) == (2, "") and run[1].stderr.count("\n") == 1
