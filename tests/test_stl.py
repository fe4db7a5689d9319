"""STL-HOG: the features against plain loops and hand-worked values; the loader on small official-looking files."""

import hashlib
import math
import re

import numpy as np
import pytest
from datafiles import HTML, names_in, put, stl_archive, stl_bytes, stl_contents
from numpy.testing import assert_allclose, assert_array_equal

from decnp.datasets import DataError, UnofficialData, _stl10, load_stl, stl, stl_autoencoder_rows
from decnp.datasets.hog import IMAGES_PER_BLOCK, color_map, hog, stl_hog

# ---------------------------------------------------------------- features

def naive_hog(image):
    """The features of one image (H, W, 3), pixel by pixel: a list of rows of columns of 13 numbers."""
    n_rows, n_columns = len(image) // 8, len(image[0]) // 8
    angles = [math.radians(20 * o) for o in range(9)]
    directions = [(round(math.cos(a), 4), round(math.sin(a), 4)) for a in angles]
    hist = {(r, c, o): 0.0 for r in range(n_rows) for c in range(n_columns) for o in range(9)}
    for y in range(1, 8 * n_rows - 1):
        for x in range(1, 8 * n_columns - 1):
            longest, dx, dy = -1, 0, 0
            for channel in range(3):
                gx = int(image[y][x + 1][channel]) - int(image[y][x - 1][channel])
                gy = int(image[y + 1][x][channel]) - int(image[y - 1][x][channel])
                if gx * gx + gy * gy > longest:
                    longest, dx, dy = gx * gx + gy * gy, gx, gy
            best, orientation = 0.0, 0
            for o, (uu, vv) in enumerate(directions):
                if abs(uu * dx + vv * dy) > best:
                    best, orientation = abs(uu * dx + vv * dy), o
            row, column = (y + 0.5) / 8 - 0.5, (x + 0.5) / 8 - 0.5
            for r in (math.floor(row), math.floor(row) + 1):
                for c in (math.floor(column), math.floor(column) + 1):
                    if 0 <= r < n_rows and 0 <= c < n_columns:
                        hist[r, c, orientation] += math.sqrt(longest) * (1 - abs(row - r)) * (1 - abs(column - c))
    energy = {(r, c): sum(hist[r, c, o] ** 2 for o in range(9)) for r in range(n_rows) for c in range(n_columns)}
    features = np.zeros((n_rows - 2, n_columns - 2, 13))
    for r in range(1, n_rows - 1):
        for c in range(1, n_columns - 1):
            for m, (down, right) in enumerate([(1, 1), (-1, 1), (1, -1), (-1, -1)]):
                block = energy[r, c] + energy[r + down, c] + energy[r, c + right] + energy[r + down, c + right]
                for o in range(9):
                    h = min(hist[r, c, o] / math.sqrt(block + 1e-4), 0.2)
                    features[r - 1, c - 1, o] += 0.5 * h
                    features[r - 1, c - 1, 9 + m] += 0.2357 * h
    return features


def images_of(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def smooth(shape, seed=0):
    """Few grey values, so that many gradients are zero or equal in two channels."""
    return (images_of(shape, seed) // 100 * 40).astype(np.uint8)


def dots(*points):
    """A black image with some dots, {(row, column): grey value}."""
    image = np.zeros((1, 24, 24, 3), np.uint8)
    for row, column, value in points:
        image[0, row, column] = value
    return image


@pytest.mark.parametrize("images", [
    images_of((2, 24, 24, 3)), images_of((1, 40, 32, 3), 1), smooth((2, 32, 24, 3)), images_of((1, 96, 96, 3), 2),
    dots(),
    dots((4, 4, 1)),  # so faint that the 1e-4 in the energy counts
    dots((11, 12, 168), (12, 11, 97)),  # a gradient of (168, 97): 20 or 40 degrees by the fifth digit of the directions
], ids=["square", "tall", "ties", "full size", "black", "faint", "between"])
def test_hog_is_the_plain_loop(images):
    # votes are added in another order: 1e-12 is a thousand times what that makes
    assert_allclose(hog(images), [naive_hog(image) for image in images], rtol=0, atol=1e-12)


@pytest.mark.parametrize("along, orientation", [("columns", 0), ("rows", 4)])
def test_an_edge_has_one_orientation(along, orientation):
    """A vertical edge has 0 degrees; a horizontal one is as near to 80 as to 100, and the first is taken."""
    image = np.zeros((1, 24, 24, 3), np.uint8)
    image[:, :, 12:] = 255
    if along == "rows":
        image = image.transpose(0, 2, 1, 3)
    # one orientation, cut off at 0.2 in each of four blocks: 0.5 * 4 * 0.2, and 0.2357 * 0.2 a block
    wanted = np.zeros(13)
    wanted[orientation], wanted[9:] = 0.4, 0.2357 * 0.2
    assert_allclose(hog(image)[0, 0, 0], wanted, atol=1e-15)


def test_an_edge_at_the_left_by_hand():
    """Columns 4 and 5 have gradients of 255, in the left cells with shares .9375 + .8125, in the middle with .25.

    Rows share out to 2.4375 + 4 = 6.4375, to 8, and to 6.4375 for the three cells of a column. So the middle cell
    has 255 * 8 * .25; with its right-hand neighbours that is 8 / sqrt(8^2 + 6.4375^2) = .78, cut off at .2; with
    the left-hand ones 8 * .25 / sqrt((8^2 + 6.4375^2) (1.75^2 + .25^2)) = .1102.
    """
    image = np.zeros((1, 24, 24, 3), np.uint8)
    image[:, :, 5:] = 255
    left = 2 / math.sqrt((64 + 6.4375**2) * 3.125)
    wanted = [0.5 * (0.4 + 2 * left), *[0] * 8, 0.2357 * 0.2, 0.2357 * 0.2, 0.2357 * left, 0.2357 * left]
    assert left == pytest.approx(0.110179, abs=1e-6)
    assert_allclose(hog(image)[0, 0, 0], wanted, rtol=1e-9)  # 1e-4 is added to an energy of 2e7


@pytest.mark.parametrize("corner, channel", [((1, 1), 9), ((0, 1), 10), ((1, 0), 11), ((0, 0), 12)])
def test_which_channel_is_which_block(corner, channel):
    """A strong corner makes the rest of its block small: lower right, upper right, lower left, upper left."""
    image = np.zeros((1, 24, 24, 3), np.uint8)
    image[0, 12, 12] = 30
    rows, columns = (slice(17, 23) if side else slice(1, 7) for side in corner)
    image[0, rows, columns] = np.indices((6, 6)).sum(0)[..., None] % 4 // 2 * 255
    blocks = hog(image)[0, 0, 0, 9:]
    assert blocks.argmin() == channel - 9 and np.sort(blocks)[1] > 3 * blocks.min()


@pytest.mark.parametrize("green, blue, orientation", [(200, 199, 0), (199, 200, 4), (200, 200, 0)])
def test_the_strongest_channel_counts_and_the_first_of_equals(green, blue, orientation):
    """A checkerboard's edges where a vertical one is in green and a horizontal one in blue, at every pixel."""
    image = np.zeros((1, 24, 24, 3), np.uint8)
    image[0, :, :, 1] = green * (np.arange(24) // 2 % 2)
    image[0, :, :, 2] = blue * (np.arange(24)[:, None] // 2 % 2)
    assert np.flatnonzero(hog(image)[0, 0, 0, :9]).tolist() == [orientation]


def test_colours_by_hand():
    """Y = .299 R + .587 G + .114 B, rounded, then Cr = .713 (R - Y) + 128 and Cb = .564 (B - Y) + 128."""
    by_hand = {
        (0, 0, 0): (128, 128), (255, 255, 255): (128, 128), (77, 77, 77): (128, 128),
        (255, 0, 0): (255, 85),  # Y 76.2; 128 + .713 * 179 = 255.6, cut off at 255; 128 - .564 * 76 = 85.1
        (0, 0, 255): (107, 255),  # Y 29.1; 128 - .713 * 29 = 107.3; 128 + .564 * 226 = 255.5, cut off
        (0, 255, 0): (21, 43),  # Y 149.7; 128 - .713 * 150 = 21.05; 128 - .564 * 150 = 43.4
        (200, 100, 50): (182, 86),  # Y 124.2; 128 + .713 * 76 = 182.2; 128 - .564 * 74 = 86.3
    }
    for rgb, crcb in by_hand.items():
        assert_array_equal(color_map(np.full((1, 96, 96, 3), rgb, np.uint8)), np.broadcast_to(crcb, (1, 8, 8, 2)))


def test_the_color_map_reads_the_middle_of_each_block():
    image = np.zeros((1, 96, 96, 3), np.uint8)
    middle = image.reshape(8, 12, 8, 12, 3)[:, 5:7, :, 5:7]
    assert middle.base is not None
    image[0, :, :, 0] = 255
    middle[..., 0] = 0
    assert_array_equal(color_map(image), 128)  # all the red is where nobody looks
    middle[2, :, 6, :, 0] = [[0, 0], [0, 2]]  # the mean .5 rounds up to 1; .713 rounds up to 1
    assert np.argwhere(color_map(image) != 128).tolist() == [[0, 2, 6, 0]]
    assert color_map(image)[0, 2, 6, 0] == 129
    middle[2, :, 6, :, 0] = [[0, 0], [0, 1]]  # .25 rounds down
    assert_array_equal(color_map(image), 128)


def test_4096_colours_as_opencv_has_them():
    """The sum is that of OpenCV 5.0.0's answers: cvtColor(..., COLOR_RGB2YCrCb) of every 17th value in R, G and B."""
    values = np.arange(0, 256, 17, dtype=np.uint8)
    colours = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(64, 8, 8, 3)
    crcb = color_map(colours.repeat(12, axis=1).repeat(12, axis=2))
    assert hashlib.sha256(crcb.tobytes()).hexdigest() == (
        "2ea00d70bc32fb91347ce2f5519ec8d4f0549d29e3d9fa494701effb679aa0ef")


def test_the_color_map_is_opencvs():
    cv2 = pytest.importorskip("cv2", reason="OpenCV, which the authors call, is not installed")
    images = np.concatenate([images_of((30, 96, 96, 3)), smooth((30, 96, 96, 3))])
    theirs = [cv2.cvtColor(cv2.resize(image, (8, 8)), cv2.COLOR_RGB2YCrCb)[..., 1:] for image in images]
    assert_array_equal(color_map(images), theirs)


def test_features_are_shape_then_colour_scaled():
    images = images_of((IMAGES_PER_BLOCK + 2, 96, 96, 3))  # two blocks
    X = stl_hog(images)
    assert X.shape == (IMAGES_PER_BLOCK + 2, 1428) and X.dtype == np.float32 and X.flags.c_contiguous
    for i in (0, IMAGES_PER_BLOCK - 1, IMAGES_PER_BLOCK, IMAGES_PER_BLOCK + 1):
        H, crcb = hog(images[i:i + 1])[0], color_map(images[i:i + 1])[0].astype(float)
        for y, x, channel in ((0, 0, 0), (0, 0, 12), (3, 7, 5), (9, 9, 12)):
            assert X[i, (y * 10 + x) * 13 + channel] == np.float32((H[y, x, channel] - 0.2) * 10)
        for y, x, channel in ((0, 0, 0), (0, 0, 1), (5, 2, 1), (7, 7, 1)):
            assert X[i, 1300 + (y * 8 + x) * 2 + channel] == np.float32((crcb[y, x, channel] - 128) / 10)
    assert X[:, :1300].min() >= -2 and X[:, :1300].max() <= 2.0 + 9 * 0.2357  # 0..0.4; 9..12 reach 9 * 0.2357 * 0.2


@pytest.mark.parametrize("function, images, says", [
    (stl_hog, np.zeros((1, 32, 32, 3), np.uint8), r"the shape \(n, 96, 96, 3\); got \(1, 32, 32, 3\)"),
    (stl_hog, np.zeros((96, 96, 3), np.uint8), r"the shape \(n, 96, 96, 3\); got \(96, 96, 3\)"),
    (hog, np.zeros((1, 16, 24, 3), np.uint8), r"multiples of 8 and at least 24; got \(1, 16, 24, 3\)"),
    (hog, np.zeros((1, 24, 28, 3), np.uint8), r"multiples of 8 and at least 24; got \(1, 24, 28, 3\)"),
    (hog, np.zeros((1, 24, 24, 3)), "be a uint8 array; got float64"),
    (hog, [[0]], "be a uint8 array; got list"),
    (hog, np.zeros((1, 24, 24, 3), bool), "be a uint8 array; got bool"),
    (color_map, np.zeros((1, 24, 32, 3), np.uint8), "multiples of 16; got 24 and 32"),
])
def test_images_that_do_not_fit(function, images, says):
    with pytest.raises(ValueError, match=f"^images must .*{says}$"):
        function(images)


# ---------------------------------------------------------------- the loader

CONTENTS = stl_contents()
FILES = {name: stl_bytes(array) for name, array in CONTENTS.items()}
ARCHIVE = stl_archive(FILES)
LABELLED = np.concatenate([CONTENTS["train_X.bin"], CONTENTS["test_X.bin"]])
LABELS = np.concatenate([CONTENTS["train_y.bin"], CONTENTS["test_y.bin"]]).astype(int) - 1


def unpacked(files):
    return {f"stl10_binary/{name}": content for name, content in files.items()}


@pytest.fixture
def official(folders, monkeypatch):
    """The small files are the official ones."""
    monkeypatch.setattr(stl, "OFFICIAL_FILES", sums := {
        name: _stl10.OfficialFile(len(content), hashlib.md5(content).hexdigest()) for name, content in FILES.items()})
    monkeypatch.setattr(_stl10, "OFFICIAL_FILES", sums)
    return folders


def place(folder, form):
    put(folder, unpacked(FILES) if form == "unpacked" else {"stl10_binary.tar.gz": ARCHIVE})


@pytest.mark.parametrize("form", ["unpacked", "packed"])
@pytest.mark.parametrize("split", ["all", "train", "test"])
def test_splits_and_their_order(official, form, split):
    place(official["env"], form)
    X, y = load_stl(split)
    order = np.random.RandomState(1234).permutation(7)
    rows = {"all": order, "train": range(4), "test": range(4, 7)}[split]
    assert_array_equal(X, stl_hog(LABELLED)[rows])
    assert_array_equal(y, LABELS[rows])
    assert X.dtype == np.float32 and y.dtype == np.int64


@pytest.mark.parametrize("form", ["unpacked", "packed"])
def test_the_autoencoders_rows(official, form, monkeypatch):
    """As the authors do it, with everything in memory; ours sees two images at a time."""
    place(official["env"], form)
    sizes = []
    monkeypatch.setattr(stl, "stl_hog", lambda images: (sizes.append(len(images)), stl_hog(images))[1])
    monkeypatch.setattr(_stl10, "READ_SIZE", 2 * _stl10.IMAGE_SIZE)
    random = np.random.RandomState(1234)
    total = stl_hog(LABELLED)[random.permutation(7)]
    everything = np.concatenate([total, stl_hog(CONTENTS["unlabeled_X.bin"])])[random.permutation(15)]
    rows = stl_autoencoder_rows()
    assert_array_equal(rows, everything[:12])
    assert isinstance(rows, np.memmap) and not rows.flags.writeable and max(sizes) == 2
    assert names_in(official["cache"]) == ["stl-hog-autoencoder-v1.npy", "stl-hog-v1.npz"]
    sizes.clear()
    assert_array_equal(stl_autoencoder_rows(), everything[:12])
    assert_array_equal(load_stl()[0], total)
    assert sizes == []  # the features were kept


def test_the_official_orders():
    first, second = stl._orders(13_000, 113_000)
    assert first[:5].tolist() == [3982, 1561, 6182, 3964, 9872]
    assert second[:5].tolist() == [67666, 52467, 43083, 57461, 109143]  # from where the first one ended
    assert (len(first), len(second)) == (13_000, 113_000)


def test_a_data_home_gets_what_is_kept(official, tmp_path):
    home = tmp_path / "home"
    place(home, "unpacked")
    load_stl(data_home=home)
    stl_autoencoder_rows(data_home=home)
    assert names_in(home) == ["stl-hog-autoencoder-v1.npy", "stl-hog-v1.npz", "stl10_binary"]


def test_features_that_cannot_be_kept_are_worked_out_each_time(official):
    place(official["env"], "unpacked")
    official["cache"].rmdir()
    official["cache"].write_text("a file where the folder should be")
    assert_array_equal(load_stl()[0], load_stl()[0])


@pytest.mark.parametrize("name, load", [
    ("stl-hog-v1.npz", load_stl), ("stl-hog-autoencoder-v1.npy", stl_autoencoder_rows),
])
def test_kept_features_that_are_damaged(official, name, load):
    place(official["env"], "unpacked")
    load()
    path = official["cache"] / name
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=re.escape(str(path)) + " .*damaged"):
        load()


def test_kept_features_of_something_else(official):
    np.savez(official["cache"] / "stl-hog-v1.npz", X=np.zeros((3, 1428), np.float32), y=np.zeros(3, int))
    with pytest.raises(DataError, match=r"stl-hog-v1\.npz does not hold the features of 7 images; delete it"):
        load_stl()


# ---------------------------------------------------------------- files that are not the official ones

def test_unofficial_files_are_refused_unless_asked_for(folders):
    place(folders["env"], "unpacked")
    with pytest.raises(DataError, match=r"train_X\.bin is not the official file: it has 110592 bytes, not 138240000$"):
        load_stl()
    for load, rows in ((lambda: load_stl(verify=False)[0], 7), (lambda: stl_autoencoder_rows(verify=False), 12)):
        with pytest.warns(UnofficialData, match=r"train_X\.bin and the other files of STL-10 are used without a check"):
            assert load().shape == (rows, 1428)
    assert names_in(folders["cache"]) == ["unofficial-stl-hog-autoencoder-v1.npy"]  # its name says it


def test_unofficial_files_are_read_even_where_features_of_the_official_ones_are_kept(official):
    place(official["env"], "unpacked")
    kept, _ = load_stl()
    stl_autoencoder_rows()
    put(official["env"], unpacked({"train_X.bin": FILES["train_X.bin"][::-1]}))
    with pytest.warns(UnofficialData):
        assert abs(load_stl(verify=False)[0] - kept).max() > 0.1
    with pytest.warns(UnofficialData):
        assert abs(stl_autoencoder_rows(verify=False) - stl_autoencoder_rows()).max() > 0.1
    assert_array_equal(load_stl()[0], kept)


def test_unofficial_rows_are_written_anew(folders):
    place(folders["env"], "unpacked")
    with pytest.warns(UnofficialData):
        first = np.array(stl_autoencoder_rows(verify=False))
    put(folders["env"], unpacked({"unlabeled_X.bin": FILES["train_X.bin"] * 2}))
    with pytest.warns(UnofficialData):
        assert abs(stl_autoencoder_rows(verify=False) - first).max() > 0.1


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


BROKEN = {  # files changed, verify -> what is said
    "wrong bit": ({"test_X.bin": flipped(FILES["test_X.bin"])}, True, r"test_X\.bin.* is not .*: its md5 is"),
    "wrong label": ({"test_y.bin": flipped(FILES["test_y.bin"])}, True, r"test_y\.bin.* is not .*: its md5 is"),
    "longer": ({"train_y.bin": FILES["train_y.bin"] + b"\1"}, True, r"train_y\.bin.* is not .*: it has 5 bytes, not 4"),
    "half an image": ({"train_X.bin": FILES["train_X.bin"][:-9]}, False, r"must hold images of 27648 bytes; got 11058"),
    "empty": ({"test_X.bin": b""}, False, r"test_X\.bin.* must hold images of 27648 bytes; got 0 bytes"),
    "label 0": ({"test_y.bin": b"\1\0\2"}, False, r"test_y\.bin.* must hold labels from 1 to 10; got 0 as number 2"),
    "label 11": ({"test_y.bin": b"\x0b\1\2"}, False, r"test_y\.bin.* must hold labels .*; got 11 as number 1"),
    "labels": ({"test_y.bin": b"\1\2"}, False, r"test_y\.bin.* must hold one label .* of test_X\.bin, 3; got 2"),
}


@pytest.mark.parametrize("form", ["unpacked", "packed"])
@pytest.mark.parametrize("why", BROKEN)
@pytest.mark.filterwarnings("ignore::decnp.datasets.UnofficialData")
def test_broken_files_are_named(official, form, why):
    changed, verify, says = BROKEN[why]
    files = {**FILES, **changed}
    put(official["env"], unpacked(files) if form == "unpacked" else {"stl10_binary.tar.gz": stl_archive(files)})
    with pytest.raises(DataError, match=f"^{re.escape(str(official['env']))}.*{says}"):
        load_stl(verify=verify)
    assert names_in(official["cache"]) == []


def test_a_wrong_bit_in_the_unlabelled_images_leaves_no_rows(official):
    put(official["env"], unpacked({**FILES, "unlabeled_X.bin": flipped(FILES["unlabeled_X.bin"])}))
    with pytest.raises(DataError, match=r"unlabeled_X\.bin is not the official file"):
        stl_autoencoder_rows()
    assert names_in(official["cache"]) == ["stl-hog-v1.npz"]


@pytest.mark.parametrize("content, says", [
    (HTML, r"is damaged or not a tar\.gz: it begins with b'<!DOCTYPE'"),
    (ARCHIVE[:len(ARCHIVE) // 2], r"is damaged"),
    (b"", "is damaged or not a tar.gz: it begins with b''"),
    (stl_archive({k: v for k, v in FILES.items() if k != "test_y.bin"}), r"has no test_y\.bin"),
], ids=["html", "half", "empty", "member missing"])
def test_broken_archives(official, content, says):
    put(official["env"], {"stl10_binary.tar.gz": content})
    with pytest.raises(DataError, match=rf"stl10_binary\.tar\.gz.* {says}"):
        load_stl()


def test_a_file_that_is_nowhere(official):
    put(official["env"], unpacked({"train_X.bin": FILES["train_X.bin"]}))
    with pytest.raises(DataError, match=r"^stl10_binary\.tar\.gz of STL-10, or stl10_binary/train_y\.bin, is in none "):
        load_stl()


def test_no_room_for_the_rows(official, monkeypatch):
    place(official["env"], "unpacked")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 12 * 1428 * 4 - 1}))
    with pytest.raises(DataError, match=r"not enough free space on the disk of .* for stl-hog-autoencoder-v1\.npy"):
        stl_autoencoder_rows()


@pytest.mark.parametrize("split", ["unlabeled", "", None, 0], ids=repr)
def test_unknown_split(split):
    with pytest.raises(ValueError, match=rf"^split must be 'all', 'train' or 'test'; got {re.escape(repr(split))}$"):
        load_stl(split)
