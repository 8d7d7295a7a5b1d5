"""The foreground of feature maps: against an oracle of loops, its sign, and the stage with it."""

import json

import numpy as np
import pytest
from localize_workdir import FRAMES, attention_of, config, true_tube, write_work

from videolstm_jax import artifacts
from videolstm_jax.config import LocalizeConfig, change
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.localize.foreground import find_foreground, foreground_maps
from videolstm_jax.localize.inputs import localizer_input
from videolstm_jax.stages import localize
from videolstm_jax.trained.foreground import open_foreground, spaced_frames
from videolstm_jax.trained.stream import stream_settings

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
        (np.ones((2, 3, 3, 4)), "all 18 places of the maps are equal"),
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
    with pytest.raises(ValueError, match="needs the features"):
        localizer_input("foreground", attention)


# ---- the stage -----------------------------------------------------------------------------------


def write_store(work, shape=(7, 7, DEPTH)):
    """Features in which the true square of every video differs from the rest."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=shape[-1])
    dataset = artifacts.load_dataset(work.dataset)
    writer = FeatureWriter(work.features("rgb", "pool5"), shape, {}, dtype="float16")
    for video in dataset.videos:
        x = 0.1 * rng.normal(size=(FRAMES - 1, *shape))
        if len(shape) == 3:
            shares = attention_of(true_tube(video.label))[..., None]
            x += 3 * direction * shares / shares.max()
        writer.write(video.name, x.astype(np.float32))
    names = [video.name for video in dataset.videos]
    train = [video.name for video in dataset.part("train")]
    writer.finish(names, train=train)
    return dataset


@pytest.fixture
def work(tmp_path):
    """Two training videos and four test videos of which three have truth."""
    return write_work(tmp_path)


def test_the_stage_makes_boxes_of_the_foreground(work):
    dataset = write_store(work)
    moments = {"localize__sigma": 0.0, "localize__box": "moments"}
    cfg = change(config(work), localize__input="foreground", **moments)
    record = json.loads(localize.run(cfg).read_text())
    assert record["settings"]["input"] == "foreground"
    assert record["model"]["mean_frame_iou"]["value"] > 0.5
    maps = open_foreground(work, "rgb", dataset)(dataset.part("test")[0])
    assert maps.shape == (FRAMES - 1, 7, 7)


def test_frames_are_spread_over_the_training_list(work):
    dataset = write_store(work)
    store = FeatureStore.open(work.features("rgb", "pool5"))
    train = dataset.part("train")
    every = spaced_frames(store, train)
    assert every == [(video.name, frame) for video in train for frame in range(FRAMES - 1)]
    some = spaced_frames(store, train, 4)
    assert some[0] == (train[0].name, 0)
    assert some[-1] == (train[1].name, FRAMES - 2)
    assert {name for name, _ in some} == {video.name for video in train}


def test_a_stream_takes_the_weighted_features_and_says_so():
    settings, warnings = stream_settings(LocalizeConfig(input="foreground"), reads_flow=True)
    assert settings == LocalizeConfig(input="weighted_features")
    assert len(warnings) == 1 and "does not know the foreground" in warnings[0]
    motion = LocalizeConfig(input="motion")
    assert stream_settings(motion, reads_flow=True) == (motion, [])
    assert stream_settings(motion, reads_flow=False)[0].input == "weighted_features"


def test_stores_without_maps_are_refused(work):
    cfg = change(config(work), localize__input="foreground")
    with pytest.raises(FileError, match="pool5"):
        localize.run(cfg)
    write_store(work, (DEPTH,))
    with pytest.raises(FileError, match=r"features are \[6\].*needs maps"):
        localize.run(cfg)
