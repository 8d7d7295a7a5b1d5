"""The bound of flow: measured on a sample of the training list; warnings where it does not fit."""

import json

import numpy as np
import pytest
from moving_videos import drifting, made, settings, written

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.dataset import scan
from videolstm_jax.errors import ConfigError
from videolstm_jax.flow import batched
from videolstm_jax.flow_images import flow_file, flow_writing
from videolstm_jax.presets import configured
from videolstm_jax.stages import prepare
from videolstm_jax.types import Video
from videolstm_jax.workdir.layout import Workdir

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)


def test_a_bound_from_the_training_list(tmp_path, capsys):
    """A percentile of the set's own motion replaces the paper's 20 pixels, the same in each run."""
    cfg = settings(tmp_path, drifting(tmp_path / "videos", (1, 1, 1, 1)), flow__percentile=90.0)
    prepare.run(cfg)
    work = Workdir(cfg.workdir)
    index = files.read_json(work.flow / "index.json")
    assert index["scaled"] and index["bound"] == pytest.approx(
        340 / 32, rel=0.1
    )  # one pixel of 32, in 340
    assert f"bounded by {index['bound']} pixels" in capsys.readouterr().out
    before = written(tmp_path / "work")
    prepare.run(cfg)
    assert written(tmp_path / "work") == before


def test_the_bound_is_measured_on_the_middles(tmp_path, monkeypatch):
    """Frames behind the middle are not decoded, and only three frames reach the flow."""
    videos = made(tmp_path / "videos", (9, 9, 9, 9))
    cfg = settings(tmp_path, videos, flow__percentile=99.0)
    shapes, plain = [], batched.flow_of_sampled_pairs

    def watched(clips, **options):
        for name, first, frames in clips:
            shapes.append(frames.shape)
            yield from plain([(name, first, frames)], **options)

    monkeypatch.setattr(flow_writing.batched, "flow_of_sampled_pairs", watched)
    dataset, _ = scan.scan_videos(cfg.data)
    flow_writing.sample_stored_flow_bound(cfg, dataset)
    assert shapes and {shape[0] for shape in shapes} == {3}


def test_the_flow_that_the_bound_was_measured_on_is_kept(tmp_path, monkeypatch):
    """Every pair is computed once; the images are those of a bound that was known before."""
    videos = made(tmp_path / "videos", (9, 3, 2, 12))
    pairs = []
    plain = batched.tvl1.tvl1

    def counted(a, b):
        pairs.append(int((np.asarray(a).any((1, 2))).sum()))
        return plain(a, b)

    monkeypatch.setattr(batched.tvl1, "tvl1", counted)
    cfg = settings(tmp_path, videos, flow__percentile=99.0)
    work = prepare.run(cfg)
    assert sum(pairs) == 8 + 2 + 1 + 11
    bound = json.loads((work / "flow" / "settings.json").read_text())["bound"]
    # A bound in pixels at the size of the frames.
    again = settings(tmp_path, videos, flow__bound=bound * 32 / 340, workdir=str(tmp_path / "2"))
    other = prepare.run(again)
    for path in (work / "flow").glob("*/*.zip"):
        pictures = flow_file.read_flow(path).astype(int)
        twin = flow_file.read_flow(other / "flow" / path.relative_to(work / "flow"))
        # Another place in a batch may change last bits.
        assert pictures.shape == twin.shape and (pictures != twin).mean() < 1e-3


def test_the_estimates_come_before_any_flow(tmp_path, monkeypatch, capsys):
    """Also before the flow that the bound is measured on."""
    events = []
    plain = batched.tvl1.tvl1

    def recorded(a, b):
        events.append("flow")
        return plain(a, b)

    monkeypatch.setattr(batched.tvl1, "tvl1", recorded)
    cfg = settings(tmp_path, made(tmp_path / "videos", (3, 3, 3, 3)), flow__percentile=99.0)
    prepare.run(cfg, on_listed=lambda dataset: events.append(f"estimate of {dataset.frames}"))
    assert events[0].startswith("estimate of {'jump/") and events[1:] == ["flow"] * len(events[1:])
    assert len(events) > 1
    printed = capsys.readouterr().out
    assert printed.index("flow takes about") < printed.index("flow is bounded by")


def test_other_settings_are_refused_before_the_estimate(tmp_path):
    cfg = settings(tmp_path, made(tmp_path / "videos", (3, 3, 3, 3)))
    prepare.run(cfg)
    estimates = []
    with pytest.raises(ConfigError, match="image 'png', now 'jpeg'"):
        prepare.run(change(cfg, flow__image="jpeg"), on_listed=estimates.append)
    assert not estimates


def test_the_sample_of_long_and_large_videos_is_small():
    cfg = configured("small")
    for frames, size, count in (
        (60, (400, 300), 48),
        (9000, (1920, 1080), 8),
        (400, (640, 480), 32),
    ):
        video = Video("a/b", "", 0, "train", "b", frames, *size, 25.0)
        assert flow_writing._sample_size(cfg, [video] * 200) == count
    own_size = configured("small", flow__convnet_sides=0.0)
    assert flow_writing._sample_size(own_size, [video._replace(width=1920, height=1080)] * 99) == 8


def test_warnings(tmp_path, capsys):
    prepare.run(settings(tmp_path, drifting(tmp_path / "videos", (2, 0, 2, 0)), flow__bound=0.5))
    messages = capsys.readouterr().err
    assert "nothing moves in 2 videos: jump/v_x_g02_c01_1" in messages
    assert "over 5 % of pixels are at the bound in 2 videos: jump/v_x_g01_c01_0" in messages


def test_warnings_outlive_a_stop(tmp_path, capsys, monkeypatch):
    cfg = settings(tmp_path, drifting(tmp_path / "videos", (2, 0, 2, 0)), flow__bound=0.5)
    plain = flow_writing.batched.batched_tvl1_images

    def dying(*args, **named):
        for number, done in enumerate(plain(*args, **named)):
            if number == 3:
                raise KeyboardInterrupt
            yield done

    monkeypatch.setattr(flow_writing.batched, "batched_tvl1_images", dying)
    with pytest.raises(KeyboardInterrupt):
        prepare.run(cfg)
    monkeypatch.setattr(flow_writing.batched, "batched_tvl1_images", plain)
    prepare.run(cfg)
    messages = capsys.readouterr().err
    assert "nothing moves in 2 videos: jump/v_x_g02_c01_1" in messages
    assert "over 5 % of pixels are at the bound in 2 videos: jump/v_x_g01_c01_0" in messages
