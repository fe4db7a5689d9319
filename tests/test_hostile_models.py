"""No file but a model file is ever taken for one, and no file costs more than its own size and a little."""

import io
import json
import os
import re
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from conftest import QUICK
from hostile_models import (
    CORRUPTIONS,
    HEADER,
    ZIPS,
    in_another_order,
    npy,
    packed,
    taken_apart,
    unpacked,
    with_entries,
    with_header,
    with_table,
    zipped,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from decnp import DEC, ModelFileError, load
from decnp.inference import Model, load_model
from decnp.io.model_file import read_model
from decnp.layers import Dense
from decnp.persistence import save


@pytest.fixture(scope="module")
def good(X, tmp_path_factory):
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("model") / "model.decnp"
    DEC(3, hidden_layer_sizes=(5, 4, 2), alpha=2.5, profile=QUICK, random_state=0).fit(X).save(path)
    return path.read_bytes()


@pytest.fixture(scope="module", params=["safetensors", "zip"])
def file(good, request):
    """The bytes of a good file of the newest format, and of format 1."""
    return good if request.param == "safetensors" else zipped(good)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A path for one bad file after another."""
    return tmp_path_factory.mktemp("bad") / "m"


def refused(path, read):
    """The sentence with which ``path`` is refused; it names the file and is one short printable line."""
    with pytest.raises(ModelFileError) as error:
        read(path)
    sentence = str(error.value)
    assert sentence.startswith(f"{path} ") and sentence.isprintable() and len(sentence) < len(str(path)) + 450
    return sentence[len(str(path)) + 1:]


# ---------------------------------------------------------------- the corruptions, one by one

@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] if re.search("zip, the most nested|in our header", name) else [])  # seconds
    for name in CORRUPTIONS])
def test_each_corruption_has_its_sentence(good, scratch, name, monkeypatch):
    make, part = CORRUPTIONS[name]
    bad = make(good)
    assert bad != good
    scratch.write_bytes(bad)
    monkeypatch.chdir(scratch.parent)
    tracemalloc.start()
    try:
        sentence = refused("m", load_model)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert part in sentence
    assert refused("m", load) == sentence
    assert peak < (32 << 20)
    assert os.listdir() == ["m"]  # nothing was extracted, and nothing executed


def test_the_traps_in_the_corruptions_do_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = unpacked(ZIPS["Python objects"][0](packed([(HEADER, b'{"sha256": {}}')])))["encoder.1.W.npy"]
    with pytest.raises(ValueError, match="allow_pickle=False"):
        np.load(io.BytesIO(trap))
    assert not os.path.exists("executed")
    np.load(io.BytesIO(trap), allow_pickle=True)
    assert os.path.exists("executed")


def test_64_mb_are_enough_to_refuse_any_of_them(good, tmp_path):
    for i, (make, _) in enumerate(CORRUPTIONS.values()):
        (tmp_path / f"m{i}").write_bytes(make(good))
    program = """if True:
        import os, resource, sys
        from decnp.inference import load_model
        from decnp.persistence import ModelFileError
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        for name in os.listdir(sys.argv[1]):
            path = os.path.join(sys.argv[1], name)
            limit = now + os.path.getsize(path) + (64 << 20)
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            try:
                load_model(path)
            except ModelFileError:
                print(name)
        try:
            bytes(100 << 20)
        except MemoryError:
            print("and there is a limit")
    """
    done = subprocess.run([sys.executable, "-W", "error", "-c", program, tmp_path], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(CORRUPTIONS) + 1


# ---------------------------------------------------------------- at random

@pytest.fixture(scope="module")
def read_or_refused(file, scratch, X):
    """A function of a file's bytes: the model in it, or None where load refuses it.

    load_model must do the same; only where the decoder is damaged, which it leaves unread, it may predict what the
    good file does.
    """
    scratch.write_bytes(file)
    q = load_model(scratch).predict_proba(X)

    def read(bad):
        scratch.write_bytes(bad)
        try:
            model = load(scratch)
        except ModelFileError:
            try:
                again = load_model(scratch)
            except ModelFileError:
                return None
            assert_array_equal(again.predict_proba(X), q)
            return None
        load_model(scratch)
        return model
    return read


def test_load_model_leaves_the_decoder_unread(file, scratch, X):
    """A bit of each array is flipped: load refuses them all, load_model those that prediction needs."""
    scratch.write_bytes(file)
    q = load_model(scratch).predict_proba(X)
    if file[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            ends = {entry.filename: entry.header_offset + 30 + len(entry.filename) + entry.file_size
                    for entry in archive.infolist() if entry.filename != HEADER}
    else:
        table, data = taken_apart(file)
        ends = {name: len(file) - len(data) + entry["data_offsets"][1]
                for name, entry in table.items() if name != "__metadata__"}
    refused_by_load_model = set()
    for name, end in ends.items():
        scratch.write_bytes(file[: end - 1] + bytes([file[end - 1] ^ 1]) + file[end:])
        refused(scratch, load)
        try:
            assert_array_equal(load_model(scratch).predict_proba(X), q)
        except ModelFileError:
            refused_by_load_model.add(name)
    assert refused_by_load_model == {name for name in ends if not name.startswith("decoder.")}


AT = st.integers(0, 1 << 20)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(flips=st.lists(st.tuples(AT, st.integers(0, 7)), min_size=1, max_size=6), end=st.none() | AT,
       cut=st.none() | st.tuples(AT, AT))
def test_flipped_bits_and_cuts_are_found_or_do_not_matter(file, scratch, X, read_or_refused, flips, end, cut):
    bad = bytearray(file)
    for at, bit in flips:
        bad[at % len(bad)] ^= 1 << bit
    if cut is not None:
        start, stop = sorted(at % len(bad) for at in cut)
        del bad[start:stop]
    if end is not None:
        del bad[end % (len(bad) + 1):]
    again = read_or_refused(bytes(bad))
    if again is not None:  # such as a date in the archive's directory
        scratch.write_bytes(file)
        assert_array_equal(again.predict_proba(X), load(scratch).predict_proba(X))


def test_cuts_and_flips_all_along_the_file(file, scratch, X, read_or_refused):
    """In every part of it, not only where chance picks."""
    scratch.write_bytes(file)
    q = load(scratch).predict_proba(X)
    for n in range(0, len(file), 41):
        assert read_or_refused(file[:n]) is None
    for at in range(0, len(file), 14):
        again = read_or_refused(file[:at] + bytes([file[at] ^ 1 << at % 8]) + file[at + 1:])
        assert again is None or (again.predict_proba(X) == q).all()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([10**12, 10**400]),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=3), some, max_size=3), max_leaves=6)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("file", ["safetensors"], indirect=True)
@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.data())
def test_a_header_with_anything_anywhere_is_refused_or_works(file, scratch, X, read_or_refused, data):
    def change(header):
        place = header
        while True:
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
                break
            place = place[key]
        if data.draw(st.booleans()):
            del place[key]
        else:
            place[key] = data.draw(ANYTHING)

    again = read_or_refused(with_header(change)(file))
    if again is not None:
        assert again.predict(X).shape == (len(X),)
        again.save(scratch)
        assert_array_equal(load(scratch).predict(X), again.predict(X))


# ---------------------------------------------------------------- what is no file, and what does not matter

def test_pipes_devices_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # with nobody at the other end, to open it would wait for ever
    end = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    os.write(end, bytes(99))
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        for read in (load, load_model):
            assert refused(path, read) == "is not a decnp model file: it is a pipe or a device"
    os.close(end)
    for path in (tmp_path, tmp_path / "nothing"):
        for read in (load, load_model):
            with pytest.raises(OSError, match=str(path)):
                read(path)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("file", ["zip"], indirect=True)
@pytest.mark.parametrize("make", [
    lambda file: packed(reversed(unpacked(file).items())),
    with_entries(shift=npy(np.zeros(6))),
], ids=["in another order", "a shift for each column"])
def test_what_does_not_matter_in_a_zip_file(file, scratch, X, read_or_refused, make):
    assert_same_q(file, make(file), scratch, X, read_or_refused)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("file", ["safetensors"], indirect=True)
@pytest.mark.parametrize("make", [
    in_another_order,
    with_table(lambda table: table["__metadata__"].update(format="pt")),
    with_table(lambda table: json.dumps(table) + " " * 999),
    zipped,
    with_header(lambda header: header.update(note="new")),
    with_header(lambda header: header.update(feature_names=["price\n(EUR)", "", "a", "b", "c", "\x1b[31m"])),
    with_header(lambda header: header.update(left_out=["price\n(EUR)", "\x1b[31m"])),
], ids=["in another order", "one more text", "spaces", "format 1", "a note", "names of any kind", "columns left out"])
def test_what_does_not_matter(file, scratch, X, read_or_refused, make):
    assert_same_q(file, make(file), scratch, X, read_or_refused)


def assert_same_q(good, bad, scratch, X, read_or_refused):
    assert bad != good
    scratch.write_bytes(good)
    q = load(scratch).predict_proba(X)
    assert_array_equal(read_or_refused(bad).predict_proba(X), q)


def test_arrays_are_read_into_their_own_memory(tmp_path):
    W = np.random.default_rng(0).normal(size=(2000, 1500)).astype(np.float32)  # 12 MB
    model = Model([Dense(W, np.zeros(1500, np.float32), "linear")], np.ones((2, 1500), np.float32))
    for storage in (None, "float16"):
        save(model, tmp_path / "m", storage)
        tracemalloc.start()
        try:
            _, arrays = read_model(tmp_path / "m")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < sum(array.nbytes for array in arrays.values()) + (3 << 20)
        assert all(array.flags.c_contiguous and array.flags.writeable for array in arrays.values())
