"""The size and length of the flow that `prepare` writes, and the batches that it is computed in."""

import numpy as np
import pytest
from moving_videos import made, settings

from videolstm_jax import files
from videolstm_jax.config import FITS, change
from videolstm_jax.errors import ConfigError
from videolstm_jax.flow import batched, packing
from videolstm_jax.flow_images import flow_file, flow_writing
from videolstm_jax.presets import configured
from videolstm_jax.stages import prepare
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)


def test_rate_length_and_size_of_the_flow(tmp_path):
    cfg = settings(
        tmp_path,
        made(tmp_path / "videos", (30, 30, 30, 30), side=(40, 40)),
        data__fps=5.0,
        data__max_frames=4,
        flow__width=32,
        flow__height=24,
        flow__bound=0.0,
    )
    prepare.run(cfg)
    work = Workdir(cfg.workdir)
    index = files.read_json(work.flow / "index.json")
    assert set(index["frames"].values()) == {3} and index["bound"] == 20.0 and index["scaled"]
    assert {video.frames for video in load_dataset(work.dataset).videos} == {4}
    assert flow_file.read_flow(work.flow / f"{next(iter(index['frames']))}.zip").shape == (
        3,
        24,
        32,
        2,
    )


@pytest.mark.parametrize(
    "given, flow_size",
    [
        ({}, (16, 21)),
        pytest.param({"flow__convnet_sides": 0.0}, (36, 48), marks=pytest.mark.slow),
        ({"convnet__image_size": 64}, (36, 48)),
        pytest.param({"flow__width": 10, "flow__height": 12}, (12, 10), marks=pytest.mark.slow),
    ],
)
def test_the_size_of_flow_follows_the_convnet(tmp_path, given, flow_size):
    """Twice the network's side, at the video's shape, and never larger than the video."""
    cfg = change(
        settings(tmp_path, made(tmp_path / "videos", (3, 3, 3, 3), side=(36, 48))),
        **{
            "flow__width": 0,
            "flow__height": 0,
            "flow__convnet_sides": 2.0,
            "convnet__image_size": 8,
            "convnet__widths": (4,),
            "convnet__depths": (1,),
            **given,
        },
    )
    prepare.run(cfg)
    work = Workdir(cfg.workdir)
    index = files.read_json(work.flow / "index.json")
    name = next(iter(index["frames"]))
    assert flow_file.read_flow(work.flow / f"{name}.zip").shape == (2, *flow_size, 2)
    sides = round(2 * cfg.convnet.image_size) if cfg.flow.convnet_sides else 0
    assert index.get("shorter_side", 0) == (0 if cfg.flow.width else sides)
    # The estimate of disk space is of the same pixels.
    dataset = load_dataset(work.dataset)
    exact = change(cfg, flow__width=flow_size[1], flow__height=flow_size[0])
    assert prepare.estimate_cost(cfg, dataset) == prepare.estimate_cost(exact, dataset)
    if not given:
        with pytest.raises(ConfigError, match="shorter_side 16, now None"):
            prepare.run(change(cfg, flow__convnet_sides=0.0))


def test_the_small_presets_never_enlarge_flow():
    """Stick actions and Weizmann's small videos at 56 pixels; the paper's sizes stay."""
    for preset in ("small", "demo", "research"):
        frame_format = flow_writing.stored_flow_frame_format(configured(preset))
        assert frame_format.size_of(64, 64) == (64, 64)
        assert frame_format.size_of(400, 300) == (149, 112)
        assert frame_format.size_of(1080, 1920) == (112, 199)
    for preset in ("paper", "authors"):
        frame_format = flow_writing.stored_flow_frame_format(configured(preset))
        assert frame_format.size_of(400, 300) == (340, 256)


@pytest.mark.parametrize("preset", ["demo", "research", "small"])
def test_flow_of_square_videos_does_not_depend_on_the_fit(preset):
    """Stick actions and Weizmann are 64 x 64: their figures stay, whatever `modern` has."""
    formats = set()
    for fit in FITS:
        frame_format = flow_writing.stored_flow_frame_format(configured(preset, data__fit=fit))
        formats.add(frame_format.size_of(64, 64))
    assert formats == {(64, 64)}


def test_flow_keeps_the_shape_of_the_video_unless_it_is_squashed():
    """Else a pixel of the flow picture would be another length in x than in y."""
    for fit in ("pad", "crop"):
        frame_format = flow_writing.stored_flow_frame_format(configured("modern", data__fit=fit))
        assert frame_format.size_of(400, 300) == (340, 255)
        assert frame_format.size_of(1080, 1920) == (144, 256)
        assert frame_format.size_of(4000, 2) == (340, 1)


@pytest.mark.parametrize("room", [1, 3, 4, 7, 100])
def test_batches_hand_every_pair_to_its_video(monkeypatch, room):
    """A substitute for flow returns both frames, so each pair must come back once, in order."""
    calls = []

    def name_both_frames(a, b):
        calls.append(a.shape)
        return np.stack([a, b], -1).astype(np.float32)

    monkeypatch.setattr(batched.tvl1, "tvl1", name_both_frames)
    monkeypatch.setattr(packing, "flow_pairs_in_batch", lambda height, width: room)
    random = np.random.default_rng(room)
    videos = [
        (
            f"v{k}",
            random.integers(0, 100, (random.integers(2, 12), *[(4, 5), (5, 4)][k % 2]), np.uint8),
        )
        for k in range(9)
    ]
    pairs_done = []
    flow_of = {
        done.name: done
        for done in batched.batched_tvl1_images(
            videos, lambda w, h: 127.5, progress=pairs_done.append
        )
    }
    assert set(flow_of) == {name for name, _ in videos}
    for name, frames in videos:
        expected = np.stack([frames[:-1], frames[1:]], -1).astype(float) + 128
        np.testing.assert_array_equal(flow_of[name].images, np.minimum(expected, 255))
        assert flow_of[name].largest == frames.max() and flow_of[name].saturated == 0
    assert sum(pairs_done) == sum(len(frames) - 1 for _, frames in videos)
    assert set(calls) == {(room, 4, 5), (room, 5, 4)}
