"""Plain arrays of features, one file a video, become a store."""

import numpy as np
import pytest
from command_line import run
from foreign_maps import LENGTHS, D, N, maps

from videolstm_jax.errors import FileError
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset


def _array_set(folder, lengths, suffixes=(".npy", ".npz", ".npz")):
    """A data set of three videos, and a file of maps [T, N, N, D] for each."""
    videos = []
    for seed, (length, suffix) in enumerate(zip(lengths, suffixes, strict=True)):
        array = np.moveaxis(maps(seed, length), 1, 3)
        path = folder / "arrays" / "c" / f"v{seed}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".npy":
            np.save(path, array)
        elif seed == 1:
            np.savez(path, array)
        else:
            np.savez(path, features=array, times=np.arange(length))
        part = "test" if seed == 2 else "train"
        videos.append(Video(f"c/v{seed}", "", 0, part, "", LENGTHS[seed] + 1, 0, 0, 0.0))
    save_dataset(folder / "dataset.json", Dataset(("c",), tuple(videos)))
    return folder


def _import_arrays(folder, *options):
    command = ["videolstm_jax.cli", "features", "arrays"]
    paths = [str(folder / "arrays"), str(folder / "store")]
    option = f"--dataset={folder / 'dataset.json'}"
    command += [*paths, option, *options]
    return run(*command)


def test_plain_arrays_become_a_store(tmp_path):
    # One row a pair of frames, or one a frame, of which the last is left out.
    lengths = (LENGTHS[0], LENGTHS[1] + 1, LENGTHS[2])
    done = _import_arrays(_array_set(tmp_path, lengths))
    assert done.returncode == 0, done.stderr
    store = FeatureStore.open(tmp_path / "store")
    assert store.about["imported"] == "arrays" and store.shape == (N, N, D)
    for seed, length in enumerate(lengths):
        expected = np.moveaxis(maps(seed, length), 1, 3).astype(np.float16)
        assert np.array_equal(store.read(f"c/v{seed}"), expected[: LENGTHS[seed]])


def test_arrays_of_the_mirrored_training_list_become_a_store_beside_it(tmp_path):
    _array_set(tmp_path, LENGTHS)
    # The test video has none.
    for seed in (0, 1):
        path = tmp_path / "mirrored" / "c" / f"v{seed}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.moveaxis(maps(seed, LENGTHS[seed]), 1, 3)[:, :, ::-1])
    done = _import_arrays(tmp_path, f"--mirrored={tmp_path / 'mirrored'}", "--dtype=float16")
    assert done.returncode == 0, done.stderr
    filmed, mirrored = (FeatureStore.open(tmp_path / name) for name in ("store", "store-mirrored"))
    assert mirrored.about == filmed.about | {"from": "mirrored", "view": "mirrored"}
    assert list(mirrored.frames) == ["c/v0", "c/v1"]
    for name in mirrored.frames:
        assert np.array_equal(mirrored.read(name), filmed.read(name)[:, :, ::-1])


def test_arrays_of_another_number_of_frames_say_how_to_resample(tmp_path):
    lengths = (LENGTHS[0], LENGTHS[1] + 7, LENGTHS[2])
    done = _import_arrays(_array_set(tmp_path, lengths))
    rows, frames = lengths[1], LENGTHS[1] + 1
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"c/v1 has {rows} records; expected {frames - 1} or {frames} for" in done.stderr
    assert f"rows[np.linspace(0, {rows - 1}, {frames}).round().astype(int)]" in done.stderr


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "has no .npy or .npz files; expected one a video"),
        (lambda path: path.with_suffix(".npy").write_bytes(b"x"), "cannot be read as an array"),
        (lambda path: np.save(path, np.array([{}])), "the array is .1. of kind O; exp"),
        (lambda path: np.save(path, np.ones((3, 4, 4), int)), "array is .3, 4, 4. of kind i; exp"),
        (lambda path: np.save(path, np.ones((3, 2, 4, 4))), r"\[3, 2, 4, 4\] of kind f; expected"),
        (lambda path: np.savez(path, a=np.ones(3), b=np.ones(3)), "has the arrays .'a', 'b'.; exp"),
    ],
)
def test_files_that_are_no_features(tmp_path, write, message):
    write(tmp_path / "v")
    with pytest.raises(FileError, match=message):
        foreign.array_features(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda array: np.where(array == array.max(), np.nan, array), "c/v0.* reach nan; float16"),
        (lambda array: array[..., 1:], "features of the shapes .*; expected one"),
        (lambda array: array.mean((1, 2)), "features of the shapes .*; expected one"),
    ],
)
def test_arrays_that_make_no_store(tmp_path, change, message):
    _array_set(tmp_path, LENGTHS)
    path = tmp_path / "arrays" / "c" / "v0.npy"
    np.save(path, change(np.load(path)))
    features = foreign.array_features(tmp_path / "arrays")
    dataset = load_dataset(tmp_path / "dataset.json")
    with pytest.raises(FileError, match=message) as raised:
        importers.import_features(features, dataset, tmp_path / "store", {})
    assert "\n" not in str(raised.value)
    # A store without an index is not read by any stage.
    assert not (tmp_path / "store" / "index.json").exists()


def test_two_files_of_one_video(tmp_path):
    for suffix in (".npy", ".npz"):
        _array_set(tmp_path, LENGTHS, (suffix, ".npz", ".npz"))
    with pytest.raises(FileError, match="there are two files of c/v0; expected one"):
        foreign.array_features(tmp_path / "arrays")
