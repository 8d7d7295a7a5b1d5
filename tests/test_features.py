"""The feature store against plain arrays: what is read is what was written."""

import json

import numpy as np
import pytest
from feature_stores import ABOUT, files, values, written

from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import write_json


@pytest.mark.parametrize("shape", [(2, 2, 3), (5,)])
def test_reads_what_was_written(tmp_path, shape):
    arrays = written(tmp_path, shape, a=1, b=7)
    store = FeatureStore.open(tmp_path)
    assert (
        store.shape == shape
        and store.frames == {"c/a": 1, "c/b": 7}
        and store.about == ABOUT
        and store.std is None
    )
    for name, array in arrays.items():
        assert np.array_equal(store.read(name), array.astype(np.float16))
    assert np.array_equal(store.read("c/b", 2, 5), arrays["c/b"][2:5].astype(np.float16))
    assert store.read("c/b", 7, 7).shape == (0, *shape)
    assert store.path("c/b").read_bytes() == arrays["c/b"].astype("<f2").tobytes()
    assert store.record_bytes == 2 * int(np.prod(shape))
    store.verify()
    assert files(tmp_path) == {"index.json", "c/a.f16", "c/b.f16"}


def test_the_same_features_give_the_same_bytes(tmp_path):
    written(tmp_path / "one", a=3, b=2)
    written(tmp_path / "two", a=3, b=2)
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_names_that_look_like_patterns_are_names(tmp_path):
    folder = tmp_path / "[a]*?"
    FeatureWriter(folder, (4,), ABOUT, worker="1of2").write("[c]/b!", values(0, 2, (4,)))
    again = FeatureWriter(folder, (4,), ABOUT, worker="2of2")
    assert again.missing(["[c]/b!"]) == []
    assert again.finish(["[c]/b!"]).frames == {"[c]/b!": 2} and files(folder) == {
        "index.json",
        "[c]/b!.f16",
    }


def test_statistics_are_those_of_all_values(tmp_path):
    arrays = written(tmp_path, a=3, b=50)
    store = FeatureStore.open(tmp_path)
    every = np.concatenate(
        [array.astype(np.float16).astype(np.float64).ravel() for array in arrays.values()]
    )
    mean, std = store.statistics(["c/a", "c/b"])
    assert mean == pytest.approx(every.mean(), abs=1e-12) and std == pytest.approx(
        every.std(), rel=1e-12
    )
    with pytest.raises(FileError, match="no features"):
        store.statistics([])
    again = FeatureWriter(tmp_path, (2, 2, 3), ABOUT).finish(arrays, train=["c/a"])
    assert again.std == store.statistics(["c/a"])[1] == FeatureStore.open(tmp_path).std


def test_uint8_is_half_the_size_and_says_so(tmp_path):
    arrays = {
        name: np.maximum(values(seed, 6, (3, 3, 16)), 0) for seed, name in enumerate(("c/a", "c/b"))
    }
    writer = FeatureWriter(tmp_path, (3, 3, 16), ABOUT, dtype="uint8")
    for name, array in arrays.items():
        writer.write(name, array)
    store = writer.finish(arrays, train=["c/a"])
    assert (
        store.dtype == "uint8"
        and store.record_bytes == 4 + 144
        and store.path("c/a").stat().length == 6 * 148
    )
    for name, array in arrays.items():
        features = store.read(name, 2, 5)
        assert features.dtype == np.float16 and np.abs(features - array[2:5]).max() < 0.01
    assert store.std == pytest.approx(store.read("c/a").astype(np.float64).std(), rel=1e-9)
    store.verify()
    with pytest.raises(FileError, match="dtype is uint8; these features have float16"):
        FeatureWriter(tmp_path, (3, 3, 16), ABOUT)
    with pytest.raises(FileError, match=r"d\.u8: features of c/d go down to -1\.0"):
        FeatureWriter(tmp_path, (3, 3, 16), ABOUT, dtype="uint8").write(
            "c/d", np.full((1, 3, 3, 16), -1)
        )


def test_stores_from_before_moments_were_kept_are_read(tmp_path):
    arrays = written(tmp_path, a=3, b=50)
    statistics = FeatureStore.open(tmp_path).statistics(list(arrays))
    index = json.loads((tmp_path / "index.json").read_text())
    del index["moments"]
    write_json(tmp_path / "index.json", index)
    assert FeatureStore.open(tmp_path).statistics(list(arrays)) == statistics
    assert (
        FeatureWriter(tmp_path, (2, 2, 3), ABOUT).finish(arrays, train=list(arrays)).std
        == statistics[1]
    )


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
@pytest.mark.parametrize("out", [np.float16, np.float32])
def test_frames_are_read_to_where_they_are_wanted(tmp_path, dtype, out):
    writer = FeatureWriter(tmp_path, (2, 2, 3), ABOUT, dtype=dtype)
    writer.write("c/a", np.abs(values(0, 9)))
    store = writer.finish(["c/a"])
    for scale in (1.0, 0.3):
        for _ in range(2):  # the second time the file is known to be whole
            batch = np.full((2, 5, 2, 2, 3), -1, out)
            store.fill(batch[1, :4], "c/a", 3, scale=scale)
            expected = (store.read("c/a", 3, 7).astype(np.float32) * np.float32(scale)).astype(out)
            assert np.array_equal(batch[1, :4], expected)
            assert (batch[0] == -1).all() and (batch[1, 4] == -1).all()
    assert store.read("c/a", 9, 9).shape == (0, 2, 2, 3)
    for start in (6, -1, 9):
        with pytest.raises(FileError, match=f"frames {start} to {start + 4} asked for; it has 9"):
            store.fill(np.empty((4, 2, 2, 3), out), "c/a", start)
