"""Archives of numbers: any arrays come back as they were. Bad files are in test_hostile_models.py."""

import io

import numpy as np
import pytest
from hostile_models import HEADER, announcing, npy, packed, unpacked, with_entries
from numpy.testing import assert_array_equal

from decnp.exceptions import ArchiveError
from decnp.io.archive import read_archive, sha256_of, write_archive

ARRAYS = {
    "a.0": np.arange(6.0).reshape(2, 3)[:, ::2],
    "column by column": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
    "generator": np.array([2**64 - 1, 0], np.uint64),
    "labels": np.arange(5, dtype=np.int32),
    "big-endian": np.array([1, 2], ">i8"),
    "mask": np.array([[True], [False]]),
    "nothing": np.zeros((0, 4)),
    "number": np.array(-0.5, np.float32),
    "not finite": np.array([np.nan, -np.inf]),
    "long": np.arange(200_001, dtype=np.int64),  # several pieces
}


def written(header, arrays):
    file = io.BytesIO()
    write_archive(file, header, arrays)
    return file.getvalue()


def test_any_arrays_come_back(tmp_path):
    (tmp_path / "a").write_bytes(written({"kind": "any", "of": [1, None, 2**200, "\n"]}, ARRAYS))
    header, arrays = read_archive(tmp_path / "a")
    assert (header["kind"], header["of"]) == ("any", [1, None, 2**200, "\n"])
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype.newbyteorder("=") and arrays[name].shape == array.shape
        assert arrays[name].flags.c_contiguous and arrays[name].flags.writeable
        if array.dtype.isnative:
            assert header["sha256"][name] == sha256_of(array)
    assert written({}, ARRAYS) == written({}, ARRAYS)


def test_an_archive_of_nothing_but_a_header(tmp_path):
    (tmp_path / "a").write_bytes(written({"x": 1}, {}))
    assert read_archive(tmp_path / "a") == ({"x": 1, "sha256": {}}, {})


@pytest.mark.parametrize("header, array, sentence", [
    ({}, np.array(["a"]), "a must hold real numbers of 8 bytes at most; got the dtype <U1"),
    ({}, np.array([None]), "a must hold real numbers of 8 bytes at most; got the dtype object"),
    ({}, np.zeros(1, complex), "got the dtype complex128"),
    ({"x": "x" * (1 << 19)}, np.zeros(1), "the file's header would take 5.* bytes, and 524288 are the most"),
])
def test_what_could_not_be_read_again_is_not_written(header, array, sentence):
    with pytest.raises(ValueError, match=sentence):
        written(header, {"a": array})


@pytest.mark.parametrize("array, sentence", [
    (npy(np.array([None])), "must be an .npy array of numbers; it begins as"),
    (npy(np.array(["a"])), "must be an .npy array of numbers; it begins as"),
    (announcing("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"), "takes 799999999992 bytes of"),
    (announcing("{'descr': '<f8', 'fortran_order': False, 'shape': (0" + ", 1" * 99 + "), }", np.zeros(0)), "damaged"),
    (announcing("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }"), "it begins as"),
    (announcing("{'descr': '<f8', 'fortran_order': True, 'shape': (5, 4), }"), "it begins as"),
    (None, "it must have 1 arrays; got 0"),
], ids=["objects", "strings", "a long shape", "many axes", "a negative shape", "column by column", "none"])
def test_arrays_that_are_none(tmp_path, array, sentence):
    (tmp_path / "a").write_bytes(with_entries(a=array)(written({}, {"a": np.zeros(3)})))
    with pytest.raises(ArchiveError, match=sentence):
        read_archive(tmp_path / "a")


def test_other_names_than_the_sums(tmp_path):
    entries = unpacked(written({}, {"a": np.zeros(3)}))
    (tmp_path / "a").write_bytes(packed([(HEADER, entries[HEADER]), ("b.npy", entries["a.npy"])]))
    with pytest.raises(ArchiveError, match="a is missing"):
        read_archive(tmp_path / "a")


def test_names_are_shown_on_one_line(tmp_path):
    (tmp_path / "a").write_bytes(packed([(HEADER, b'{"sha256": {"a\\n\\u001b[31m": ""}}'), ("b.npy", npy(np.zeros(3)))]))
    with pytest.raises(ArchiveError) as error:
        read_archive(tmp_path / "a")
    assert str(error.value).isprintable() and r"a\n\x1b[31m is missing" in str(error.value)
