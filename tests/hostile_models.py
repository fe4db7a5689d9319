"""Files that look like model files and are none: damaged, foreign, newer, and made by someone who means harm.

``CORRUPTIONS`` has for each name a function that makes the bytes of a bad file from those of a good one (a DEC
with the layers 6-5-4-2), and a part of the sentence with which it must be refused. A name that begins with "zip" is a
bad file of format 1, a zip file; the others have the format that ``save`` writes, safetensors.
"""

import hashlib
import io
import json
import os
import re
import struct
import warnings
import zipfile

import numpy as np

HEADER = "header.json"
W = "encoder.1.W.npy"  # (5, 4)
DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


# ---------------------------------------------------------------- safetensors

def taken_apart(good):
    """The JSON object of a good file, and the bytes of its arrays."""
    n = int.from_bytes(good[:8], "little")
    return json.loads(good[8:8 + n]), good[8 + n:]


def put_together(table, data):
    """A file of a JSON object, or of its text or bytes, and of the bytes of its arrays."""
    content = table if isinstance(table, bytes) else (table if isinstance(table, str) else json.dumps(table)).encode()
    return len(content).to_bytes(8, "little") + content + data


def with_table(change):
    """The JSON object of the file changed by ``change(table)``, in place or by what it returns."""
    def make(good):
        table, data = taken_apart(good)
        changed = change(table)
        return put_together(table if changed is None else changed, data)
    return make


def with_array(name, **changed):
    """The entry of an array in the JSON object with other values."""
    return with_table(lambda table: table[name].update(changed))


def with_values(name, values):
    """Other numbers for an array, of the same shape; the digest fits."""
    def make(good):
        table, data = taken_apart(good)
        begin, end = table[name]["data_offsets"]
        content = np.broadcast_to(np.asarray(values, "<f8"), table[name]["shape"]).tobytes()
        header = json.loads(table["__metadata__"]["decnp"])
        header["sha256"][name] = hashlib.sha256(content).hexdigest()
        table["__metadata__"] = metadata(json.dumps(header))
        return put_together(table, data[:begin] + content + data[end:])
    return make


def with_names(content, size=None):
    """The columns left out as an array of these bytes; the header says ``size``, or how many they are."""
    def make(good):
        table, data = taken_apart(good)
        header = json.loads(table["__metadata__"]["decnp"])
        header["names"] = {"left_out": len(content) if size is None else size}
        header["sha256"]["left_out"] = hashlib.sha256(content).hexdigest()
        table["__metadata__"] = metadata(json.dumps(header))
        table["left_out"] = {"dtype": "U8", "shape": [len(content)], "data_offsets": [len(data), len(data) + len(content)]}
        return put_together(table, data + content)
    return make


def metadata(text):
    """The metadata of a file with this header."""
    return {"decnp": text, "decnp.sha256": hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()}


def in_another_order(good):
    """The arrays from last to first, in the data and in the JSON object, which has spaces and one more text."""
    table, data = taken_apart(good)
    described, content = {}, b""
    for name in reversed([name for name in table if name != "__metadata__"]):
        begin, end = table[name]["data_offsets"]
        described[name] = {**table[name], "data_offsets": [len(content), len(content) + end - begin]}
        content += data[begin:end]
    return put_together(json.dumps({**described, "__metadata__": {**table["__metadata__"], "format": "pt"}}, indent=2), content)


# ---------------------------------------------------------------- zip

def zipped(good):
    """The same model in format 1."""
    table, data = taken_apart(good)
    header = {**json.loads(table["__metadata__"]["decnp"]), "format": 1}
    del header["storage"]
    entries = {HEADER: json.dumps(header, indent=1)}
    for name in header["sha256"]:
        (begin, end), shape = table[name]["data_offsets"], table[name]["shape"]
        entries[f"{name}.npy"] = npy(np.frombuffer(data[begin:end], DTYPES[table[name]["dtype"]]).reshape(shape))
    return packed(entries.items())


def unpacked(good):
    """The entries of a good zip file, by name."""
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
    def edit(text):
        header = json.loads(text)
        changed = change(header)
        return json.dumps(header if changed is None else changed)
    return with_text(edit)


def with_text(edit):
    """The header's text changed by ``edit(text)``, in a file of either kind."""
    def make(good):
        if good[:4] != b"PK\3\4":
            return with_table(lambda table: table.update(__metadata__=metadata(edit(table["__metadata__"]["decnp"]))))(good)
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


def largest(piece, length=1 << 19):
    """A list of as many pieces as a header may be long."""
    return "[" + ",".join([piece] * (length // (len(piece) + 1) - 1)) + "]"


LIE = "array of float64 (5, 4)"
HEADERS = {
    # the header as a text
    "deep nesting": (nested(5_000), "is not a decnp model file, or is damaged"),
    "very deep nesting": (nested(100_000), "is not a decnp model file, or is damaged"),
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
    "a newer format": (with_header(lambda h: h.update(format=5)),
                       "has the model format 5 of a newer decnp, this one reads 4: update decnp"),
    "a checkpoint": (with_header(lambda h: h.update(format=5, kind="checkpoint")),
                     "is a checkpoint, not a decnp model file: resume its run, which writes the model"),
    "format 10**400": (with_header(lambda h: h.update(format=10**400)), "has the model format 1000"),
    "format 0": (with_header(lambda h: h.update(format=0)), "its format must be a number from 1 to 4; got 0"),
    "format true": (with_header(lambda h: h.update(format=True)), "its format must be a number from 1 to 4; got True"),
    "format as a text": (with_header(lambda h: h.update(format="1")), "from 1 to 4; got '1'"),
    "no format": (with_header(lambda h: h.pop("format") and None), "from 1 to 4; got None"),
    "dtype object": (with_header(lambda h: h.update(dtype="object")), "has the dtype 'object'"),
    "dtype float32 for float64": (with_header(lambda h: h.update(dtype="float32", storage="float32")),
                                  "centers must be an array of float32 (3, 2)"),
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
    "D 7": (with_header(lambda h: h.update(n_features=7)), "encoder.0.W must be an array of float64 (7, 5)"),
    "D 10**13": (with_header(lambda h: h.update(n_features=10**13)), "widths"),
    "D 10**9": (with_header(lambda h: h.update(n_features=10**9)), "encoder.0.W must be an array"),
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
    "no activations": (with_header(lambda h: h["activations"].pop("decoder") and None), "each layer of the decoder"),
    "a parameter missing": (with_header(lambda h: h["parameters"].pop("tol") and None), "the parameters of a DEC"),
    "a parameter too many": (with_header(lambda h: h["parameters"].update(base_estimator=1)),
                             "the parameters of a DEC"),
    "another engine": (with_header(lambda h: h["parameters"].update(engine="torch")), "the parameters of a DEC"),
    "a parameter that is a list": (with_header(lambda h: h["parameters"].update(tol=[1])), "the parameters of a DEC"),
    "a list of parameters": (with_header(lambda h: h.update(parameters=[])), "parameters in its header must be"),
    "no training": (with_header(lambda h: h.pop("training") and None), "training in its header must be"),
    "steps that are infinite": (with_text(lambda text: re.sub('"n_iter": ?', '"n_iter": 1e999, "was": ', text)),
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
}
"""Corruptions of the header, which the two kinds of files share."""

ZIPS = {
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
    "the most nested lists": (with_text(lambda text: largest("[" * 900 + "]" * 900)), "is not a JSON object"),
    "the most nested names": (with_text(lambda text: largest('{"":' * 300 + "0" + "}" * 300)), "is not a JSON object"),
    "no decoder in format 1": (with_header(lambda h: h["activations"].update(decoder=[])), "each layer of the decoder"),
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
"""Corruptions of a file of format 1."""


NO_ROW = "must follow one another"
SAFETENSORS = {
    # not one, or not all of it
    "empty": (lambda good: b"", "is not a decnp model file: it does not begin as one"),
    "random bytes": (lambda good: np.random.default_rng(0).bytes(999), "is not a decnp model file"),
    "a pickle": (lambda good: b"\x80\x04N.", "is not a decnp model file"),
    "a single array": (lambda good: npy(np.eye(3)), "is not a decnp model file"),
    "no length": (lambda good: good[8:], "is not a decnp model file"),
    "eight bytes": (lambda good: good[:8], "is not a decnp model file"),
    "nine bytes": (lambda good: good[:9], "is cut short: its header takes"),
    "cut in the JSON object": (lambda good: good[:300], "is cut short: its header takes"),
    "cut in half": (lambda good: good[:len(good) // 2], "is cut short"),
    "one byte short": (lambda good: good[:-1], "is cut short"),
    "no arrays": (lambda good: put_together(taken_apart(good)[0], b""), "is cut short"),
    "something before": (lambda good: b"#!/bin/sh\n" + good, "does not begin as one"),
    "something after": (lambda good: good + b"\0", "something was added at its end"),
    "one after another": (lambda good: good + good, "something was added at its end"),
    # the length
    "length 0": (lambda good: bytes(8) + good[8:], "is not a decnp model file"),
    "length 1": (lambda good: b"\1" + bytes(7) + good[8:], "is not a decnp model file, or is damaged"),
    "a byte fewer": (lambda good: (int.from_bytes(good[:8], "little") - 8).to_bytes(8, "little") + good[8:], "damaged"),
    "2**64 - 1 bytes": (lambda good: b"\xff" * 8 + good[8:], "18446744073709551615 bytes, and 524288 are the most"),
    "2**63 bytes": (lambda good: bytes(7) + b"\x80" + good[8:], "9223372036854775808 bytes, and 524288 are the most"),
    "524,289 bytes": (lambda good: (524289).to_bytes(8, "little") + good[8:] + bytes(1 << 20), "524288 are the most"),
    "as large as the file": (lambda good: len(good).to_bytes(8, "little") + good[8:], "is cut short: its header takes"),
    "the whole file": (lambda good: (len(good) - 8).to_bytes(8, "little") + good[8:], "damaged"),
    # names of columns in an array
    "names that are numbers": (with_names(b"1\n2\n"), "left_out must have a JSON string in each line"),
    "names that are nested": (with_names(b"[" * (2 << 20)), "left_out must have a JSON string in each line"),
    "names that are no JSON": (with_names(b'"a" "b"\n'), "is not a decnp model file, or is damaged"),
    "names that are not UTF-8": (with_names(b'"\xff"\n'), "is not a decnp model file, or is damaged"),
    "half a character in an array": (with_names(b'"\\ud800"\n'), "is not a decnp model file, or is damaged"),
    "too many names": (with_names(b'"a"\n', 1 << 25), "names in its header must give 1 to 16777216 bytes"),
    "a number of names that is a text": (with_names(b'"a"\n', "4"), "names in its header must give 1 to 16777216 bytes"),
    "another number of bytes": (with_names(b'"a"\n', 5), "left_out must be an array of uint8 (5,); got uint8 (4,)"),
    "names twice": (lambda good: with_names(b'"a"\n')(with_header(lambda h: h.update(left_out=["a"]))(good)),
                    "names in its header must give"),
    "names of other things": (with_header(lambda h: h.update(names={"centers": 64})), "names in its header must give"),
    "names as a list": (with_header(lambda h: h.update(names=["left_out"])), "names in its header must give"),
    "an array of names that is missing": (with_header(lambda h: h.update(names={"left_out": 4})), "must have 16 arrays; got 15"),
    # the JSON object
    "a list": (lambda good: put_together("[" + json.dumps(taken_apart(good)[0]) + "]", b""), "does not begin as one"),
    "no JSON": (lambda good: put_together("{" * 99, b""), "is not a decnp model file, or is damaged"),
    "a second JSON object": (with_table(lambda table: json.dumps(table) + "{}"), "damaged"),
    "not UTF-8": (with_table(lambda table: json.dumps(table).encode().replace(b"dtype", b"dtyp\xff", 1)), "damaged"),
    "UTF-16": (with_table(lambda table: json.dumps(table).encode("utf-16-le")), "damaged"),
    "deep nesting": (with_table(lambda table: json.dumps(table)[:-1] + ',"x":' + "[" * 100_000 + "]" * 100_000 + "}"),
                     "is not a decnp model file, or is damaged"),
    "the most nested lists": (with_table(lambda table: '{"x":' + largest("[" * 900 + "]" * 900) + "}"),
                              "its __metadata__ must be an object of strings"),
    "the most nested names": (with_table(lambda table: '{"x":' + largest('{"":' * 300 + "0" + "}" * 300) + "}"),
                              "its __metadata__ must be an object of strings"),
    "the most arrays": (with_table(lambda table: json.dumps({**table, **{f"{i:05}": 0 for i in range(40_000)}})),
                        "00000 must have dtype, shape and data_offsets"),
    "the most nested lists in our header": (with_text(lambda text: largest("[" * 900 + "]" * 900, 500_000)),
                                            "its header is not a JSON object"),
    "the most nested names in our header": (with_text(lambda text: largest('{":":' * 300 + "0" + "}" * 300, 380_000)),
                                            "its header is not a JSON object"),
    "a name twice": (with_table(lambda table: json.dumps(table)[:-1] + ',"centers":' + json.dumps(table["centers"]) + "}"),
                     "its header has a name twice"),
    "a name twice in an array": (with_table(lambda table: json.dumps(table).replace('"dtype"', '"dtype":"F32","dtype"', 1)),
                                 "its header has a name twice"),
    "a number of 5000 digits": (with_table(lambda table: json.dumps(table).replace('"shape": [', '"shape": [' + "9" * 5000 + ",", 1)), "damaged"),
    # its metadata
    "no metadata": (with_table(lambda table: table.pop("__metadata__") and None), "must be an object of strings"),
    "metadata that are a list": (with_table(lambda table: table.update(__metadata__=[])), "must be an object of strings"),
    "our header as JSON": (with_table(lambda table: table["__metadata__"].update(
        decnp=json.loads(table["__metadata__"]["decnp"]))), "must be an object of strings"),
    "a number among the metadata": (with_table(lambda table: table["__metadata__"].update(x=1)), "an object of strings"),
    "another program's file": (with_table(lambda table: table.update(__metadata__={"format": "pt"})),
                               "is not a decnp model file: its __metadata__ must have a text called decnp"),
    "no digest": (with_table(lambda table: table["__metadata__"].pop("decnp.sha256") and None), "decnp.sha256 gives"),
    "another header": (with_table(lambda table: table["__metadata__"].update(
        decnp=table["__metadata__"]["decnp"].replace("2.5", "2.4"))), "its header does not have the sha256"),
    "half a character": (with_table(lambda table: table["__metadata__"].update(
        decnp="\ud800", **{"decnp.sha256": "0" * 64})), "damaged"),
    "an empty header": (with_text(lambda text: ""), "damaged"),
    "a header cut short": (with_text(lambda text: text[:-1]), "damaged"),
    "a header that is too long": (with_text(lambda text: text + " " * (5 << 20)), "524288 are the most"),
    # the arrays in the JSON object
    "an array missing": (with_table(lambda table: table.pop("scale") and None), NO_ROW),
    "one more array": (lambda good: with_table(lambda table: table.update(
        evil={"dtype": "F32", "shape": [2], "data_offsets": [len(taken_apart(good)[1]), len(taken_apart(good)[1]) + 8]}))(
            good + bytes(8)), "it must have 15 arrays; got 16"),
    "an empty array more": (with_table(lambda table: table.update(
        evil={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})), "it must have 15 arrays; got 16"),
    "another name": (with_table(lambda table: {name.replace("encoder.1.W", "x"): entry for name, entry in table.items()}),
                     "encoder.1.W is missing"),
    "a name with ..": (with_table(lambda table: {name.replace("encoder.1.W", "../W"): entry for name, entry in table.items()}),
                       "encoder.1.W is missing"),
    "a name for the terminal": (with_table(lambda table: {
        name.replace("encoder.1.W", "\x1b[31m"): 0 if name == "encoder.1.W" else entry for name, entry in table.items()}),
        r"\x1b[31m must have dtype, shape and data_offsets"),
    "a very long name": (with_table(lambda table: table.update({"x" * 99_999: 0})), "xxxxx..."),
    "a list for an array": (with_table(lambda table: table.update(centers=["F64"])),
                            "centers must have dtype, shape and data_offsets"),
    "no dtype": (with_table(lambda table: table["centers"].pop("dtype") and None), "centers must have dtype, shape and"),
    "one thing more": (with_array("centers", strides=[1]), "centers must have dtype, shape and data_offsets"),
    "dtype object": (with_array("centers", dtype="O"), "centers must have the dtype U8, F16, F32 or F64; got 'O'"),
    "a NumPy dtype": (with_array("centers", dtype="<f8"), "centers must have the dtype U8, F16, F32 or F64; got '<f8'"),
    "bfloat16": (with_array("centers", dtype="BF16"), "centers must have the dtype U8, F16, F32 or F64; got 'BF16'"),
    "integers": (with_array("centers", dtype="I64"), "centers must have the dtype U8, F16, F32 or F64; got 'I64'"),
    "a list for the dtype": (with_array("centers", dtype=["F64"]), "the dtype U8, F16, F32 or F64; got ['F64']"),
    "float32 for float64": (with_array("encoder.1.W", dtype="F32"), LIE),
    "another array's shape": (with_array("encoder.1.W", shape=[4, 5]), LIE),
    "0 axes": (with_array("encoder.1.W", shape=[]), LIE),
    "flat": (with_array("encoder.1.W", shape=[20]), LIE),
    "three axes": (with_array("encoder.1.W", shape=[1, 5, 4]), "2 data_offsets and at most 2 axes"),
    "thousands of axes": (with_array("encoder.1.W", shape=[1] * 99_999), "2 data_offsets and at most 2 axes"),
    "a negative shape": (with_array("encoder.1.W", shape=[-5, -4]), "must be lists of integers >= 0"),
    "a shape of floats": (with_array("encoder.1.W", shape=[5.0, 4.0]), "must be lists of integers >= 0"),
    "a shape of bools": (with_array("encoder.1.W", shape=[True, 20]), "must be lists of integers >= 0"),
    "a shape as a text": (with_array("encoder.1.W", shape="54"), "must be lists of integers >= 0"),
    "a shape beyond integers": (with_array("encoder.1.W", shape=[2**60, 2**60]), "must be lists of integers >= 0"),
    "a large shape": (with_array("encoder.1.W", shape=[2**50, 2**50]), LIE),
    "no places": (with_array("encoder.1.W", data_offsets=[]), "must have 2 data_offsets"),
    "three places": (with_array("encoder.1.W", data_offsets=[0, 1, 2]), "must have 2 data_offsets"),
    "places that are NaN": (with_array("encoder.1.W", data_offsets=[float("nan"), 0]), "must be lists of integers >= 0"),
    "negative places": (with_array("encoder.1.W", data_offsets=[-160, 0]), "must be lists of integers >= 0"),
    "places beyond the file": (with_array("encoder.1.W", data_offsets=[10**9, 10**9 + 160]), NO_ROW),
    "places beyond integers": (with_array("encoder.1.W", data_offsets=[2**63, 2**64]), "must be lists of integers >= 0"),
    "from the end to the begin": (with_table(lambda table: table["encoder.1.W"]["data_offsets"].reverse()), NO_ROW),
    "two arrays in one place": (with_table(lambda table: table["encoder.1.W"].update(
        data_offsets=table["encoder.0.W"]["data_offsets"])), NO_ROW),
    "overlapping arrays": (with_table(lambda table: table["encoder.1.W"].update(
        data_offsets=[n - 8 for n in table["encoder.1.W"]["data_offsets"]])), NO_ROW),
    "a hole": (lambda good: with_table(lambda table: [
        entry.update(data_offsets=[n + 8 for n in entry["data_offsets"]])
        for name, entry in table.items() if name != "__metadata__"] and None)(good + bytes(8)), NO_ROW),
    "a byte from the next array": (with_table(lambda table: moved(table, 1)),
                                   "takes 160 bytes of data, and 161 are there"),
    "a byte for the next array": (with_table(lambda table: moved(table, -1)),
                                  "takes 160 bytes of data, and 159 are there"),
    # the numbers
    "a weight that is NaN": (with_values("encoder.1.W", np.nan), "encoder.1.W has NaN or infinite"),
    "a centroid that is infinite": (with_values("centers", np.inf), "centers has NaN or infinite"),
    "other weights": (lambda good: put_together(taken_apart(good)[0], bytes(len(taken_apart(good)[1]))),
                      "does not have the sha256"),
    "a scale of 0": (with_values("scale", 0.0), "scale must be > 0"),
}
"""Corruptions of a safetensors file."""


def moved(table, n):
    """Move the border between encoder.1.W and the array after it by n bytes."""
    border = table["encoder.1.W"]["data_offsets"][1]
    for name, entry in table.items():
        if name != "__metadata__":
            entry["data_offsets"] = [at + n * (at == border) for at in entry["data_offsets"]]


def after(first, second):
    return lambda good: second(first(good))


CORRUPTIONS = {
    **{f"header, {name}": bad for name, bad in HEADERS.items()},
    **SAFETENSORS,
    **{f"zip, {name}": (after(zipped, make), part) for name, (make, part) in {**HEADERS, **ZIPS}.items()},
}
