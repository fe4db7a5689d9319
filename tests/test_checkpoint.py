"""Checkpoints: a run that was stopped goes on to the same bits, and no other file is taken for its checkpoint."""

import errno
import json
import os
import shutil
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import BY_THE_BOOK, blobs, identical
from hostile_models import with_header
from numpy.testing import assert_array_equal
from sklearn.base import clone

from decnp import DEC, Checkpoint, CheckpointError, StackedAutoencoder
from decnp.autoencoder import AutoencoderState
from decnp.cli.train_fit import _KeptCheckpoint
from decnp.dec import STATES
from decnp.io import array_file, safetensors
from decnp.io.atomic import write_atomically
from decnp.layers import Dense
from decnp.optim import Minibatches
from decnp.training import checkpoint as module
from decnp.training.checkpoint import recipe_of
from decnp.training.records import History
from decnp.training.state_tree import from_tree, to_tree

SCHEDULES = {
    "paper": BY_THE_BOOK,
    "shuffled": replace(BY_THE_BOOK, shuffle=True, init_std=None, lr_decay="cosine", finetune_dropout=0.2,
                        momentum_restart=False),
    "adam": replace(BY_THE_BOOK, optimizer="adam", lr=1e-3, shuffle=True, pretrain_iter=0, init_std=None),
}


class Killed(BaseException):
    """A process that ends."""


class KilledAt(Checkpoint):
    """Writes after each of the last two steps, and then the run is killed: the files of earlier ones would be replaced."""

    def __init__(self, path, steps):
        super().__init__(path, every=0)
        self.steps = steps

    def keep(self, state):
        if self.steps <= 2:
            super().keep(state)
        self.steps -= 1
        if self.steps == 0:
            raise Killed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def dec(profile=BY_THE_BOOK, checkpoint=None, **settings):
    small = {"hidden_layer_sizes": (5, 4, 2), "n_init": 3, "batch_size": 64, "engine": "numpy", "tol": 0}
    return DEC(3, profile=profile, checkpoint=checkpoint, **{**small, "random_state": 0, **settings})


def n_steps(X, **settings):
    """How often a whole run asks its checkpoint."""
    asked = []

    class Counting(Checkpoint):
        def keep(self, state):
            asked.append(1)

    dec(checkpoint=Counting("never written"), **settings).fit(X)
    return len(asked)


def all_that_a_run_leaves(dec):
    return [dec.initial_labels_, dec.initial_centers_, np.array(dec.n_iter_), np.array(dec.autoencoder_.scale_),
            np.array(dec.inertia_)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_killed_after_any_step_it_ends_in_the_same_bits(X, path, schedule):
    profile = SCHEDULES[schedule]
    whole = dec(profile).fit(X)
    steps = n_steps(X, profile=profile)
    assert steps == 3 * profile.pretrain_iter + profile.finetune_iter + profile.max_iter
    ends = np.cumsum([profile.pretrain_iter] * 3 + [profile.finetune_iter, *[profile.update_interval] * 5])
    for killed_at in sorted({1, 2, 3, *ends, *ends + 1, steps - 1, steps} - {0} & set(range(steps + 1))):
        with pytest.raises(Killed):
            dec(profile, KilledAt(path, killed_at)).fit(X)
        again = dec(profile, path).resume(X)
        assert identical(whole, again), killed_at
        for one, other in zip(all_that_a_run_leaves(whole), all_that_a_run_leaves(again), strict=True):
            assert_array_equal(one, other)
        assert again.history_ == whole.history_ and again.autoencoder_.history_ == whole.autoencoder_.history_
        assert (again.stop_reason_, again.converged_) == (whole.stop_reason_, whole.converged_)
        assert not path.exists()


def test_killed_again_and_again(X, path):
    whole, killed = dec().fit(X), 0
    with pytest.raises(Killed):
        dec(checkpoint=KilledAt(path, 3)).fit(X)
    while True:
        try:
            again = dec(checkpoint=KilledAt(path, 7)).resume(X)
            break
        except Killed:
            killed += 1
    assert killed > 5 and identical(whole, again) and again.history_ == whole.history_


def test_a_phase_that_diverged_goes_on_at_its_own_rate(X, path):
    profile = replace(BY_THE_BOOK, lr=60.0, lr_halvings=9, pretrain_iter=0)
    whole = dec(profile).fit(X)
    reported = [step.iteration for step in whole.history_ if step.phase == "finetune"]
    assert reported != sorted(reported)  # it started again
    for killed_at in range(1, 30, 3):
        with pytest.raises(Killed):
            dec(profile, KilledAt(path, killed_at)).fit(X)
        again = dec(profile, path).resume(X)
        assert identical(whole, again) and again.history_ == whole.history_


def test_from_an_autoencoder_that_is_given(X, autoencoder, path):
    whole = dec(autoencoder=autoencoder).fit(X)
    with pytest.raises(Killed):
        dec(autoencoder=autoencoder, checkpoint=KilledAt(path, 9)).fit(X)
    assert identical(whole, dec(autoencoder=autoencoder, checkpoint=path).resume(X))
    with pytest.raises(Killed):
        dec(autoencoder=autoencoder, checkpoint=KilledAt(path, 9)).fit(X)
    other = StackedAutoencoder((5, 4, 2), profile=replace(BY_THE_BOOK, finetune_iter=1), random_state=1).fit(X)
    with pytest.raises(CheckpointError, match="another run: autoencoder was '"):
        dec(autoencoder=other, checkpoint=path).resume(X)


@pytest.mark.parametrize("seed", [None, "PCG64", "MT19937", "Philox", "SFC64"])
def test_the_generators_are_kept_and_not_only_their_seed(X, path, seed):
    def random_state():
        return seed and np.random.Generator(getattr(np.random, seed)(5))

    seen = []
    with pytest.raises(Killed):
        for step in dec(checkpoint=KilledAt(path, 20), random_state=random_state()).steps(X):
            seen.append(step)
    one, two = (dec(checkpoint=path, random_state=random_state()) for _ in range(2))
    kept = path.read_bytes()
    one.resume(X)
    path.write_bytes(kept)
    two.resume(X)
    assert identical(one, two) and one.history_[: len(seen)] == seen
    if seed:
        assert identical(one, dec(random_state=random_state()).fit(X))


# ---------------------------------------------------------------- another run, another file

@pytest.fixture
def kept(X, path):
    with pytest.raises(Killed):
        dec(checkpoint=KilledAt(path, 20)).fit(X)
    return path


@pytest.mark.parametrize("settings, sentence", [
    ({"n_init": 4}, "n_init was 3, and is 4 now"),
    ({"alpha": 2.0}, "alpha was 1.0, and is 2.0 now"),
    ({"random_state": 1}, "random_state was 0, and is 1 now"),
    ({"random_state": None}, "random_state was 0, and is 'NoneType' now"),
    ({"hidden_layer_sizes": (5, 2)}, r"hidden_layer_sizes was \[5, 4, 2\], and is \[5, 2\] now"),
    ({"profile": replace(BY_THE_BOOK, lr_every=5)}, "lr_every was 4, and is 5 now"),
    ({"max_iter": 31}, "max_iter was 32, and is 31 now"),
    ({"dtype": "float32"}, "dtype was 'float64', and is 'float32' now"),
    ({"init": "neighbors"}, "init was 'k-means', and is 'neighbors' now"),
    ({"engine": "numba"}, "engine was 'numpy', and is 'numba' now"),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_another_recipe_is_refused_with_the_difference(X, kept, settings, sentence):
    with pytest.raises(CheckpointError, match=f"run.checkpoint is of another run: {sentence}"):
        dec(checkpoint=kept, **settings).resume(X)
    assert kept.exists()


def test_other_data_are_refused(X, kept):
    other = X.copy()
    other[3, 2] = np.nextafter(other[3, 2], 9)
    with pytest.raises(CheckpointError, match="another run: the sha256 of X was '"):
        dec(checkpoint=kept).resume(other)
    with pytest.raises(CheckpointError, match=r"another run: the shape of X was \[150, 6\], and is \[149, 6\] now"):
        dec(checkpoint=kept).resume(X[:-1])


def test_another_number_of_threads_is_warned_of(X, kept, monkeypatch):
    monkeypatch.setattr(module, "rounding", lambda: ["NumPy 0", "another BLAS (threads: 99)"])
    with pytest.warns(RuntimeWarning, match=r"the run began with NumPy .* and is resumed with NumPy 0, another BLAS \(threads: 99\)"):
        dec(checkpoint=kept).resume(X)


def test_nothing_to_resume(X, path):
    with pytest.raises(FileNotFoundError):
        dec(checkpoint=path).resume(X)
    with pytest.raises(ValueError, match="to resume, checkpoint must be the path of a checkpoint; got None"):
        dec().resume(X)


def test_files_that_are_no_checkpoints_are_refused(X, kept, tmp_path):
    content = kept.read_bytes()
    fitted = dec().fit(X)
    fitted.save(tmp_path / "model.decnp")
    with zipfile.ZipFile(kept) as archive:
        header = json.loads(archive.read("header.json"))
    header["format"] = 99
    wrong = {"empty": b"", "a model": (tmp_path / "model.decnp").read_bytes(), "cut": content[:-99], "words": b"hello",
             "flipped": content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1:]}
    for bad in wrong.values():
        kept.write_bytes(bad)
        with pytest.raises(CheckpointError, match=f"^{kept} is (not a checkpoint|cut short)") as error:
            dec(checkpoint=kept).resume(X)
        assert str(error.value).count(str(kept)) == 1
        assert kept.read_bytes() == bad
    kept.write_bytes(content)
    with zipfile.ZipFile(kept) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    with pytest.raises(CheckpointError, match="is a checkpoint of another decnp: its format is 99, this one reads 5"):
        dec(checkpoint=kept).resume(X)


@pytest.mark.parametrize("change", [
    lambda header: header["state"]["fields"]["autoencoder"]["fields"].update(t="1"), lambda header: header.update(notes={"a": 1}),
    lambda header: header["recipe"].update(alpha=2), lambda header: header.update(digest="0"),
], ids=["state", "notes", "recipe", "digest"])
def test_a_header_that_was_changed_is_refused(X, kept, change):
    kept.write_bytes(with_header(change)(kept.read_bytes()))
    with pytest.raises(CheckpointError, match="run.checkpoint is damaged: its header does not have the digest in it"):
        dec(checkpoint=kept).resume(X)


# ---------------------------------------------------------------- the state object as a tree

def test_a_state_object_comes_back_with_its_arrays_shared_and_its_generators_in_place():
    rng = np.random.default_rng(3)
    batches = Minibatches(10, 4, rng)
    next(batches)
    W = np.eye(2)
    state = AutoencoderState([Dense(W, W[0].copy(), "relu")], [Dense(W, W[1].copy(), "linear")],
                             np.random.Generator(np.random.MT19937(1)), batches, t=5)
    arrays = {}
    tree = json.loads(json.dumps(to_tree(state, arrays, "state")))
    assert sum(array is W for array in arrays.values()) == 1  # stored once
    again = from_tree(tree, arrays, {cls.__name__: cls for cls in (AutoencoderState, Minibatches, Dense, History)})
    assert type(again) is AutoencoderState and again.t == 5 and again.encoder[0].W is again.decoder[0].W
    assert again.noise.random(3).tolist() == state.noise.random(3).tolist()
    assert [next(again.batches).tolist() for _ in range(9)] == [next(batches).tolist() for _ in range(9)]


@pytest.mark.parametrize("tree, error", [
    ({"class": "Popen", "fields": {"args": "ls"}}, KeyError),
    ({"class": "Minibatches", "fields": {"rows": 3}}, TypeError),
    ({"generator": {"bit_generator": "default_rng"}}, KeyError),
    ({"array": "missing"}, KeyError),
], ids=["another class", "other fields", "another generator", "a missing array"])
def test_a_tree_can_name_only_the_classes_of_a_run(tree, error):
    with pytest.raises(error):
        from_tree(tree, {}, {"Minibatches": Minibatches})


def test_layers_of_another_shape_are_refused(X, kept):
    state = Checkpoint(kept)
    run = state.read(recipe_of(dec().set_params(batch_size=64), X, dec()._schedule(len(X)), None), STATES)
    run.autoencoder.encoder[0] = run.autoencoder.encoder[0]._replace(W=np.eye(3))
    state.write(run)
    with pytest.raises(CheckpointError, match="its layers do not fit the parameters of this run"):
        dec(checkpoint=kept).resume(X)


# ---------------------------------------------------------------- when it is written

@pytest.mark.parametrize("every", ["10", None, True, np.nan, -1, -np.inf, [1]])
def test_minutes_that_are_no_number_are_refused(path, every):
    with pytest.raises(ValueError, match="^every must be a number of minutes >= 0, or inf; got "):
        Checkpoint(path, every)


@pytest.mark.parametrize("every", [0, 2.5, np.float32(1), np.int64(3), float("inf"), np.float32("inf")])
def test_minutes_of_any_kind_of_number(path, every):
    assert Checkpoint(path, every).every == every


def test_it_is_written_when_it_is_time(X, path, monkeypatch):
    now, written = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    class Noted(Checkpoint):
        def keep(self, state):
            now[0] += 60
            super().keep(state)

        def write(self, state):
            written.append(now[0] / 60)
            super().write(state)

    dec(checkpoint=Noted(path, every=12.5)).fit(X)
    assert written == [float(minute) for minute in range(13, 71, 13)]
    assert not path.exists()  # the run is complete


def test_a_complete_run_without_a_change_is_converged_again(X, path):
    """The last fraction of changed labels is 0, which must not count as missing."""
    fitted = []
    for resume in (False, True):
        model = dec(replace(BY_THE_BOOK, kl_lr=0.0), checkpoint=_KeptCheckpoint(path, 0.0), tol=0.5)
        reports = list(model.iter_fit(X, resume))
        assert bool(reports) is not resume, "a complete run has no more reports"
        model.checkpoint.write_final()
        fitted.append(model)
    last = fitted[0].history_[-1]
    assert last.changed == 0
    for model in fitted:
        assert model.converged_ and model.n_iter_ == last.iteration
        assert_array_equal(model.labels_, model.predict(X))
        assert model.stop_reason_ == "0.000% of the labels changed between two refreshes of P, fewer than tol = 50.000%"


def test_a_complete_run_that_did_not_converge_has_not_converged_again(path):
    """Catches the fraction of another report than the last: the reports of the autoencoder have none."""
    noise, fitted = np.random.default_rng(0).normal(size=(150, 6)), []
    for resume in (False, True):
        model = dec(replace(BY_THE_BOOK, kl_lr=0.3), checkpoint=_KeptCheckpoint(path, 0.0), tol=1e-6)
        list(model.iter_fit(noise, resume))
        model.checkpoint.write_final()
        fitted.append(model)
    assert fitted[0].history_[-1].changed > 0
    assert [model.converged_ for model in fitted] == [False, False]
    assert fitted[0].stop_reason_ == fitted[1].stop_reason_ and fitted[0].inertia_ == fitted[1].inertia_


def test_stop_writes_and_ends_the_run(X, path):
    checkpoint = Checkpoint(path, every=np.inf)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        for step in dec(checkpoint=checkpoint).steps(X):
            seen.append(step)
            if step.phase == "finetune":
                checkpoint.stop()
    assert seen[-1].iteration == 1
    assert identical(dec().fit(X), dec(checkpoint=path).resume(X))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_what_cannot_be_written_is_warned_of_and_the_last_good_one_stays(X, path, monkeypatch, error):
    class Full(Checkpoint):
        left = 30

        def keep(self, state):
            Full.left -= 1
            if Full.left == 0:
                monkeypatch.setattr(os, "fsync", self.fail)
            super().keep(state)

        def fail(self, *_):
            raise OSError(error, os.strerror(error))

    with pytest.warns(RuntimeWarning, match=f"could not be written .{os.strerror(error)}.; the one before it stays"):
        for _step in dec(checkpoint=Full(path, every=0)).steps(X):
            pass
    monkeypatch.undo()
    assert os.listdir(path.parent) == [path.name]  # nothing half written
    assert identical(dec().fit(X), dec(checkpoint=path).resume(X))


def test_a_folder_that_vanishes_is_warned_of(X, tmp_path):
    (tmp_path / "folder").mkdir()
    steps = dec(checkpoint=Checkpoint(tmp_path / "folder" / "c", every=0)).iter_fit(X)
    next(steps)
    shutil.rmtree(tmp_path / "folder")
    with pytest.warns(RuntimeWarning, match="No such file or directory.; there is none yet"):
        next(steps)


@pytest.mark.parametrize("path, reason", [
    ("none/c", "No such file or directory"), ("~/c", "No such file or directory; ~ is not expanded"),
    ("file/c", "Not a directory"), ("folder", "it is not a file"), (os.devnull, "it is not a file"),
    (5, "must be a path or a Checkpoint; got 5"), (b"c", "must be a path or a Checkpoint; got b'c'")])
def test_a_path_that_cannot_be_written_is_an_error_before_the_first_step(X, tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for checkpoint in (path, Checkpoint(path)) if isinstance(path, str) else (path,):
        with pytest.raises(ValueError, match=reason):
            next(dec(checkpoint=checkpoint).iter_fit(X))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def save_array(X, path):
    with open(path, "wb") as file:
        np.save(file, X)


def killed(X, path, change):
    with pytest.raises(Killed):
        dec(checkpoint=KilledAt(path, 20)).fit(X)
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("write", [
    save_array, lambda X, path: dec().fit(X).save(path), lambda X, path: path.touch(),
    lambda X, path: killed(X, path, lambda content: content[:-99]),
    lambda X, path: killed(X, path, with_header(lambda header: header.update(kind="other"))),
], ids=["array", "model", "empty", "damaged checkpoint", "another archive"])
def test_a_file_that_is_not_a_checkpoint_is_never_replaced(X, path, write):
    write(X, path)
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"^the checkpoint {path} would replace a file that is not a checkpoint, or is damaged: "):
        dec(checkpoint=path).fit(X)
    assert path.read_bytes() == content


def test_a_checkpoint_of_another_run_is_replaced(X, kept):
    dec(checkpoint=kept, random_state=5).fit(X)
    assert not kept.exists()


def test_a_folder_without_permission_is_an_error_before_the_first_step(X, path, monkeypatch):
    def refuse(*args, **kwargs):  # root may write everywhere
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(CheckpointError, match=f"^the checkpoint {path} cannot be written: Permission denied$"):
        next(dec(checkpoint=path).iter_fit(X))


def test_what_a_killed_run_left_half_written_goes(X, kept):
    part = kept.with_name(f".{kept.name}.0123abcd.part")
    part.write_bytes(b"half")
    dec(checkpoint=kept).resume(X)
    assert os.listdir(kept.parent) == []


@pytest.mark.parametrize("own, other", [
    ("run", "run.2"), ("run", "run.0123abcd"), ("run[2]", "run2"), (50 * "r" + "1", 50 * "r" + "2")])
def test_only_the_temporary_files_of_its_own_name_go(tmp_path, monkeypatch, own, other):
    left = []

    def kill(file):
        left.append(os.path.basename(file.name))
        raise Killed

    for name in (own, other):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            write_atomically(tmp_path / name, kill)
    Checkpoint(tmp_path / own).remove()
    assert os.listdir(tmp_path) == left[1:]


def test_a_temporary_file_that_another_process_deleted_first_is_no_error(X, kept, monkeypatch):
    """Two runs that end at the same time both see the file."""
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / f".{kept.name}.0123abcd.part"]))
    dec(checkpoint=kept).resume(X)
    assert not kept.exists()


def test_it_is_no_part_of_the_result(X, path):
    model = dec(checkpoint=path)
    assert clone(model).checkpoint == path
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert identical(model.fit(X), dec().fit(X))


def test_large_histories_fit(path, monkeypatch):
    """The header of a file is bounded; 5000 refreshes must not fill it, and so 500 not a tenth of it."""
    tenth = array_file.MAX_HEADER // 10
    monkeypatch.setattr(array_file, "MAX_HEADER", tenth)
    monkeypatch.setattr(safetensors, "MAX_HEADER", tenth)
    X = blobs(n=20, n_features=2)
    profile = replace(BY_THE_BOOK, pretrain_iter=0, finetune_iter=2, update_interval=1, max_iter=500, kl_lr=1e-3)
    with pytest.raises(Killed):
        dec(profile, KilledAt(path, 2 + 500), hidden_layer_sizes=(2,)).fit(X)
    again = dec(profile, path, hidden_layer_sizes=(2,)).resume(X)
    assert len(again.history_) == 504
