"""A user's files: what is read from them, and the one sentence that says what is wrong with them."""

import io
import os
import re
import stat
import zipfile
from contextlib import closing

import numpy as np
import pytest
from conftest import Mine
from conftest import refused_file as refused
from numpy.testing import assert_array_equal

from decnp.datasets import DataError
from decnp.io.atomic import write_all_atomically, write_atomically
from decnp.io.row_reader import open_rows
from decnp.io.tables import read_labels, read_npy, read_table

X = np.array([[0.5, 1, 2], [3, 4, 5], [6, 7, 8.25], [9, 10, 11]])  # exact in float32


def npy(array, **kwargs):
    content = io.BytesIO()
    np.save(content, array, **kwargs)
    return content.getvalue()


# ---------------------------------------------------------------- tables that fit

@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "g", "i1", "u8", ">i4", "?"])
def test_any_real_dtype_becomes_float32(tmp_path, dtype):
    np.save(tmp_path / "x.npy", X.astype(dtype))
    table = read_table(tmp_path / "x.npy")
    assert_array_equal(table.X, X.astype(dtype).astype(np.float32))
    assert table.X.dtype == np.float32 and table.X.flags.c_contiguous and table.y is None


def test_column_major_arrays_and_capital_endings(tmp_path):
    with open(tmp_path / "x.NPY", "wb") as file:
        np.save(file, np.asfortranarray(X))
    assert_array_equal(read_table(tmp_path / "x.NPY").X, X)


def test_a_string_is_a_path_too(tmp_path):
    np.save(tmp_path / "x.npy", X)
    assert_array_equal(read_table(str(tmp_path / "x.npy")).X, X)


@pytest.mark.parametrize("arrays", [
    {"X": X}, {"x": X, "other": X + 1}, {"X": X, "x": X + 1}, {"points": X, "ids": np.arange(4)}, {"anything": X},
], ids=lambda arrays: "+".join(arrays))
def test_an_npz_gives_X_or_its_only_table(tmp_path, arrays):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **arrays)
        table = read_table(tmp_path / "x.npz")
        assert_array_equal(table.X, X)
        assert table.y is None


@pytest.mark.parametrize("name", ["y", "labels"])
@pytest.mark.parametrize("y", [np.arange(4), np.array(list("abca"))], ids=["integers", "strings"])
def test_an_npz_may_hold_the_labels(tmp_path, name, y):
    np.savez(tmp_path / "x.npz", X=X, **{name: y})
    assert_array_equal(read_table(tmp_path / "x.npz").y, y)
    assert_array_equal(read_labels(tmp_path / "x.npz", 4), y)


def test_labels_in_an_npz_may_be_a_column(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, y=np.arange(4)[:, None])
    assert_array_equal(read_table(tmp_path / "x.npz").y, np.arange(4))


@pytest.mark.parametrize("y", [np.ones((4, 2)), np.ones(())], ids=["two columns", "one number"])
def test_labels_of_another_shape_in_an_npz_are_left_out_with_a_note(tmp_path, y):
    np.savez(tmp_path / "x.npz", X=X, y=y)
    table = read_table(tmp_path / "x.npz")
    assert table.y is None
    assert table.notes == [f"the array y is not read as labels, because it has the shape {y.shape}, not (n,)"]


LINES = ["0.5,1,2", "3,4,5", "6,7,8.25", "9,10,11"]


@pytest.mark.parametrize("text, names", [
    ("\n".join(LINES), False),
    ("\r\n".join(LINES) + "\r\n\r\n", False),
    ("\n\n" + "\n".join(LINES), False),
    ("a,b,c\n" + "\n".join(LINES), True),
    ('"sepal, cm",b,"c d"\n' + "\n".join(LINES), True),
    ("\n".join(LINES).replace(",", ";"), False),
    ("\n".join(LINES).replace(",", "\t"), False),
    ("\n".join(LINES).replace(",", ", "), False),
    ("\n".join(f'"{line}"' for line in LINES).replace(",", '","'), False),
    ("\n".join(LINES).replace(",", "   "), False),
    ("  " + "\n  ".join(LINES).replace(",", " "), False),
    ("\n".join(LINES).replace("10", "1e1").replace("4", "+4.0"), False),
], ids=["plain", "crlf", "blank", "names", "quoted-names", "semicolon", "tab", "padded", "quoted", "spaces",
        "indented", "forms"])
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["", "bom"])
def test_csv(tmp_path, text, names, bom):
    (tmp_path / "x.csv").write_bytes((bom + text).encode())
    table = read_table(tmp_path / "x.csv")
    assert_array_equal(table.X, X)
    assert bool(table.names) == names and table.y is None and table.X.dtype == np.float32


def test_csv_as_numpy_writes_it(tmp_path):
    for delimiter in ", ":
        np.savetxt(tmp_path / "x.csv", X, delimiter=delimiter)
        assert_array_equal(read_table(tmp_path / "x.csv").X, X)
    np.savetxt(tmp_path / "x.csv", X[:, :1])
    assert_array_equal(read_table(tmp_path / "x.csv").X, X[:, :1])


def test_a_column_of_labels_is_not_trained_on(tmp_path):
    (tmp_path / "x.csv").write_text("a,Label,c\n1,cat,2\n3,dog,4\n")
    table = read_table(tmp_path / "x.csv")
    assert_array_equal(table.X, [[1, 2], [3, 4]])
    assert_array_equal(table.y, ["cat", "dog"])
    (tmp_path / "x.csv").write_text("label,b\n7,2\n8,4\n")
    assert_array_equal(read_table(tmp_path / "x.csv").y, [7, 8])


def test_the_column_of_labels_may_have_any_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a;Label; kind \n1;2;cat\n3;4;dog\n")
    table = read_table(path, "kind")
    assert_array_equal(table.X, [[1, 2], [3, 4]])  # the one called Label is a column like the others then
    assert table.y.tolist() == ["cat", "dog"] and table.names == ("a", "Label")
    path.write_text("a,b\n1,2\n3,4\n")
    assert read_table(path, "b").y.tolist() == [2, 4]
    with closing(open_rows(path, "a")) as rows:
        assert_array_equal(next(rows.blocks(9, np.dtype("f4")))[1], [[2], [4]])


@pytest.mark.parametrize("name, text, column, sentence", [
    ("x.csv", "a,kind\n1,x\n", "kin", "FILE has no column called 'kin'; did you mean 'kind'?"),
    ("x.csv", "a,kind\n1,x\n", "color", "FILE has no column called 'color'; its columns are 'a', 'kind'"),
    ("x.csv", "a,a\n1,x\n", "a", "FILE has 2 columns called 'a'; its columns are 'a', 'a'"),
    ("x.csv", "1,2\n3,4\n", "a", "FILE has no first line of names, so it has no column 'a'"),
    ("x.csv", "a,b,c d\n1,2,x\n", None, "FILE, line 2, column 3 ('c d'): 'x' is not a number; if 'c d' holds the "
                                       "labels, say --label-column 'c d'; --categories 'c d' takes its words as "
                                       "categories; --drop 'c d' leaves the column out"),
    ("x.csv", "a,b\n1,2\n3,x\n", None, "FILE, line 3, column 2 ('b'): 'x' is not a number"),  # one odd cell
    ("x.csv", "a,b\n1,\n", None, "FILE, line 2, column 2 ('b'): the cell is empty"),
    ("x.csv", "a,b\n1,\n3,4\n", "b", "FILE, line 2: the label is missing"),
    ("x.csv", "a,b\n1,2\n3,nan\n", "b", "FILE, line 3: the label is missing ('nan')"),
    ("x.csv", "a,label\n1,x\n3,N/A\n", None, "FILE, line 3: the label is missing ('N/A')"),
    ("x.npy", "", "a", "a label column (here 'a') needs a .csv file with a first line of names; got FILE"),
])
def test_columns_of_labels_that_are_refused(tmp_path, name, text, column, sentence):
    path = tmp_path / name
    path.write_text(text) if text else np.save(path, X)
    assert refused(path, read_table, column) == sentence
    if "missing" not in sentence:  # whoever predicts leaves the labels unread, and has no option --drop
        assert refused(path, open_rows, column) == sentence.partition("; --categories")[0].partition("; --drop")[0]


# ---------------------------------------------------------------- tables that do not

def test_what_is_not_there_or_no_table(tmp_path):
    assert refused(tmp_path / "x.npy") == "no such file: FILE"
    assert refused(tmp_path) == "FILE is a folder, not a .npy, .npz, .csv, .tsv or .txt file"
    for name in ("x.json", "x", ".npy", "x.gz", "x.json.gz"):
        (tmp_path / name).write_text("1 2\n")
        assert refused(tmp_path / name).startswith("FILE must be a .npy, .npz, .csv, .tsv or .txt file; got the ending '")


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
def test_empty_files(tmp_path, ending):
    (tmp_path / f"x.{ending}").touch()
    assert refused(tmp_path / f"x.{ending}") == "FILE is empty"
    assert refused(tmp_path / f"x.{ending}", read_labels, 4) == "FILE is empty"


@pytest.mark.parametrize("array, sentence", [
    (X[0], r"FILE must have the shape \(n, D\), one row for each sample; got \(3,\); "
           r"X.reshape\(-1, 1\) makes a column"),
    (np.zeros((2, 3, 4)), r"FILE must have the shape \(n, D\), one row for each sample; got \(2, 3, 4\); "
                          r"X.reshape\(len\(X\), -1\) makes a row of each sample"),
    (np.array(1.0), r"FILE must have the shape \(n, D\), .*; got \(\); .*"),
    (X[:0], r"FILE must have at least one row and one column; got the shape \(0, 3\)"),
    (X[:, :0], r"FILE must have at least one row and one column; got the shape \(4, 0\)"),
    (X + 1j, "FILE must hold real numbers; got the dtype complex128"),
    (X.astype(str), "FILE must hold real numbers; got the dtype <U32"),
    (X.astype("M8[s]"), r"FILE must hold real numbers; got the dtype datetime64\[s\]"),
    (np.zeros(3, "f4,i4"), "FILE must hold real numbers; got the dtype .*"),
], ids=["1-D", "3-D", "0-D", "no rows", "no columns", "complex", "strings", "dates", "records"])
def test_wrong_shapes_and_dtypes(tmp_path, array, sentence):
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "x.npz", array)
    for name in ("x.npy", "x.npz"):
        assert re.fullmatch(sentence, refused(tmp_path / name))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinite_values(tmp_path, value, dtype):
    bad = X.astype(dtype)
    bad[1, 2] = bad[3, 0] = value
    np.save(tmp_path / "x.npy", bad)
    np.savetxt(tmp_path / "x.csv", bad, delimiter=",")
    for name in ("x.npy", "x.csv"):
        assert refused(tmp_path / name) == (
            f"FILE has NaN or infinite values: 2 of them, the first ({value}) in row 2, column 3 (counted from 1)")


def test_values_beyond_float32(tmp_path):
    np.save(tmp_path / "x.npy", np.where(X == 7, -1e39, X))
    assert refused(tmp_path / "x.npy") == (
        "FILE has values beyond float32: 1 of them, the first (-1e+39) in row 3, column 2 (counted from 1)")
    np.save(tmp_path / "x.npy", np.where(X == 7, -3.4e38, X))
    assert read_table(tmp_path / "x.npy").X[2, 1] == np.float32(-3.4e38)


def test_objects_are_never_loaded(tmp_path):
    mine = np.array([[Mine()]], object)
    np.save(tmp_path / "x.npy", mine)
    np.savez(tmp_path / "x.npz", X=mine)
    assert refused(tmp_path / "x.npy") == (
        "FILE holds Python objects, which are never loaded; save it with a dtype of numbers")
    assert refused(tmp_path / "x.npz") == (
        "FILE (X) holds Python objects, which are never loaded; save it with a dtype of numbers")
    assert "Python objects" in refused(tmp_path / "x.npy", read_labels, 1)


def test_truncated_and_foreign_files(tmp_path):
    content = npy(X)
    for n in (1, 9, 60, 128, len(content) - 1):
        (tmp_path / "x.npy").write_bytes(content[:n])
        assert refused(tmp_path / "x.npy").startswith("FILE is damaged")
    assert refused(tmp_path / "x.npy") == (
        "FILE is damaged: its header announces 96 bytes of data, and 95 are there")
    (tmp_path / "x.npy").write_bytes(content + b"more")
    assert refused(tmp_path / "x.npy").endswith("96 bytes of data, and 100 are there")
    (tmp_path / "x.npy").write_bytes(b"PK\3\4 not an array")
    assert refused(tmp_path / "x.npy") == "FILE is damaged, or is not a .npy array of numbers: its header cannot be read"

    np.savez_compressed(tmp_path / "x.npz", X=X, other=X)
    content = (tmp_path / "x.npz").read_bytes()
    for n in range(1, len(content), 31):
        (tmp_path / "x.npz").write_bytes(content[:n])
        assert refused(tmp_path / "x.npz") == "FILE is damaged, or is not a .npz file: it is not a complete zip archive"
    (tmp_path / "x.npz").write_bytes(npy(X))
    assert "not a complete zip archive" in refused(tmp_path / "x.npz")


def header(shape, descr="'<f8'", order="False"):
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("content", [
    header("(10**9, 10**9)"), header(f"({2**62}, {2**62})"), header("(-1, 3)") + bytes(24), header("(2.5, 3)"),
    header("(2, 3)", "'|O'") + bytes(48), header(f"({2**60}, 1)", "'|V0'"), header("(2, 3)", "'|nonsense'"),
    header("(2, 3)", "__import__('os')._exit(77)"), header("(" * 60 + ")" * 40), header("(2, 3)", "'<f8"),
    header("(2, 3)", "[('a', '|O')]"), b"\x93NUMPY\x09\0" + bytes(200), b"\x93NUMPY\1\0\xff\xff{}", header("{2, 3}"),
    header(f"({'9' * 60}, 3)"),
])
def test_hostile_headers_take_no_memory_and_run_nothing(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    assert "damaged" in refused(tmp_path / "x.npy") or "objects" in refused(tmp_path / "x.npy")


def test_a_header_with_arrays_as_cells_is_damage(tmp_path):
    (tmp_path / "x.npy").write_bytes(header("(2, 0)", "'8f8'"))
    for read, *args in ((read_table,), (read_labels, 2)):
        assert "is damaged: its header announces the dtype ('<f8', (8,)), an array in each cell" in refused(
            tmp_path / "x.npy", read, *args)


def test_headers_as_python_2_wrote_them_still_read():
    content = header("(2L, 3L)") + X[:2].tobytes()
    assert_array_equal(read_npy(io.BytesIO(content), len(content), "x"), X[:2])


def test_bytes_that_changed_in_an_npz_never_give_wrong_numbers(tmp_path):
    np.savez(tmp_path / "x.npz", X=X)
    content = (tmp_path / "x.npz").read_bytes()
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(200):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << rng.integers(8)
        (tmp_path / "x.npz").write_bytes(changed)
        try:
            assert_array_equal(read_table(tmp_path / "x.npz").X, X)
        except DataError:
            n_refused += 1
    assert n_refused > 50  # most of the rest are dates and permissions


@pytest.mark.parametrize("change", [
    lambda content: content[1:], lambda content: content[:300] + content[900:], lambda content: b"PK\3\4" + content[24:],
], ids=["begun late", "a piece cut out", "another beginning"])
def test_an_npz_with_entries_in_other_places(tmp_path, change):
    np.savez(tmp_path / "x.npz", X=np.tile(X, (20, 1)), y=np.zeros(500, "U1"))
    (tmp_path / "x.npz").write_bytes(change((tmp_path / "x.npz").read_bytes()))
    sentence = refused(tmp_path / "x.npz")
    assert sentence.startswith("FILE is damaged: it cannot be unzipped (") and len(sentence) < 400


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_other_compressions_of_an_npz_are_read_or_damaged(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.writestr("X.npy", npy(np.tile(X, (50, 1))))
    assert len(read_table(tmp_path / "x.npz").X) == 200
    content = (tmp_path / "x.npz").read_bytes()
    for at in range(60, len(content) - 100, 3):
        (tmp_path / "x.npz").write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1:])
        assert refused(tmp_path / "x.npz").startswith("FILE ")


@pytest.mark.parametrize("arrays, listed", [
    ({"train": X, "test": X}, "train (4, 3), test (4, 3)"), ({"a": X[0], "b": X[1]}, "a (3,), b (3,)"),
    ({}, "no arrays"),
])
def test_an_npz_that_leaves_it_open(tmp_path, arrays, listed):
    np.savez(tmp_path / "x.npz", **arrays)
    assert refused(tmp_path / "x.npz") == (
        f"FILE must have an array called X or x, or only one with 2 axes; got {listed}")


def test_an_npz_with_too_few_labels(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, y=[1, 2, 3])
    assert refused(tmp_path / "x.npz") == "FILE must hold one label for each of its 4 rows; got 3"


ROW_NUMBERS = ("FILE: the first column has no name, so it seems to hold the row numbers that pandas adds; "
               "leave them out with to_csv(..., index=False), or with --drop 'Unnamed: 0'")
NOT_FINITE = "FILE has NaN or infinite values: 1 of them, the first (%s) in row 2, column 2 (counted from 1)"


@pytest.mark.parametrize("text, sentence", [
    ("1,2\n3,x\n", "FILE, line 2, column 2: 'x' is not a number"),
    ("1,x\n3,4\n", "FILE, line 1, column 2: 'x' is not a number; if the line holds the names of the columns, say --header "
                   "yes"),
    ("a,b\n1,2\n\n3,4.5.6\n", "FILE, line 4, column 2 ('b'): '4.5.6' is not a number"),
    ("1,2\n3,1_000\n", "FILE, line 2, column 2: '1_000' is not a number"),
    ("1,2\n3,\n", "FILE, line 2, column 2: the cell is empty; --missing median fills it in"),
    ("1,2,\n3,4,\n", "FILE, column 3: every cell is empty, so the lines end with a separator; --drop 3 leaves the column out"),
    ("1,2\n,\n", "FILE has 2 columns that cannot be used as they are: column 1 has 1 missing value in line 2; column 2 has 1 "
                 "missing value in line 2. Remedies: --missing median fills in the missing numbers of 2 columns"),
    ("1;2\n3;4,5\n", "FILE, line 2, column 2: '4,5' is not a number; --decimal comma reads decimal commas"),
    ("1,2\n3," + "word" * 99 + "\n", "FILE, line 2, column 2: 'wordwordwordwordwordwordwordwo'... is not a number"),
    ("1,2\n3,4,5\n", "FILE, line 2 has 3 columns, the lines before it have 2"),
    ("a,b,c\n1,2\n", "FILE, line 2 has 2 columns, the lines before it have 3"),
    ("1,2\n\n3\n", "FILE, line 3 has 1 column, the lines before it have 2"),
    ("label,b,c\n7,1,x\n", "FILE, line 2, column 3 ('c'): 'x' is not a number; --categories c takes its words as "
                           "categories; --drop c leaves the column out"),
    ("label,b\n7,1\n,2\n", "FILE, line 3: the label is missing"),
    ("label\n7\n8\n", "FILE must have at least one row and one column; got the shape (2, 0)"),
    ("a,b\n", "FILE has a line of names and no rows"),
    ("\n \n\n", "FILE has no rows"),
    (",0,1\n0,5,6\n1,7,8\n", ROW_NUMBERS),
    (",a,b\n0,5,6\n1,7,8\n", ROW_NUMBERS),
    (",a,b\n0,5,x\n1,7,x\n2,7,y\n3,7,y\n", "FILE has 2 columns that cannot be used as they are: the first has no name and "
     "seems to hold row numbers; 'b' holds words ('x' in line 2). Remedies: --drop 'Unnamed: 0' leaves it out; --categories b "
     "takes its words as categories; --label-column b takes it as the labels"),
    ('"","1940","1945"\n"Food",5,6\n"Health",7,8\n', ROW_NUMBERS),
    ("1,2\n3,nan\n", NOT_FINITE % "nan"),
    ("1,2\n3,1e999\n", NOT_FINITE % "inf"),
])
def test_csv_that_is_no_table(tmp_path, text, sentence):
    (tmp_path / "x.csv").write_text(text)
    assert refused(tmp_path / "x.csv") == sentence


@pytest.mark.parametrize("content, sentence", [
    ("1,2\n3,4\n".encode("utf-16"), "FILE is not text in UTF-8: it begins as text in UTF-16, so save it as UTF-8"),
    ("1,2\n3,4\n".encode("utf-16-le"), "FILE is not text in UTF-8: it begins as text in UTF-16, so save it as UTF-8"),
    ("a,b\n3,4\n".encode("utf-16-be"), "FILE is not text in UTF-8: it begins as text in UTF-16, so save it as UTF-8"),
    (b"PK\3\4\0\0", "FILE is not text in UTF-8: it is a zip archive, as an .xlsx file is"),
    (b'{"a": [1, 2], "b": [3, 4]}', "FILE holds JSON, not lines of cells"),
    (b'\xef\xbb\xbf\n[{"a": 1, "b": 3},\n {"a": 2, "b": 4}]\n', "FILE holds JSON, not lines of cells"),
    (b"[[1, 2],\n[3, 4]]", "FILE holds JSON, not lines of cells"),
    (b"<!DOCTYPE html>\n<html><body>Not found, sorry</body></html>", "FILE holds HTML or XML, not lines of cells"),
    (b"<?xml version='1.0'?>\n<a>1,2</a>", "FILE holds HTML or XML, not lines of cells"),
    ("naïve,b\n1,2\n".encode("latin-1"), "FILE is not text in UTF-8"),
    (b'1,2\n3,"' + b"9" * 200_000 + b'"\n', r"FILE cannot be read as CSV: field larger than field limit \(131072\)"),
    (b"1,2\n3,\0\n", "FILE(, line 2, column 2: .* is not a number| cannot be read as CSV: line contains NUL)"),
])
def test_csv_that_is_no_text(tmp_path, content, sentence):
    (tmp_path / "x.csv").write_bytes(content)
    assert re.fullmatch(sentence, refused(tmp_path / "x.csv"))


OPEN_QUOTES = {
    "last column": ('a,b\n1,2\n3,"x\n5,6\n7,8\n', 3), "last line": ('a,b\n1,2\n3,"x', 3), "only a quote": ('a,b\n1,2\n"', 3),
    "names": ('a;"b\n1;2\n3;4\n', 1), "twice": ('a,b\n1,x\n3,"5 inch\n4,x\n5,"7 inch\n6,x\n', 3),
    "first column": ('a,b\n"x,2\n3,4\n"y,6\n', 2),
    "after others": ('a,b,c\n1,"x\r\n\r\ny",2\r\n2,"x\r\ny","z\r\n3,4,5\r\n', 6),
    "far below": ('a,b\n' + '1,x\n' * 50 + '2,"x\n' + '3,x\n' * 50_000, 52)}


@pytest.mark.parametrize("kind", OPEN_QUOTES)
def test_a_quote_that_is_not_closed(tmp_path, kind):
    text, line = OPEN_QUOTES[kind]
    (tmp_path / "x.csv").write_bytes(text.encode())
    limit = " within 131072 characters" * (kind == "far below")
    for read in (read_table, open_rows):
        assert refused(tmp_path / "x.csv", read) == f"FILE, line {line}: a quote opens that is not closed{limit}"


@pytest.mark.parametrize("text", ['v\n1\n""\n3\n', 'v\n1\n" "\n3\n', 'v\n1\n"" \n3\n'])
def test_a_missing_cell_of_a_table_of_one_column(tmp_path, text):
    (tmp_path / "x.csv").write_text(text)
    missing = "FILE, line 3, column 1 ('v'): the cell is empty"
    assert refused(tmp_path / "x.csv") == f"{missing}; --missing median fills it in"
    assert refused(tmp_path / "x.csv", open_rows) == missing
    (tmp_path / "x.csv").write_text('\nv\n1\n\n \n \t\n2\n\t\n')
    assert read_table(tmp_path / "x.csv").X.tolist() == [[1], [2]]


@pytest.mark.parametrize("name", ["y.csv", "y.txt"])
@pytest.mark.parametrize("text, line", [
    ("class\na\nb\n\na\nb\n", 4), ("1\n \n2\n1\n2\n", 2), ("class\n1\n\n2\n\n2\n", 3), ("a\n\nb\n", 2),
    ("class\n\na\nb\na\nb\n", 2)])
def test_a_blank_line_between_labels_is_a_missing_label(tmp_path, name, text, line):
    (tmp_path / name).write_text(text)
    assert refused(tmp_path / name, read_labels, 5) == f"FILE, line {line}: the label is missing"


@pytest.mark.parametrize("name", ["y.csv", "y.txt"])
@pytest.mark.parametrize("text", ["class\na\nb\n", "a\nb\n\n", "class\na\nb\n\n \n\n", "\na\nb\n"])
def test_blank_lines_around_labels_are_skipped(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_labels(tmp_path / name, 2).tolist() == ["a", "b"]


def test_an_open_quote_in_labels(tmp_path):
    (tmp_path / "y.csv").write_text('cat\n"dog\ncat\n')
    assert refused(tmp_path / "y.csv", read_labels, 3) == "FILE, line 2: a quote opens that is not closed"
    (tmp_path / "y.txt").write_text('cat\n"dog\ncat\n')  # each line is a label
    assert read_labels(tmp_path / "y.txt", 3).tolist() == ["cat", '"dog', "cat"]


def test_quotes_inside_cells(tmp_path):
    (tmp_path / "x.csv").write_text('a,label\n1,"a"b\n2,5" wide\n3,"x ""y"""\n4,"two\nlines" \n5,"t"\n6,x"\n7,"1,\n""2"\n')
    table = read_table(tmp_path / "x.csv")
    assert table.X[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert table.y.tolist() == ["ab", '5" wide', 'x "y"', "two\nlines", "t", 'x"', '1,\n"2']


# ---------------------------------------------------------------- labels

@pytest.mark.parametrize("name, text, labels", [
    ("y.csv", "1\n0\n1\n", [1, 0, 1]),
    ("y.csv", "1.000e+00\n0.0\n1\n", [1, 0, 1]),
    ("y.csv", "\ufefflabel\n1\n0\n1\n", [1, 0, 1]),
    ("y.csv", "cat\ndog\ncat\n", ["cat", "dog", "cat"]),
    ("y.csv", "species\ncat\ndog\ncat\n", ["cat", "dog", "cat"]),
    ("y.csv", '"cat, old"\ndog\n"cat, old"', ["cat, old", "dog", "cat, old"]),
    ("y.txt", "cat, old\r\n a dog \r\ncat, old\r\n\r\n", ["cat, old", "a dog", "cat, old"]),
    ("y.txt", "1\n0\n1", [1, 0, 1]),
    ("y.csv", "cat|old\ndog|old\ncat|old\n", ["cat|old", "dog|old", "cat|old"]),
])
def test_labels_from_text(tmp_path, name, text, labels):
    (tmp_path / name).write_bytes(text.encode())
    assert_array_equal(read_labels(tmp_path / name, 3), labels)


@pytest.mark.parametrize("y", [[True, False, True], [1, 0, 1], ["a", "b", "a"], [b"a", b"b", b"a"], [[1], [0], [1]]])
def test_labels_from_arrays(tmp_path, y):
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "y.npz", y)
    for name in ("y.npy", "y.npz"):
        assert_array_equal(read_labels(tmp_path / name, 3), np.ravel(y))


def test_whole_numbers_in_floats_are_labels(tmp_path):
    np.save(tmp_path / "y.npy", np.array([1.0, 0, 2]))
    y = read_labels(tmp_path / "y.npy", 3)
    assert_array_equal(y, [1, 0, 2])
    assert y.dtype == np.int64


OTHER_NUMBERS = "FILE must hold labels that are whole numbers or strings; got {} in row {} (counted from 1)"


@pytest.mark.parametrize("y, sentence", [
    ([1, 0], "FILE must hold one label for each of the 3 rows; got 2"),
    ([1, 0, 1, 1], "FILE must hold one label for each of the 3 rows; got 4"),
    ([], "FILE must hold one label for each of the 3 rows; got 0"),
    ([[1, 0], [0, 1], [1, 0]], "FILE must hold one label for each row, in the shape (n,); got (3, 2)"),
    (1, "FILE must hold one label for each row, in the shape (n,); got ()"),
    ([1, 0.5, 2], OTHER_NUMBERS.format(0.5, 2)),
    ([0, 2.0**53, 2], OTHER_NUMBERS.format(2.0**53, 2)),
    ([0, np.nan, 2], "FILE: the label in row 2 (counted from 1) is missing ('nan')"),
    (["a", "b", "NA"], "FILE: the label in row 3 (counted from 1) is missing ('NA')"),
    (["", "b", "a"], "FILE: the label in row 1 (counted from 1) is missing ('')"),
    ([b"a", b"None", b"a"], "FILE: the label in row 2 (counted from 1) is missing ('None')"),
    ([0, 1j, 2], "FILE must hold labels that are whole numbers or strings; got the dtype complex128"),
])
def test_arrays_that_are_no_labels(tmp_path, y, sentence):
    np.save(tmp_path / "y.npy", y)
    assert refused(tmp_path / "y.npy", read_labels, 3) == sentence


@pytest.mark.parametrize("name, text, sentence", [
    ("y.csv", "1\n0\n", "FILE must hold one label for each of the 3 rows; got 2"),
    ("y.csv", "label\n1\n0\n", "FILE must hold one label for each of the 3 rows; got 2"),
    ("y.csv", "1\n0\n1\n0\n", "FILE must hold one label for each of the 3 rows; got 4"),
    ("y.csv", "1,0\n0,1\n1,0\n", "FILE must hold one label a line; line 1 has 2"),
    ("y.csv", '1\n""\n1\n', "FILE, line 2: the label is missing"),
    ("y.csv", "a\n0.5\nb\n", None),
    ("y.csv", "1\n0.5\n1\n", OTHER_NUMBERS.format(0.5, 2)),
    ("y.csv", "1\n0\nnan\n", "FILE, line 3: the label is missing ('nan')"),
    ("y.csv", "label\n1\nNA\n0\n", "FILE, line 3: the label is missing ('NA')"),
    ("y.txt", "a\nb\nNone\n", "FILE, line 3: the label is missing ('None')"),
    ("y.json", "[1]", "FILE must be a .npy, .npz, .csv or .txt file; got the ending '.json'"),
])
def test_text_that_is_no_labels(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    if sentence is None:
        assert_array_equal(read_labels(tmp_path / name, 3), ["a", "0.5", "b"])
    else:
        assert refused(tmp_path / name, read_labels, 3) == sentence


def test_an_npz_of_many_label_arrays(tmp_path):
    np.savez(tmp_path / "y.npz", a=[1, 2, 3], b=[1, 2, 3])
    assert refused(tmp_path / "y.npz", read_labels, 3) == (
        "FILE must have an array called y or labels, or only one with 1 axis; got a (3,), b (3,)")


# ---------------------------------------------------------------- results, written aside

def test_an_interrupted_write_leaves_what_was_there(tmp_path):
    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_all_atomically({one: lambda file: file.write(b"new"), two: fail})
    assert one.read_text() == "old"
    assert os.listdir(tmp_path) == ["one"]


def test_files_are_replaced(tmp_path):
    (tmp_path / "one").write_text("old")
    write_all_atomically({tmp_path / name: lambda file: file.write(b"new") for name in ("one", "two")})
    assert {name: (tmp_path / name).read_text() for name in os.listdir(tmp_path)} == {"one": "new", "two": "new"}


@pytest.mark.skipif(os.name != "posix", reason="permissions as in POSIX")
def test_files_have_the_permissions_that_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "x", lambda file: file.write(b"x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="links as in POSIX")
def test_links_are_followed_and_what_is_no_file_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "x")
    write_atomically(tmp_path / "link", lambda file: file.write(b"x"))
    assert (tmp_path / "there" / "x").read_text() == "x" and (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    for name in ("there", "pipe"):
        with pytest.raises(OSError, match="not a file"):
            write_atomically(tmp_path / name, lambda file: file.write(b"x"))
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe", "there"]
