"""The foreground of feature maps: against an oracle of loops, its sign, its axis of a store."""

import numpy as np
import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.localize.foreground import ForegroundAxis, find_foreground, foreground_maps
from videolstm_jax.localize.inputs import localizer_input
from videolstm_jax.trained import foreground
from videolstm_jax.trained.foreground import (
    foreground_entry,
    foreground_frames,
    foreground_of_record,
    foreground_of_store,
)
from videolstm_jax.types import Video

DEPTH = 6
SIDE = 5


def maps_with_objects(rng, frames=12):
    """Features of noise, and a square of 2 x 2 places where one random direction is added."""
    direction = rng.normal(size=DEPTH)
    maps = 0.1 * rng.normal(size=(frames, SIDE, SIDE, DEPTH)) + rng.normal(size=DEPTH)
    inside = np.zeros((frames, SIDE, SIDE), bool)
    for frame in range(frames):
        top, left = rng.integers(0, SIDE - 1, 2)
        inside[frame, top : top + 2, left : left + 2] = True
    maps[inside] += direction
    return maps, inside


def oracle(train, x):
    """The first axis by power iteration on sums over places, in float64 and without `eigh`."""
    places = [train[index].astype(float) for index in np.ndindex(train.shape[:3])]
    mean = sum(places) / len(places)
    axis = np.ones(train.shape[3])
    for _ in range(500):
        axis = sum((place - mean) * ((place - mean) @ axis) for place in places)
        axis /= np.sqrt(axis @ axis)
    if sum(((place - mean) @ axis) ** 3 for place in places) < 0:
        axis = -axis
    maps = np.zeros(x.shape[:3])
    for index in np.ndindex(maps.shape):
        maps[index] = max(0.0, (x[index] - mean) @ axis)
    return maps


@pytest.mark.parametrize("seed", range(3))
def test_maps_are_those_of_the_oracle(seed):
    rng = np.random.default_rng(seed)
    train, _ = maps_with_objects(rng)
    x, _ = maps_with_objects(rng, frames=3)
    expected = oracle(train, x)
    np.testing.assert_allclose(
        foreground_maps(x, find_foreground(train)), expected, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_few_places_of_the_object_are_foreground(seed):
    rng = np.random.default_rng(seed)
    maps, inside = maps_with_objects(rng)
    shown = foreground_maps(maps, find_foreground(maps))
    # The mean of all places lies between the object and the background.
    assert shown[inside].min() > shown[~inside].max()
    # The opposite features show the same places: the sign is not that of the numbers.
    mirrored = foreground_maps(-maps, find_foreground(-maps))
    np.testing.assert_allclose(mirrored, shown, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.ones((2, 3, 3, 4)), "all 18 places are equal"),
        (np.zeros((2, 3, 4)), "expected finite"),
        (np.full((2, 3, 3, 4), np.nan), "expected finite"),
        (np.zeros((0, 3, 3, 4)), "expected finite"),
    ],
)
def test_maps_without_an_axis(maps, message):
    with pytest.raises(ValueError, match=message):
        find_foreground(maps)


def test_the_input_of_the_localizer_is_the_foreground_in_shares():
    foreground = np.zeros((2, 3, 3))
    foreground[0, 1, 1:] = 1, 3
    attention = np.full((2, 3, 3), 1 / 9)
    maps = localizer_input("foreground", attention, foreground=foreground)
    assert maps[0, 1].tolist() == [0, 0.25, 0.75]
    # A frame without foreground says nothing of where the action is.
    np.testing.assert_allclose(maps[1], 1 / 9)
    with pytest.raises(ValueError, match="needs the foreground of the features"):
        localizer_input("foreground", attention)


# ---- the axis of a store -------------------------------------------------------------------------


NAMES = ("A/a", "A/b")
VIDEOS = tuple(Video(name, "", 0, "train", "g", 9, 8, 8, 25.0) for name in NAMES)


def write_store(folder, maps_of_videos):
    """A store of the two videos; each has the given features."""
    writer = FeatureWriter(folder, maps_of_videos[0].shape[1:], {}, dtype="float16")
    for name, maps in zip(NAMES, maps_of_videos, strict=True):
        writer.write(name, maps.astype(np.float32))
    writer.finish(NAMES, train=NAMES)
    return FeatureStore.open(folder)


def test_the_axis_of_a_store_is_that_of_its_frames(tmp_path):
    maps, _ = maps_with_objects(np.random.default_rng(0))
    store = write_store(tmp_path, (maps[:7], maps[7:]))
    axis = foreground_of_store(store, VIDEOS)
    expected = find_foreground(np.concatenate([store.read(video.name) for video in VIDEOS]))
    np.testing.assert_array_equal(axis.axis, expected.axis)
    assert axis.offset == expected.offset
    # As config.json and model.json hold it, to the bit.
    again = foreground_of_record(foreground_entry(axis), DEPTH, "config.json")
    np.testing.assert_array_equal(again.axis, axis.axis)
    assert again.offset == axis.offset


def test_large_maps_give_fewer_frames(tmp_path, monkeypatch):
    maps, _ = maps_with_objects(np.random.default_rng(0), frames=20)
    store = write_store(tmp_path, (maps[:10], maps[10:]))
    monkeypatch.setattr(foreground, "MOST_BYTES", 3 * store.record_bytes + 1)
    three = np.concatenate(
        [store.read("A/a", 0, 1), store.read("A/b", 0, 1), store.read("A/b", 9, 10)]
    )
    axis = foreground_of_store(store, VIDEOS)
    np.testing.assert_array_equal(axis.axis, find_foreground(three).axis)


def test_features_without_an_axis(tmp_path, capsys):
    vectors = np.random.default_rng(0).normal(size=(9, DEPTH))
    store = write_store(tmp_path / "vectors", (vectors, vectors))
    assert foreground_of_store(store, VIDEOS) is None
    same = np.ones((9, SIDE, SIDE, DEPTH))
    store = write_store(tmp_path / "same", (same, same))
    assert foreground_of_store(store, VIDEOS) is None
    assert "same: no foreground axis: all 450 places are equal" in capsys.readouterr().out
    assert foreground_entry(None) == {}
    assert foreground_of_record({}, DEPTH, "config.json") is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"axis": [1.0], "offset": 0.0}, "foreground.axis has 1 numbers; expected 6"),
        ({"axis": [], "offset": 0.0}, "foreground: axis is .*expected at least 1"),
        ({"axis": [1.0] * 6}, "foreground: offset is missing"),
        ({"axis": ["1"] * 6, "offset": 0.0}, "foreground: axis.*expected a number"),
        ([], "foreground: .*expected an object"),
    ],
)
def test_a_damaged_axis_is_refused(entry, message):
    with pytest.raises(FileError, match=message) as caught:
        foreground_of_record({"foreground": entry}, DEPTH, "config.json")
    assert str(caught.value).startswith("config.json: ")


def test_the_maps_of_a_chunk_are_those_of_its_frames():
    """A stream has one frame at a time."""
    rng = np.random.default_rng(0)
    maps, _ = maps_with_objects(rng)
    axis = ForegroundAxis(rng.normal(size=DEPTH), 0.1)
    by_frame = np.concatenate([foreground_maps(frame[None], axis) for frame in maps])
    np.testing.assert_allclose(by_frame, foreground_maps(maps, axis), rtol=1e-6, atol=1e-7)


def test_frames_are_spread_over_the_training_list(tmp_path):
    maps = np.ones((9, 2, 2, DEPTH))
    store = write_store(tmp_path, (maps, maps))
    every = foreground_frames(store, VIDEOS, 1000)
    assert every == [(video.name, frame) for video in VIDEOS for frame in range(9)]
    some = foreground_frames(store, VIDEOS, 4)
    assert some[0] == ("A/a", 0)
    assert some[-1] == ("A/b", 8)
    assert {name for name, _ in some} == {"A/a", "A/b"}
