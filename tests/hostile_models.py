"""Files that look like model files and are none: damaged, foreign, newer, and made by someone who means harm.

``CORRUPTIONS`` has for each name a function that makes the bytes of a bad file from those of a good one (a DEC
in format 1 with the layers 6-5-4-2), and a part of the sentence with which it must be refused.
"""

import hashlib
import io
import json
import os
import struct
import warnings
import zipfile

import numpy as np

HEADER = "header.json"
W = "encoder.1.W.npy"  # (5, 4)


def unpacked(good):
    """The entries of a good file, by name."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(entries, compression=zipfile.ZIP_STORED):
    """A zip archive of (name or ZipInfo, bytes), in this order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice is what we are after
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def with_header(change):
    """The header changed by ``change(header)``, in place or by what it returns."""
    def make(good):
        entries = unpacked(good)
        header = json.loads(entries[HEADER])
        changed = change(header)
        entries[HEADER] = json.dumps(header if changed is None else changed)
        return packed(entries.items())
    return make


def with_text(edit):
    """The header's text changed by ``edit(text)``."""
    def make(good):
        entries = unpacked(good)
        text = edit(entries[HEADER].decode())
        entries[HEADER] = text if isinstance(text, bytes) else text.encode()
        return packed(entries.items())
    return make


def with_entries(**changed):
    """Entries (dots are written as __) with other bytes, None without them; the sums are made to fit."""
    def make(good):
        entries, sums = unpacked(good), {}
        for name, content in changed.items():
            name = name.replace("__", ".") + ".npy"
            entries[name] = content
            if content is not None and content[:6] == b"\x93NUMPY":
                data = content[10 + int.from_bytes(content[8:10], "little"):]
                sums[name[:-4]] = hashlib.sha256(data).hexdigest()
        header = json.loads(entries[HEADER])
        header["sha256"].update(sums)
        entries[HEADER] = json.dumps(header)
        return packed((name, content) for name, content in entries.items() if content is not None)
    return make


def renamed(old, new, twice=False):
    """An entry under another name, or under that one too."""
    def make(good):
        entries = list(unpacked(good).items())
        return packed([*((name if name != old or twice else new, content) for name, content in entries),
                       *((new, content) for name, content in entries if name == old and twice)])
    return make


def with_directory(name, at, form, *values):
    """Other values at an offset in the archive's directory entry for ``name``."""
    def make(good):
        start = directory_entry(good, name) + at
        return good[:start] + struct.pack(form, *values) + good[start + struct.calcsize(form):]
    return make


def directory_entry(good, name):
    return good.rindex(name.encode()) - 46


def npy(array, **options):
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def announcing(text, data=np.zeros((5, 4))):
    """An .npy with this header text and those data."""
    text = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data.tobytes()


def mode(bits):
    """The entry W with these bits in its file mode."""
    def make(good):
        entries = []
        for name, content in unpacked(good).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (bits if name == W else 0o100644) << 16
            entries.append((info, content))
        return packed(entries)
    return make


def encrypted(good):
    start, local = directory_entry(good, W) + 8, good.index(W.encode()) - 24
    return good[:local] + b"\1" + good[local + 1:start] + b"\1" + good[start + 1:]


def overlapping(good):
    """encoder.1.W begins within the data of encoder.0.W, where its own local header stands, too."""
    info = zipfile.ZipInfo(W)
    inner = packed([(info, unpacked(good)[W])])
    inner = inner[:inner.rindex(b"PK\1\2")]
    made = with_entries(encoder__0__W=inner)(good)
    return with_directory(W, 42, "<I", made.index(inner))(made)


def zip64_lie(good):
    """The directory entry of encoder.1.W gets a zip64 field that says 2**62 bytes."""
    start = directory_entry(good, W)
    extra = struct.pack("<HHQQ", 1, 16, 2**62, 2**62)
    entry = bytearray(good[start:start + 46 + len(W)])
    struct.pack_into("<II", entry, 20, 2**32 - 1, 2**32 - 1)
    struct.pack_into("<H", entry, 30, len(extra))
    end = bytearray(good[-22:])
    struct.pack_into("<I", end, 12, struct.unpack_from("<I", end, 12)[0] + len(extra))
    return good[:start] + entry + extra + good[start + 46 + len(W):-22] + end


def many_entries(n):
    """A directory of n empty entries in front of those of the model."""
    def make(good):
        start = good.index(b"PK\1\2")
        empty = b"PK\1\2" + bytes(24) + struct.pack("<HHH", 6, 0, 0) + bytes(12)
        lies = b"".join(empty + b"%06d" % i for i in range(n))
        directory = lies + good[start:-22]
        end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), start, 0)
        return good[:start] + directory + end
    return make


class Trap:
    """Unpickled, it makes a folder called "executed"."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def nested(n):
    return with_text(lambda text: text[:-1] + ', "note": ' + "[" * n + "]" * n + "}")


def largest(piece):
    """A header that is a list of as many pieces as a header may be long."""
    return with_text(lambda text: "[" + ",".join([piece] * ((1 << 19) // (len(piece) + 1) - 1)) + "]")


LIE = "must be an .npy array of float64 (5, 4)"
CORRUPTIONS = {
    # not one, or not all of it
    "empty": (lambda good: b"", "is not a decnp model file"),
    "random bytes": (lambda good: np.random.default_rng(0).bytes(999), "is not a decnp model file"),
    "a pickle": (lambda good: b"\x80\x04N.", "is not a decnp model file"),
    "a single array": (lambda good: npy(np.eye(3)), "is not a decnp model file"),
    "an archive of nothing": (lambda good: b"PK\5\6" + bytes(18), "is not a decnp model file"),
    "another archive": (lambda good: packed([("x.npy", npy(np.eye(3)))]), "it has no header.json"),
    "cut in half": (lambda good: good[:len(good) // 2], "is cut short"),
    "one byte short": (lambda good: good[:-1], "is cut short"),
    "something before": (lambda good: b"#!/bin/sh\n" + good, "does not begin as one"),
    "an archive before": (lambda good: packed([("x", b"")])[:-22] + good, "one another from the first byte"),
    "something after": (lambda good: good + b"\0", "something was added at its end"),
    "a comment": (lambda good: good[:-2] + b"\5\0hello", "something was added at its end"),
    # the archive
    "deflated": (lambda good: packed(unpacked(good).items(), zipfile.ZIP_DEFLATED), "plain"),
    "bzip2": (lambda good: packed(unpacked(good).items(), zipfile.ZIP_BZIP2), "plain"),
    "lzma": (lambda good: packed(unpacked(good).items(), zipfile.ZIP_LZMA), "plain"),
    "encrypted": (encrypted, "plain"),
    "a link": (mode(0o120777), "plain"),
    "a folder": (mode(0o040755), "plain"),
    "an entry twice": (renamed(W, W, twice=True), "each there once"),
    "the header twice": (renamed(HEADER, HEADER, twice=True), "each there once"),
    "a name with NUL": (lambda good: renamed(W, W + "!.txt")(good).replace(b"npy!", b"npy\0"), "plain"),
    "a name with ..": (renamed(W, "../" + W), "encoder.1.W is missing"),
    "an absolute name": (renamed(W, "/" + W), "encoder.1.W is missing"),
    "one more with ..": (renamed(W, "../../evil.npy", twice=True), "it must have 15 arrays; got 16"),
    "a name in another case": (renamed(W, "ENCODER.1.W.npy"), "encoder.1.W is missing"),
    "an array missing": (with_entries(encoder__1__W=None), "it must have 15 arrays; got 14"),
    "larger than the file": (with_directory(W, 20, "<II", 1 << 20, 1 << 20), "cannot be as large as they say"),
    "4 GB": (with_directory(W, 20, "<II", 2**32 - 2, 2**32 - 2), "cannot be as large as they say"),
    "2**62 bytes in zip64": (zip64_lie, "cannot be as large as they say"),
    "smaller than it is": (with_directory(W, 20, "<II", 100, 100), "damaged"),
    "two sizes": (with_directory(W, 20, "<II", 100, 288), "plain"),
    "overlapping entries": (overlapping, "must follow one another"),
    "an entry in another's place": (with_directory(W, 42, "<I", 0), "must follow one another"),
    "an entry beyond the end": (with_directory(W, 42, "<I", 10**9), "must follow one another"),
    "thousands of entries": (many_entries(9000), "must follow one another"),
    "100,000 entries": (many_entries(100_000), "its directory is too large"),
    "a directory of 4 GB": (lambda good: good[:-10] + struct.pack("<I", 2**32 - 2) + good[-6:], "damaged"),
    "a wrong CRC": (with_directory(W, 16, "<I", 1), "Bad CRC-32"),
    # the header as a text
    "no header": (renamed(HEADER, "readme.json"), "it has no header.json"),
    "an empty header": (with_text(lambda text: ""), "damaged"),
    "a header of 5 MB": (with_text(lambda text: text + " " * (5 << 20)), "cannot be as large as they say"),
    "a header cut short": (with_text(lambda text: text[:-1]), "damaged"),
    "a header in UTF-16": (with_text(lambda text: text.encode("utf-16")), "damaged"),
    "deep nesting": (nested(5_000), "is not a decnp model file, or is damaged"),
    "very deep nesting": (nested(100_000), "is not a decnp model file, or is damaged"),
    "the most nested lists": (largest("[" * 900 + "]" * 900), "is not a JSON object"),
    "the most nested names": (largest('{"":' * 300 + "0" + "}" * 300), "is not a JSON object"),
    "a name twice in the header": (with_text(lambda text: '{"format": 1,' + text[1:]), "has a name twice"),
    "a list for a header": (with_header(lambda h: [h]), "is not a JSON object"),
    "a number of 5000 digits": (with_text(lambda text: text[:-1] + ', "note": ' + "9" * 5000 + "}"), "damaged"),
    "a note that is NaN": (with_header(lambda h: h.update(note=[{"a": float("nan")}])), "the number nan"),
    "a note beyond floats": (with_text(lambda text: text[:-1] + ', "note": 1e999}'), "the number inf"),
    "a bell": (with_header(lambda h: h["training"].update(stop_reason="done\a")), r"the text 'done\x07'"),
    "colours for the terminal": (with_header(lambda h: h["versions"].update(decnp="\x1b[31m")), r"the text '\x1b[31m'"),
    "a line break": (with_header(lambda h: h["training"].update(stop_reason="a\nb")), r"the text 'a\nb'"),
    "right to left": (with_header(lambda h: h["versions"].update({"\u202eabc": "1"})), r"'\u202eabc'"),
    "half a character": (with_header(lambda h: h["versions"].update(decnp="\ud800")), r"'\ud800'"),
    "half a character in a name": (with_header(lambda h: h.update(feature_names=[*"abcde", "\ud800"])), "damaged"),
    "a very long text": (with_header(lambda h: h["training"].update(stop_reason="x" * 99_999)), "has the text 'xxxxx"),
    # what the header says
    "a newer format": (with_header(lambda h: h.update(format=4)),
                       "has the model format 4 of a newer decnp, this one reads 3: update decnp"),
    "format 10**400": (with_header(lambda h: h.update(format=10**400)), "has the model format 1000"),
    "format 0": (with_header(lambda h: h.update(format=0)), "its format must be a number from 1 to 3; got 0"),
    "format true": (with_header(lambda h: h.update(format=True)), "its format must be a number from 1 to 3; got True"),
    "format as a text": (with_header(lambda h: h.update(format="1")), "from 1 to 3; got '1'"),
    "no format": (with_header(lambda h: h.pop("format") and None), "from 1 to 3; got None"),
    "dtype object": (with_header(lambda h: h.update(dtype="object")), "has the dtype 'object'"),
    "dtype float32 for float64": (with_header(lambda h: h.update(dtype="float32")),
                                  "centers must be an .npy array of float32 (3, 2)"),
    "storage of int8": (with_header(lambda h: h.update(format=2, storage="int8")), "stored as 'int8'"),
    "a list for the dtype": (with_header(lambda h: h.update(dtype=["float64"])), "dtype in its header must be"),
    "no sums": (with_header(lambda h: h.pop("sha256") and None), "sha256 in its header must be of the kind dict"),
    "one sum missing": (with_header(lambda h: h["sha256"].pop("scale") and None), "scale does not have the sha256"),
    "another sum": (with_header(lambda h: h["sha256"].update(centers="0" * 64)), "centers does not have the sha256"),
    "alpha -1": (with_header(lambda h: h.update(alpha=-1)), "alpha in its header must be a finite number > 0"),
    "alpha NaN": (with_header(lambda h: h.update(alpha=float("nan"))), "alpha in its header must be"),
    "alpha true": (with_header(lambda h: h.update(alpha=True)), "alpha in its header must be"),
    "alpha as a text": (with_header(lambda h: h.update(alpha="1")), "alpha in its header must be"),
    "alpha 10**400": (with_header(lambda h: h.update(alpha=10**400)), "alpha in its header must be"),
    "D 7": (with_header(lambda h: h.update(n_features=7)), "encoder.0.W must be an .npy array of float64 (7, 5)"),
    "D 10**13": (with_header(lambda h: h.update(n_features=10**13)), "widths"),
    "D 10**9": (with_header(lambda h: h.update(n_features=10**9)), "encoder.0.W must be an .npy array"),
    "D -6": (with_header(lambda h: h.update(n_features=-6)), "widths"),
    "D 6.0": (with_header(lambda h: h.update(n_features=6.0)), "n_features in its header must be of the kind int"),
    "k true": (with_header(lambda h: h.update(n_clusters=True)), "n_clusters in its header must be of the kind int"),
    "k 0": (with_header(lambda h: h.update(n_clusters=0)), "widths"),
    "k 10**12": (with_header(lambda h: h.update(n_clusters=10**12)), "array of float64 (1000000000000, 2)"),
    "k 10**13": (with_header(lambda h: h.update(n_clusters=10**13)), "widths"),
    "no layers": (with_header(lambda h: h.update(hidden_layer_sizes=[])), "widths"),
    "layers as a text": (with_header(lambda h: h.update(hidden_layer_sizes="542")), "hidden_layer_sizes in its header"),
    "a width that is a text": (with_header(lambda h: h.update(hidden_layer_sizes=[5, "4", 2])),
                              "widths [6, 3, 5, '4', 2]"),
    "a layer fewer": (with_header(lambda h: h.update(hidden_layer_sizes=[5, 2])), "relu or linear"),
    "one layer": (with_header(lambda h: h.update(
        hidden_layer_sizes=[2], activations={"encoder": ["relu"], "decoder": ["relu"]})), "must have 7 arrays; got 15"),
    "20,000 layers": (with_header(lambda h: h.update(hidden_layer_sizes=[2] * 20_000, activations={
        "encoder": ["relu"] * 20_000, "decoder": ["relu"] * 20_000})), "20000 layers, and 1000 are the most"),
    "an activation to call": (with_header(lambda h: h["activations"].update(encoder=["relu", "relu", "os.system"])),
                              "relu or linear"),
    "activations as a text": (with_header(lambda h: h["activations"].update(encoder="relu")), "relu or linear"),
    "an activation that is a list": (with_header(lambda h: h["activations"].update(encoder=[[], {}, 1])),
                                     "relu or linear"),
    "no decoder in format 1": (with_header(lambda h: h["activations"].update(decoder=[])), "each layer of the decoder"),
    "no activations": (with_header(lambda h: h["activations"].pop("decoder") and None), "each layer of the decoder"),
    "a parameter missing": (with_header(lambda h: h["parameters"].pop("tol") and None), "the parameters of a DEC"),
    "a parameter too many": (with_header(lambda h: h["parameters"].update(base_estimator=1)),
                             "the parameters of a DEC"),
    "another engine": (with_header(lambda h: h["parameters"].update(engine="torch")), "the parameters of a DEC"),
    "a parameter that is a list": (with_header(lambda h: h["parameters"].update(tol=[1])), "the parameters of a DEC"),
    "a list of parameters": (with_header(lambda h: h.update(parameters=[])), "parameters in its header must be"),
    "no training": (with_header(lambda h: h.pop("training") and None), "training in its header must be"),
    "steps that are infinite": (with_text(lambda text: text.replace('"n_iter": ', '"n_iter": 1e999, "was": ')),
                                "n_iter in its header must be of the kind int"),
    "a loss that is a list": (with_header(lambda h: h["training"].update(loss=[])), "the parameters of a DEC"),
    "a loss that is a text": (with_header(lambda h: h["training"].update(loss="0")), "loss in its header must be"),
    "a profile that is none": (with_header(lambda h: h["profile"].update(lr="fast")), "lr must be a finite number"),
    "a profile as a list": (with_header(lambda h: h.update(profile=["lr"])), "profile in its header must be"),
    "feature names that are numbers": (with_header(lambda h: h.update(feature_names=[1, 2, 3, 4, 5, 6])),
                                       "n_features strings"),
    "columns left out that are numbers": (with_header(lambda h: h.update(left_out=[1])), "left_out in its header must be"),
    "columns left out that are a text": (with_header(lambda h: h.update(left_out="id")), "left_out in its header must be"),
    "half a character in a column left out": (with_header(lambda h: h.update(left_out=["\ud800"])), "damaged"),
    "too few feature names": (with_header(lambda h: h.update(feature_names=["a"])), "n_features strings"),
    # the arrays
    "another array's shape": (with_entries(encoder__1__W=npy(np.zeros((4, 5)))), LIE),
    "0 axes": (with_entries(encoder__1__W=npy(np.zeros(()))), LIE),
    "no values": (with_entries(encoder__1__W=npy(np.zeros((0, 4)))), LIE),
    "float32 for float64": (with_entries(encoder__1__W=npy(np.zeros((5, 4), "f4"))), LIE),
    "big-endian": (with_entries(encoder__1__W=npy(np.zeros((5, 4), ">f8"))), LIE),
    "column by column": (with_entries(encoder__1__W=npy(np.zeros((5, 4), order="F"))), LIE),
    "complex": (with_entries(encoder__1__W=npy(np.zeros((5, 4), "c8"))), LIE),
    "a table with fields": (with_entries(encoder__1__W=npy(np.zeros((5, 4), [("a", "f4"), ("b", "f4")]))), LIE),
    "Python objects": (with_entries(encoder__1__W=npy(np.array([[Trap()] * 4] * 5, object))), LIE),
    "objects under a float's name": (with_entries(encoder__1__W=announcing(
        "{'descr': '|O', 'fortran_order': False, 'shape': (5, 4), }")), LIE),
    "an expression for a shape": (with_entries(encoder__1__W=announcing(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (5, __import__('os').mkdir('executed')), }")), LIE),
    "a shape beyond integers": (with_entries(encoder__1__W=announcing(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }")), LIE),
    "a negative shape": (with_entries(encoder__1__W=announcing(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-5, -4), }")), LIE),
    "deep brackets in an .npy": (with_entries(encoder__1__W=announcing("(" * 60_000)), LIE),
    "an .npy of version 2": (with_entries(
        encoder__1__W=b"\x93NUMPY\2\0" + npy(np.zeros((5, 4)))[8:10] + npy(np.zeros((5, 4)))[10:]), LIE),
    "a byte fewer": (with_entries(encoder__1__W=npy(np.zeros((5, 4)))[:-1]),
                     "takes 160 bytes of data, and 159 are there"),
    "a byte more": (with_entries(encoder__1__W=npy(np.zeros((5, 4))) + b"x"),
                    "takes 160 bytes of data, and 161 are there"),
    "a pickle for an array": (with_entries(encoder__1__W=b"\x80\x04N."), LIE),
    "nothing for an array": (with_entries(encoder__1__W=b""), LIE),
    "a weight that is NaN": (with_entries(encoder__1__W=npy(np.full((5, 4), np.nan))),
                            "encoder.1.W has NaN or infinite"),
    "a centroid that is infinite": (with_entries(centers=npy(np.full((3, 2), np.inf))), "centers has NaN or infinite"),
    "other weights": (lambda good: packed({**unpacked(good), W: npy(np.ones((5, 4)))}.items()),
                      "encoder.1.W does not have the sha256"),
    "a scale of 0": (with_entries(scale=npy(np.array(0.0))), "scale must be > 0"),
}
