"""Files changed at random, for the property tests of the readers in test_fuzz.py."""

import io
import json
import os
import signal
import struct
import warnings
import zipfile
from contextlib import contextmanager
from copy import deepcopy

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("DECNP_FUZZ", "0"))
"""Examples of each test, drawn anew in each run; 0 is the short form, always the same examples."""
CPU_SECONDS = 20
MEMORY = 1 << 30


def examples(n):
    """Settings of a property test: ``n`` examples, the same in each run, or ``EXAMPLES`` new ones."""
    return settings(max_examples=EXAMPLES or n, derandomize=not EXAMPLES, database=None, deadline=None,
                    suppress_health_check=list(HealthCheck), print_blob=True)


@contextmanager
def bounded():
    """Raise an error in a block that computes for ``CPU_SECONDS``; what takes ``MEMORY`` bytes more gets a MemoryError."""
    def late(*_):
        raise AssertionError(f"more than {CPU_SECONDS} s")

    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    with open("/proc/self/status") if os.path.exists("/proc/self/status") else io.StringIO() as status:
        used = [int(line.split()[1]) << 10 for line in status if line.startswith("VmData:")]
    before, handler = resource.getrlimit(resource.RLIMIT_DATA), signal.signal(signal.SIGPROF, late)
    resource.setrlimit(resource.RLIMIT_DATA, (used[0] + MEMORY if used else before[0], before[1]))
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_DATA, before)


# ---------------------------------------------------------------- bytes

ODD = [b"", b"\0", b"\xff" * 8, b"PK\1\2", b"PK\3\4", b"PK\5\6" + bytes(18), b"\x93NUMPY\1\0", b"\n", b'"', b"{", b"]", b"9" * 400,
       struct.pack("<Q", 2**63 - 1), struct.pack("<I", 2**32 - 1), "\ud7ff\ufeff".encode(), b"\x1f\x8b\x08\0", b"-1", b"nan"]


@st.composite
def changed_bytes(draw, content):
    """A file with a few places changed, cut, repeated or filled with what means something somewhere."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.sampled_from([0, 1, 2, 4, 8, 30, 400])))
        kind = draw(st.sampled_from(["flip", "put", "cut", "repeat", "end"]))
        if kind == "flip" and start < len(content):
            content[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "put":
            content[start:stop] = draw(st.sampled_from(ODD) | st.binary(max_size=8))
        elif kind == "cut":
            del content[start:stop]
        elif kind == "repeat":
            content[start:start] = content[start:stop]
        elif kind == "end":
            del content[max(0, len(content) - draw(st.integers(0, 60))):]
    return bytes(content)


def any_bytes(content):
    """A changed file, or arbitrary bytes."""
    return st.one_of(changed_bytes(content), changed_bytes(content), changed_bytes(content), st.binary(max_size=300))


# ---------------------------------------------------------------- JSON

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.integers(), st.floats(), st.text(max_size=6),
    st.sampled_from([10**12, -(10**12), 2**63, 10**400, 1e308, -0.0, "", "\0", "\ud800", "\u202e", "a\nb", "NaN", "1", "x" * 2000,
                     [], {}, [[]], [None], {"": None}, {"a": 1}]))
VALUES = st.recursive(
    SCALARS, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=3), some, max_size=3), max_leaves=6)


@st.composite
def changed_json(draw, value):
    """JSON data with a few places deleted, replaced, doubled or exchanged."""
    root = [json.loads(json.dumps(value))]
    for _ in range(draw(st.integers(1, 3))):
        place, key = root, 0
        while isinstance(place[key], (dict, list)) and place[key] and (place is root or draw(st.integers(0, 3))):
            place = place[key]
            key = draw(st.sampled_from(keys_of(place)))
        kind = draw(st.sampled_from(["replace", "replace", "delete", "double", "swap"]))
        if kind == "delete" and place is not root:
            del place[key]
        elif kind == "double" and isinstance(place, list) and place is not root:
            place.insert(key, place[key])
        elif kind == "swap":
            other = draw(st.sampled_from(keys_of(place)))
            place[key], place[other] = place[other], place[key]
        else:
            place[key] = deepcopy(draw(VALUES))  # what is drawn twice is one object, which must not come to hold itself
    return root[0]


def keys_of(place):
    return sorted(place) if isinstance(place, dict) else range(len(place))


@st.composite
def changed_header(draw, content, known=()):
    """An archive of arrays whose JSON header is changed, and else intact: a zip file, or one of safetensors.

    Only values below the names ``known`` are changed, if there are any.
    """
    head = _header_of(content)
    for name in draw(st.sets(st.sampled_from(sorted(known)), min_size=1, max_size=2)) if known else [None]:
        if name is None:
            head = draw(changed_json(head))
        else:
            head[name] = draw(changed_json(head[name]))
    return _with_header(content, head)


def _header_of(content):
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return json.loads(archive.read("header.json"))
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")], object_hook=_unpacked)


def _with_header(content, head):
    if content[:2] == b"PK":
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as other:
            for name in archive.namelist():
                other.writestr(name, json.dumps(head) if name == "header.json" else archive.read(name))
        return made.getvalue()
    head = {name: _packed(value) if name == "__metadata__" else value for name, value in head.items()} if isinstance(
        head, dict) else head
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + int.from_bytes(content[:8], "little"):]


def _unpacked(pairs):
    """The strings of safetensors' metadata hold JSON."""
    return {name: json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value
            for name, value in pairs.items()}


def _packed(value):
    return {name: inner if isinstance(inner, str) else json.dumps(inner) for name, inner in value.items()} if isinstance(
        value, dict) else value


@st.composite
def changed_entries(draw, content):
    """A zip file of which one entry is changed, with another compression or not."""
    made, odd = io.BytesIO(), draw(st.integers(0, 9))
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(
            made, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))) as other, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        for i, name in enumerate(archive.namelist()):
            entry = archive.read(name)
            if i == odd % len(archive.namelist()):
                name = draw(st.sampled_from([name, name, name, "y.npy", "X.npy", "indices.npy", "a", "../x.npy", "é.npy"]))
                entry = draw(any_bytes(entry))
            other.writestr(name, entry)
    return made.getvalue()
