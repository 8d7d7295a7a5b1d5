"""Prepare: real folders end to end, resuming, refusing, bad videos, and what flow costs."""

import json
import os
import shutil

import numpy as np
import pytest
from small_films import smooth

from videolstm_jax import artifacts, files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.dataset import flow_writing, scan
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.flow import batched, image, tvl1
from videolstm_jax.flow_images import flow_file
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.presets import configured
from videolstm_jax.stages import prepare
from videolstm_jax.types import Video
from videolstm_jax.video import decode, encode

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)
assert issubclass(ListWarning, Warning)


def made(folder, lengths=(5, 9, 6, 12), side=(24, 32)):
    """A folder of two classes with two clips each, of the lengths given."""
    for k, length in enumerate(lengths):
        frames = smooth(length, *side, seed=k)
        encode.write(
            folder / f"{'jump' if k < 2 else 'run'}" / f"v_x_g0{k % 2 + 1}_c01_{k}.mp4", frames
        )
    return folder


def drifting(folder, steps):
    """Two classes with two clips each, of a texture that moves right by `steps` pixels a frame."""
    texture = smooth(1, 24, 32, seed=3)[0]
    for k, by in enumerate(steps):
        frames = np.stack([np.roll(texture, by * t, 1) for t in range(4)])
        encode.write(
            folder / f"{'jump' if k < 2 else 'run'}" / f"v_x_g0{k % 2 + 1}_c01_{k}.mp4", frames
        )
    return folder


def settings(tmp_path, videos, **more):
    return change(
        RunConfig(workdir=str(tmp_path / "work")),
        data__videos=str(videos),
        data__test_fraction=0.5,
        **{"flow__width": 0, "flow__height": 0, "flow__bound": 2.0, "flow__image": "png", **more},
    )


def written(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def prepared_workdir(tmp_path_factory):
    """A prepared folder: its configuration and every file."""
    folder = tmp_path_factory.mktemp("prepared_workdir")
    cfg = settings(folder, made(folder / "videos"))
    prepare.run(cfg)
    return cfg, written(folder / "work")


def test_flow_of_every_pair(prepared_workdir):
    cfg, _ = prepared_workdir
    work = artifacts.Workdir(cfg.workdir)
    dataset = artifacts.load_dataset(work.dataset)
    index = files.read_json(work.flow / "index.json")
    assert [video.frames for video in dataset.videos] == [5, 9, 6, 12]
    assert index["frames"] == {video.name: video.frames - 1 for video in dataset.videos}
    assert index["source"] == {
        video.name: f"{os.path.getsize(video.path)} bytes" for video in dataset.videos
    }
    assert {name: index[name] for name in ("method", "width", "height", "bound", "image")} == {
        "method": "tvl1",
        "width": 0,
        "height": 0,
        "bound": 2.0,
        "image": "png",
    }
    most_pairs = max(video.frames for video in dataset.videos) - 1
    for video in dataset.videos:
        grey = image.grey(decode.read(video.path))
        pairs = np.zeros((2, most_pairs, 24, 32), np.uint8)  # one shape is compiled once
        pairs[:, : len(grey) - 1] = grey[:-1], grey[1:]
        expected = image.to_image(np.asarray(tvl1.tvl1(*pairs)), 2.0)[: len(grey) - 1]
        stored = flow_file.read_flow(work.flow / f"{video.name}.zip")
        assert stored.shape == expected.shape
        assert (stored != expected).mean() < 1e-3 and np.abs(
            stored.astype(int) - expected
        ).max() <= 1
    assert not work.truth.exists() and not work.bad.exists()


def test_again_is_free_and_broken_off_is_resumed(prepared_workdir, tmp_path, monkeypatch):
    cfg, left = prepared_workdir
    shutil.copytree(cfg.workdir, tmp_path / "work")
    cfg = change(cfg, workdir=str(tmp_path / "work"))
    for name in ("flow/index.json", "dataset.json", next(name for name in left if "run/" in name)):
        (tmp_path / "work" / name).unlink()
    damaged = tmp_path / "work" / next(name for name in left if name.startswith("flow/jump/"))
    data = bytearray(damaged.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] ^= 64  # asks zipfile for a version that it does not know
    damaged.write_bytes(data)
    prepare.run(cfg)
    assert written(tmp_path / "work") == left
    monkeypatch.setattr(
        flow_writing.batched, "flow_images", lambda videos, *args, **named: iter(list(videos))
    )
    prepare.run(cfg)
    assert written(tmp_path / "work") == left


def test_a_replaced_video_is_done_again(tmp_path):
    cfg = settings(tmp_path, made(tmp_path / "videos"))
    prepare.run(cfg)
    path = next((tmp_path / "videos" / "run").iterdir())
    encode.write(path, smooth(8, 24, 32, seed=9))
    prepare.run(cfg)
    index = files.read_json(tmp_path / "work" / "flow" / "index.json")
    assert index["frames"][f"run/{path.stem}"] == 7


def test_nothing_is_marked_done_when_it_stops_half_way(tmp_path, monkeypatch):
    cfg = settings(tmp_path, made(tmp_path / "videos"))
    plain = flow_writing.flow_file.write_flow

    def full(path, *args, **named):
        if "run" in str(path):
            raise OSError(28, "No space left on device")
        plain(path, *args, **named)

    monkeypatch.setattr(flow_writing.flow_file, "write_flow", full)
    with pytest.raises(OSError, match="No space left"):
        prepare.run(cfg)
    assert not (tmp_path / "work" / "flow" / "index.json").exists()
    assert not [path for path in (tmp_path / "work").rglob("*") if ".part-" in path.name]


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("flow__bound", 3.0, r"bound 2\.0, now 3\.0"),
        ("flow__image", "jpeg", "image 'png', now 'jpeg'"),
        ("data__fps", 20.0, r"fps 0\.0, now 20\.0"),
        ("data__max_frames", 4, "max_frames 0, now 4"),
    ],
)
def test_other_settings_are_refused(prepared_workdir, setting, value, message):
    cfg, _ = prepared_workdir
    with pytest.raises(ConfigError, match=message):
        prepare.run(change(cfg, **{setting: value}))
    assert (artifacts.Workdir(cfg.workdir).flow / "index.json").exists()


def test_bad_videos(tmp_path):
    videos = made(tmp_path / "videos", (5, 6, 5, 6, 5, 6))
    cut = videos / "run" / "v_x_g01_c02_cut.avi"
    encode.write(cut, smooth(30, 24, 32), codec="mjpeg")
    cut.write_bytes(cut.read_bytes()[:-9000])
    (videos / "jump" / "v_x_g02_c03_text.avi").write_text("no video")
    encode.write(videos / "run" / "v_x_g02_c04_one.mp4", smooth(1, 24, 32))
    cfg = settings(tmp_path, videos)
    with pytest.raises(VideoError):
        prepare.run(cfg)
    prepare.run(change(cfg, data__on_bad_video="skip"))
    work = artifacts.Workdir(cfg.workdir)
    bad = files.read_jsonl(work.bad)
    good = artifacts.load_dataset(work.dataset).videos
    assert [row["name"].rpartition("_")[2] for row in bad] == ["text", "cut", "one"]
    assert len(good) + len(bad) == 9 and set(
        files.read_json(work.flow / "index.json")["frames"]
    ) == {video.name for video in good}
    assert "cut short or damaged" in bad[1]["reason"] or "damaged" in bad[1]["reason"]
    assert "1 frame" in bad[2]["reason"] and all(row["path"] in row["reason"] for row in bad)
    for row in bad:
        (videos / f"{row['name']}.avi").unlink(missing_ok=True)
        (videos / f"{row['name']}.mp4").unlink(missing_ok=True)
    prepare.run(cfg)
    assert not work.bad.exists()


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
    work = artifacts.Workdir(cfg.workdir)
    index = files.read_json(work.flow / "index.json")
    assert set(index["frames"].values()) == {3} and index["bound"] == 20.0 and index["scaled"]
    assert {video.frames for video in artifacts.load_dataset(work.dataset).videos} == {4}
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
        ({"flow__convnet_sides": 0.0}, (36, 48)),
        ({"convnet__image_size": 64}, (36, 48)),
        ({"flow__width": 10, "flow__height": 12}, (12, 10)),
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
    work = artifacts.Workdir(cfg.workdir)
    index = files.read_json(work.flow / "index.json")
    name = next(iter(index["frames"]))
    assert flow_file.read_flow(work.flow / f"{name}.zip").shape == (2, *flow_size, 2)
    sides = round(2 * cfg.convnet.image_size) if cfg.flow.convnet_sides else 0
    assert index.get("shorter_side", 0) == (0 if cfg.flow.width else sides)
    # The estimate of disk space is of the same pixels.
    dataset = artifacts.load_dataset(work.dataset)
    exact = change(cfg, flow__width=flow_size[1], flow__height=flow_size[0])
    assert prepare.estimate_cost(cfg, dataset) == prepare.estimate_cost(exact, dataset)
    if not given:
        with pytest.raises(ConfigError, match="shorter_side 16, now None"):
            prepare.run(change(cfg, flow__convnet_sides=0.0))


def test_the_small_presets_never_enlarge_flow():
    """Stick actions and Weizmann's small videos at 56 pixels; the paper's sizes stay."""
    for preset in ("small", "demo", "research"):
        frame_format = flow_writing.grey_format(configured(preset))
        assert frame_format.size_of(64, 64) == (64, 64)
        assert frame_format.size_of(400, 300) == (149, 112)
        assert frame_format.size_of(1080, 1920) == (112, 199)
    for preset in ("paper", "authors", "modern"):
        frame_format = flow_writing.grey_format(configured(preset))
        assert frame_format.size_of(400, 300) == (340, 256)


def test_the_bound_is_measured_on_the_middles(tmp_path, monkeypatch):
    """Frames behind the middle are not decoded, and only three frames reach the flow."""
    videos = made(tmp_path / "videos", (9, 9, 9, 9))
    cfg = settings(tmp_path, videos, flow__percentile=99.0)
    shapes, plain = [], batched.sample_flow

    def watched(clips, **options):
        for name, first, frames in clips:
            shapes.append(frames.shape)
            yield from plain([(name, first, frames)], **options)

    monkeypatch.setattr(flow_writing.batched, "sample_flow", watched)
    dataset, _ = scan.scan_videos(cfg.data)
    flow_writing.sample_bound(cfg, dataset)
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
    plain = flow_writing.batched.flow_images

    def dying(*args, **named):
        for number, done in enumerate(plain(*args, **named)):
            if number == 3:
                raise KeyboardInterrupt
            yield done

    monkeypatch.setattr(flow_writing.batched, "flow_images", dying)
    with pytest.raises(KeyboardInterrupt):
        prepare.run(cfg)
    monkeypatch.setattr(flow_writing.batched, "flow_images", plain)
    prepare.run(cfg)
    messages = capsys.readouterr().err
    assert "nothing moves in 2 videos: jump/v_x_g02_c01_1" in messages
    assert "over 5 % of pixels are at the bound in 2 videos: jump/v_x_g01_c01_0" in messages


@pytest.mark.parametrize(
    "table, settings_of, message",
    [
        (
            None,
            {"data__boxes": "nowhere.json"},
            r"data\.boxes is nowhere\.json, which is not there",
        ),
        ({"jump/none": [[0, 0, 9, 9]]}, {}, "boxes of jump/none, which is no listed video"),
        ({"run/v_x_g01_c01_2": [[0, 0, 99, 9]]}, {}, "leaves the frame"),
        ({}, {"data__fps": 20.0}, r"expected data\.fps 0"),
    ],
)
def test_wrong_boxes_are_told_before_any_flow(tmp_path, table, settings_of, message):
    videos = made(tmp_path / "videos")
    if table is not None:
        (videos / "boxes.json").write_text(json.dumps(table))
    with pytest.raises(FileError, match=message):
        prepare.run(settings(tmp_path, videos, **settings_of))
    assert not (tmp_path / "work" / "flow").exists()


def test_how_many_boxes_there_may_be_is_known_at_the_end(tmp_path, monkeypatch):
    """A header may promise fewer frames than there are, or more."""
    videos = made(tmp_path / "videos")
    (videos / "boxes.json").write_text(json.dumps({"run/v_x_g01_c01_2": [[0, 0, 9, 9]] * 6}))
    plain = scan.scan_videos

    def shortened(*args, **named):
        dataset, bad = plain(*args, **named)
        return dataset._replace(
            videos=tuple(video._replace(frames=3) for video in dataset.videos)
        ), bad

    monkeypatch.setattr(scan, "scan_videos", shortened)
    prepare.run(settings(tmp_path, videos))
    (detection,) = artifacts.load_detections(tmp_path / "work" / "truth.jsonl")
    assert len(detection.tube.boxes) == 6
    (videos / "boxes.json").write_text(json.dumps({"run/v_x_g01_c01_2": [[0, 0, 9, 9]] * 7}))
    with pytest.raises(FileError, match=r"7 boxes of .* at most its 6 frames"):
        prepare.run(settings(tmp_path, videos))


def test_a_bound_from_the_training_list(tmp_path, capsys):
    """A percentile of the set's own motion replaces the paper's 20 pixels, the same in each run."""
    cfg = settings(tmp_path, drifting(tmp_path / "videos", (1, 1, 1, 1)), flow__percentile=90.0)
    prepare.run(cfg)
    work = artifacts.Workdir(cfg.workdir)
    index = files.read_json(work.flow / "index.json")
    assert index["scaled"] and index["bound"] == pytest.approx(
        340 / 32, rel=0.1
    )  # one pixel of 32, in 340
    assert f"bounded by {index['bound']} pixels" in capsys.readouterr().out
    before = written(tmp_path / "work")
    prepare.run(cfg)
    assert written(tmp_path / "work") == before


def test_weizmann(real_data, tmp_path, capsys):
    """Real clips with true boxes; a few frames of each, since this is not about speed."""
    cfg = settings(
        tmp_path,
        real_data / "weizmann",
        data__max_frames=3,
        flow__image="jpeg",
        flow__width=32,
        flow__height=24,
        flow__bound=1.5,
    )
    prepare.run(cfg)
    work = artifacts.Workdir(cfg.workdir)
    dataset = artifacts.load_dataset(work.dataset)
    assert len(dataset.videos) == 24 and dataset.classes == ("bend", "jack", "wave1", "wave2")
    assert {video.part for video in dataset.videos} == {"train", "test"}
    truth = artifacts.load_detections(work.truth)
    assert len(truth) == 24 and all(len(detection.tube.boxes) <= 3 for detection in truth)
    assert "24 videos, 72 frames, 24 true tubes, 0 bad videos" in capsys.readouterr().out


def test_built_in_set(tmp_path):
    cfg = change(
        RunConfig(workdir=str(tmp_path)),
        data__source="stick_actions",
        data__clips_per_class=1,
        data__test_clips_per_class=1,
        data__max_frames=3,
        flow__width=32,
        flow__height=24,
    )
    prepare.run(cfg)
    work = artifacts.Workdir(str(tmp_path))
    dataset = artifacts.load_dataset(work.dataset)
    assert len(dataset.videos) == 16 and len(artifacts.load_detections(work.truth)) == 16
    assert (tmp_path / "stick_actions").is_dir()


def test_a_folder_of_videos_beside_the_built_in_set_is_refused(tmp_path):
    cfg = change(
        RunConfig(workdir=str(tmp_path / "work")),
        data__source="stick_actions",
        data__videos=str(tmp_path),
    )
    message = rf"data.videos is '{tmp_path}', but data.source is 'stick_actions'"
    with pytest.raises(ConfigError, match=message):
        prepare.run(cfg)


def test_cost(prepared_workdir):
    cfg, _ = prepared_workdir
    dataset = artifacts.load_dataset(artifacts.Workdir(cfg.workdir).dataset)
    cost = prepare.estimate_cost(cfg, dataset)
    assert cost.pairs == 28
    assert cost.feature_bytes == 2 * 2 * 28 * (7 * 7 * 512 + 4096 + 2)
    double = prepare.estimate_cost(cfg, dataset._replace(videos=dataset.videos * 2))
    assert double.pairs == 56 and double.flow_bytes == 2 * cost.flow_bytes
    assert "28 pairs of frames" in str(cost)


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [1, 3, 4, 7, 100])
def test_batches_hand_every_pair_to_its_video(monkeypatch, room):
    """A substitute for flow returns both frames, so each pair must come back once, in order."""
    calls = []

    def name_both_frames(a, b):
        calls.append(a.shape)
        return np.stack([a, b], -1).astype(np.float32)

    monkeypatch.setattr(batched.tvl1, "tvl1", name_both_frames)
    monkeypatch.setattr(batched, "batch_pairs", lambda height, width: room)
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
        for done in batched.flow_images(videos, lambda w, h: 127.5, progress=pairs_done.append)
    }
    assert set(flow_of) == {name for name, _ in videos}
    for name, frames in videos:
        expected = np.stack([frames[:-1], frames[1:]], -1).astype(float) + 128
        np.testing.assert_array_equal(flow_of[name].images, np.minimum(expected, 255))
        assert flow_of[name].largest == frames.max() and flow_of[name].saturated == 0
    assert sum(pairs_done) == sum(len(frames) - 1 for _, frames in videos)
    assert set(calls) == {(room, 4, 5), (room, 5, 4)}


def test_settings_file_is_plain_json(prepared_workdir):
    _, left = prepared_workdir
    assert json.loads(left["flow/settings.json"])["bound"] == 2.0


def test_a_second_process_in_the_same_folder_is_refused(prepared_workdir):
    cfg, _ = prepared_workdir
    with (
        sole_writer(cfg.workdir, "prepare", name=".prepare.lock"),
        pytest.raises(FileError, match="prepare runs here already"),
    ):
        prepare.run(cfg)
    assert (artifacts.Workdir(cfg.workdir).flow / "index.json").exists()
