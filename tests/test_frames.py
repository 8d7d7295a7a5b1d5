"""Random and consecutive frames against the decoded videos and flow files themselves."""

import itertools
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from videolstm_jax.clips import frames
from videolstm_jax.clips import images as images_of
from videolstm_jax.clips.draws import ClipDraws
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.flow_images import flow_file
from videolstm_jax.nn.preprocessing import preprocess_for_network
from videolstm_jax.types import Video
from videolstm_jax.video import decode, encode

LENGTHS = (5, 9, 3)
NAMES = ("a/x", "b/y", "a/z")
SIDE = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    for at, (name, length) in enumerate(zip(NAMES, LENGTHS, strict=True)):
        generator = np.random.default_rng(at)
        small = generator.integers(0, 255, (length, 4, 6, 3), np.uint8)
        encode.write_video(folder / f"{name}.mp4", small.repeat(8, 1).repeat(8, 2), 10.0)
        images = generator.integers(0, 255, (length - 1, 24, 32, 2), np.uint8)
        flow_file.write_flow(folder / f"{name}.zip", images, "png")
    return folder


@pytest.fixture(scope="module")
def videos(folder):
    return tuple(
        Video(name, str(folder / f"{name}.mp4"), at % 2, "train", name, length, 48, 32, 10.0)
        for at, (name, length) in enumerate(zip(NAMES, LENGTHS, strict=True))
    )


@pytest.fixture(scope="module")
def truth(folder, videos):
    """All L - 1 squashed frames of each video and stream, made by Pillow alone."""

    def squash(image):
        return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))

    rgb = [
        np.stack([squash(image) for image in decode.read_video(video.path)[:-1]])
        for video in videos
    ]
    flow = [
        np.stack(
            [
                np.stack([squash(np.ascontiguousarray(image[..., at])) for at in (0, 1)], -1)
                for image in flow_file.read_flow(folder / f"{name}.zip")
            ]
        )
        for name in NAMES
    ]
    return {"rgb": rgb, "flow": flow}


def reader(stream, folder):
    return FrameReader(stream, SIDE, flow=folder)


def settings(**changed):
    """No augmentation, unless a test wants some."""
    return ConvNetConfig(**{"batch": 7, "flip": False} | changed)


def take(count, videos, reader, *, seed=3, start_step=0, workers=2, cache_bytes=2 << 30, **changed):
    batches = frames.frame_batches(
        videos,
        reader,
        settings(**changed),
        ClipDraws(seed),
        start_step=start_step,
        workers=workers,
        cache_bytes=cache_bytes,
    )
    return list(itertools.islice(batches, count))


@pytest.mark.parametrize("stream", ["rgb", "flow"])
@pytest.mark.parametrize("memory", [0, 5000, 1 << 30])
def test_batches_are_the_frames_that_were_drawn(folder, videos, truth, stream, memory):
    drawn_frames = set()
    for step, (images, labels) in enumerate(
        take(8, videos, reader(stream, folder), cache_bytes=memory)
    ):
        drawn = frames.draw_frames(videos, step, batch=7, seed=3)
        assert (
            images.shape == (7, SIDE, SIDE, {"rgb": 3, "flow": 2}[stream])
            and images.dtype == np.uint8
        )
        assert labels.dtype == np.int32 and labels.tolist() == [video % 2 for video in drawn.video]
        for image, video, frame in zip(images, drawn.video, drawn.frame, strict=True):
            assert np.array_equal(image, truth[stream][video][frame])
            drawn_frames.add((int(video), int(frame)))
    assert len(drawn_frames) == sum(LENGTHS) - 3


def test_draws_are_uniform_over_videos_then_frames(videos):
    drawn = [frames.draw_frames(videos, step, batch=500, seed=0, reach=2) for step in range(12)]
    counts = Counter(np.concatenate([draw.video for draw in drawn]).tolist())
    assert all(abs(count - 2000) < 5 * 2000**0.5 for count in counts.values())
    for at, length in enumerate(LENGTHS):
        frame_counts = Counter(
            np.concatenate([draw.frame[draw.video == at] for draw in drawn]).tolist()
        )
        assert set(frame_counts) == set(range(length - 1))
        assert all(
            abs(count - counts[at] / (length - 1)) < 5 * counts[at] ** 0.5
            for count in frame_counts.values()
        )
    mirror, shift = (
        np.concatenate([getattr(draw, name) for draw in drawn]) for name in ("mirror", "shift")
    )
    assert abs(mirror.mean() - 0.5) < 0.04 and set(shift.ravel().tolist()) == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_batch_k_depends_on_seed_and_k_alone(folder, videos, stream):
    options = {"flip": True, "shift": 0.2}
    every = take(6, videos, reader(stream, folder), **options)
    resumed = take(
        2, videos, reader(stream, folder), start_step=4, workers=1, cache_bytes=0, **options
    )
    for (images, labels), (again, labels_again) in zip(every[4:], resumed, strict=True):
        assert np.array_equal(images, again) and np.array_equal(labels, labels_again)
    assert not np.array_equal(
        every[0][0], take(1, videos, reader(stream, folder), **options | {"seed": 4})[0][0]
    )


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_frames_are_mirrored_and_shifted_as_drawn(folder, videos, truth, stream):
    ((images, _),) = take(1, videos, reader(stream, folder), flip=True, shift=0.2, batch=40)
    drawn = frames.draw_frames(videos, 0, batch=40, seed=3, reach=3)
    for image, video, frame, mirror, (down, right) in zip(images, *drawn, strict=True):
        expected = truth[stream][video][frame].astype(int)
        if mirror:
            expected = expected[:, ::-1]
            if stream == "flow":
                expected = np.stack([np.minimum(256 - expected[..., 0], 255), expected[..., 1]], -1)
        edged = np.pad(expected, ((3, 3), (3, 3), (0, 0)), "edge")
        expected = edged[3 - down : 3 - down + SIDE, 3 - right : 3 - right + SIDE]
        assert np.array_equal(image, expected.astype(np.uint8))


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_frames_are_cut_as_drawn(folder, videos, truth, stream):
    ((images, _),) = take(1, videos, reader(stream, folder), flip=True, crop=0.5, batch=20)
    drawn = frames.draw_frames(videos, 0, batch=20, seed=3)
    boxes = frames.draw_crops(0, batch=20, seed=3, side=SIDE, smallest=0.5)
    assert len(np.unique(boxes, axis=0)) > 10
    for image, video, frame, mirror, box in zip(images, *drawn[:3], boxes, strict=True):
        expected = truth[stream][video][frame]
        expected = images_of.cropped_image(
            images_of.mirrored_image(expected, stream) if mirror else expected, box
        )
        assert np.array_equal(image, expected)


def test_a_mirror_turns_motion_round():
    bound, flow = 20.0, np.random.default_rng(0).uniform(-19, 19, (4, 6, 2))
    image = np.round(255 * (flow + bound) / (2 * bound)).astype(np.uint8)
    motion = images_of.mirrored_image(image, "flow").astype(float) * 2 * bound / 255 - bound
    assert (
        np.abs(motion[..., 0] + flow[:, ::-1, 0]).max() <= 3 * bound / 255 + 1e-9
    )  # half a step, and that of 128
    assert np.abs(motion[..., 1] - flow[:, ::-1, 1]).max() <= bound / 255 + 1e-9
    assert np.array_equal(
        images_of.mirrored_image(images_of.mirrored_image(image, "flow"), "flow"), image
    )
    every = np.stack([np.arange(256, dtype=np.uint8)] * 2, -1)[:, None]
    assert images_of.mirrored_image(every, "flow").dtype == np.uint8
    assert np.array_equal(
        images_of.mirrored_image(every, "flow")[:, 0, 0], [255, *range(255, 0, -1)]
    )
    once, twice = (
        preprocess_for_network(flow_images, "flow")
        for flow_images in (every[1:], images_of.mirrored_image(every[1:], "flow"))
    )
    assert (
        np.array_equal(twice[..., 0], -once[..., 0]) and not twice[127].any()
    )  # a backbone sees the other sign


def test_preprocessing_is_that_of_the_caffe_vgg():
    pixel = np.array([[[124, 117, 104]]], np.uint8)
    assert preprocess_for_network(pixel, "rgb").ravel() == pytest.approx(
        [0.32, 0.221, 0.061], abs=1e-5
    )
    assert preprocess_for_network(pixel, "rgb", pixel_scale=0.5).ravel() == pytest.approx(
        [0.16, 0.1105, 0.0305], abs=1e-5
    )
    assert preprocess_for_network(np.array([128, 0], np.uint8), "flow").tolist() == [0, -128]


@pytest.mark.parametrize("stream", ["rgb", "flow"])
@pytest.mark.parametrize("block", [1, 3, 64])
def test_all_frames_of_a_video_in_order(folder, videos, truth, stream, block):
    for at, video in enumerate(videos):
        blocks = list(frames.frame_chunks_of_video(video, reader(stream, folder), block=block))
        assert all(len(images) <= block for images in blocks)
        assert np.array_equal(np.concatenate(blocks), truth[stream][at])


def test_real_flow_images_of_the_authors(real_data):
    source = real_data / "authors_flow"
    planes = [np.asarray(Image.open(sorted(source.rglob(f"flow_{axis}_*"))[0])) for axis in "xy"]
    images = np.stack(planes, -1)[None]
    small = images_of.square_images(images, 56)
    assert small.shape == (1, 56, 56, 2)
    assert small.reshape(-1, 2).mean(0) == pytest.approx(images.reshape(-1, 2).mean(0), abs=1.0)
    assert images_of.square_images(small, 56) is small


def test_what_cannot_be_read_is_named(folder, videos):
    with pytest.raises(ConfigError, match="no videos to train on"):
        frames.frame_batches((), reader("rgb", folder), settings(), ClipDraws(0))
    with pytest.raises(ConfigError, match="a/z has 1 frame; expected at least 2"):
        frames.frame_batches(
            (videos[0], videos[2]._replace(frames=1)),
            reader("rgb", folder),
            settings(),
            ClipDraws(0),
        )
    with pytest.raises(ConfigError, match="stream is 'depth'"):
        FrameReader("depth", 16)
    longer = videos[0]._replace(frames=20)
    with pytest.raises(FileError, match=r"x\.mp4: 5 frames of a/x; expected 19 at least"):
        list(frames.frame_chunks_of_video(longer, reader("rgb", folder)))
    with pytest.raises(VideoError, match="no such file"):
        take(1, (videos[0]._replace(path=str(folder / "gone.mp4")),), reader("rgb", folder))
