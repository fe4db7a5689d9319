"""Tables in compressed text, with other endings, from standard input and from pipes: fit reads them as predict does."""

import gzip
import io
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK
from numpy.testing import assert_array_equal

from decnp.exceptions import DataError
from decnp.io.row_reader import open_rows
from decnp.io.tables import read_table

ROWS = [[1.5, 2, 3], [4, 5, 6.25], [7, 8, 9]]
posix = pytest.mark.skipif(os.name != "posix", reason="named pipes as in POSIX")


def text(delimiter=","):
    return "\n".join(delimiter.join(map(str, row)) for row in [["a", "b", "label"], *ROWS]) + "\n"


class Stdin:
    def __init__(self, content):
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("name, delimiter", [
    ("x.tsv", "\t"), ("x.txt", " "), ("x.TSV", "\t"), ("x.csv.gz", ","), ("x.tsv.gz", "\t"), ("x.txt.gz", ";"),
    ("x.csv.GZ", ",")])
def test_text_of_every_ending(tmp_path, name, delimiter):
    content = text(delimiter).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)
    with pytest.raises(DataError, match="whole numbers or strings"):
        read_table(tmp_path / name)  # the column called label is found: its values are no labels
    rows = open_rows(tmp_path / name, "label")
    (_, X), = rows.blocks(10, np.dtype(np.float64))
    assert_array_equal(X, np.array(ROWS)[:, :2])


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:40] + b"\0\0\0" + b[43:], lambda b: b"a,b\n1,2\n"])
def test_a_damaged_gz_is_one_sentence(tmp_path, damage):
    (tmp_path / "x.csv.gz").write_bytes(damage(gzip.compress(text().encode() * 9)))
    for read in (read_table, open_rows):
        with pytest.raises(DataError, match="x.csv.gz is damaged: "):
            read(tmp_path / "x.csv.gz")


def test_fit_reads_standard_input(data, says, monkeypatch):
    np.savetxt("x.csv", np.load("x.npy").astype(np.float32), delimiter=",")
    results = []
    text = Path("x.csv").read_bytes()
    for content in (None, text, Path("x.npy").read_bytes(), gzip.compress(text)):
        if content:
            monkeypatch.setattr(sys, "stdin", Stdin(content))
        status, out, err = says("fit", "-" if content else "x.npy", *QUICK, "-q")
        assert status == 0, err
        results.append(out.splitlines()[:-1])  # the last line holds the seconds
    assert results[0] == results[1] == results[2] == results[3]


@pytest.mark.parametrize("content, sentence", [
    (b"", "standard input is empty"), (b"1,2\n3\n", "standard input, line 2 has 1 column, the lines before it have 2"),
    (b"a,b\n1,nan\n2,3\n4,5\n", "standard input has NaN or infinite values"), (b"PK\x03\xff", "standard input is not text")])
def test_what_fit_refuses_in_standard_input(data, refused, monkeypatch, content, sentence):
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    assert sentence in refused("-")
    monkeypatch.setattr(sys, "stdin", None)
    assert refused("-") == "standard input is closed"


@posix
@pytest.mark.parametrize("name", ["pipe", "pipe.csv"])
def test_a_named_pipe(tmp_path, name):
    os.mkfifo(tmp_path / name)

    def read(reader):
        writer = threading.Thread(target=(tmp_path / name).write_text, args=["a,b\n1,2\n3,4\n"])
        writer.start()
        try:
            return reader(tmp_path / name)
        finally:
            writer.join()

    table = read(read_table)
    assert_array_equal(table.X, [[1, 2], [3, 4]])
    assert table.names == ("a", "b") and read(open_rows).shape == (2, 2)
    assert read(open_rows).columns == ("a", "b")


def test_compressed_bytes_are_known_by_their_beginning(tmp_path, monkeypatch):
    content = gzip.compress(b"a,b\n1,2\n3,4\n")
    (tmp_path / "x.csv").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    for source in (tmp_path / "x.csv", "-"):
        assert_array_equal(next(open_rows(source).blocks(5, np.dtype(np.float32)))[1], [[1, 2], [3, 4]])
    assert_array_equal(read_table(tmp_path / "x.csv").X, [[1, 2], [3, 4]])
    monkeypatch.setattr(sys, "stdin", Stdin(content[:-9]))
    with pytest.raises(DataError, match="standard input is damaged: "):
        read_table("-")


@posix
def test_an_npy_through_a_named_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    np.save(tmp_path / "x.npy", [[1.0, 2.0], [3.0, 4.0]])

    def read(reader):
        content = (tmp_path / "x.npy").read_bytes()
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content])
        writer.start()
        try:
            return reader(tmp_path / "pipe")
        finally:
            writer.join()

    assert_array_equal(read(read_table).X, [[1, 2], [3, 4]])
    rows = read(open_rows)
    assert_array_equal(next(rows.blocks(5, np.dtype(np.float32)))[1], [[1, 2], [3, 4]])
    rows.close()
