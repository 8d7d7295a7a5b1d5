"""The baselines of UT-Interaction: ridge regression, nearest neighbour, and single frames."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.real_data import frame_classifier, linear
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import in_order, right_by_video
from benchmarks.real_data.ut_folds import FOLDS, arrays_folder, sequence_of, work_of
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.measure.nearest import SIZE_BASELINE
from videolstm_jax.nn.preprocessing import network_picture_fit
from videolstm_jax.presets import Settings
from videolstm_jax.stages import nearest
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import load_scores

NEAREST = {
    SIZE_BASELINE: "nearest neighbour on size and length",
    nearest.NAME: "nearest neighbour on motion energy",
}
"""What the stage `nearest` compares, by the name of its run."""

SINGLE_FRAMES = "ridge on single 7x7x320 maps, flow, scores averaged"
"""As recurrent models are trained and scored: on every frame, and by the mean of its scores."""

MIDDLE_RGB = "ridge on the middle frame's 7x7x320 map, RGB"
MEAN_RGB = "ridge on the mean 7x7x320 map, RGB"
MEAN_FLOW = "ridge on the mean 7x7x320 map, flow"
STATISTICS_RGB = "ridge on mean, maximum and deviation of 1280, RGB"

_EVERY = 2

PIXELS = "ridge on the mean RGB frame, 28x28 pixels"
"""The baseline without a network."""

_PIXELS_SIDE = 28

FIVE = "ridge on the mean of five 7x7x320 maps, RGB"
FIVE_ALONE = f"{FIVE}, each sequence held out alone"
"""With 14 training sequences instead of 12."""


def baselines(folds: Sequence[Settings], workdir: str, names: list[str]) -> dict[str, Row]:
    """Models that are no recurrent network, each on all folds."""
    rows = ridge_rows(folds, workdir, names)
    right: dict[str, bool] = {}
    for settings in folds:
        right |= _frames_right(load_dataset(work_of(settings).dataset), workdir)
    rows[SINGLE_FRAMES] = Row(in_order(right, names)[None])
    for run, name in NEAREST.items():
        right = {}
        for settings in folds:
            path = work_of(settings).run(run) / "scores.npz"
            if not path.exists():
                nearest.run(settings.config())
            right |= right_by_video(load_scores(path))
        rows[name] = Row(in_order(right, names)[None])
    rows[PIXELS] = pixels_row(folds, names)
    rows |= five_frames_rows(load_dataset(work_of(folds[0]).dataset), workdir, names)
    for stream, title in (("rgb", "RGB"), ("flow", "flow")):
        answers = []
        for seed in (0, 1):
            right = {}
            for settings in folds:
                dataset = load_dataset(work_of(settings).dataset)
                right |= classified_right(dataset, arrays_folder(workdir, stream) / "fc7", seed)
            answers.append(in_order(right, names))
        rows[f"frame classifier, {title}"] = Row(np.stack(answers))
    return rows


def ridge_rows(folds: Sequence[Settings], workdir: str, names: list[str]) -> dict[str, Row]:
    """Ridge regression on one vector of each video, each on all folds."""
    tables = _vectors(load_dataset(work_of(folds[0]).dataset), workdir)
    rows = {}
    for name, vectors in tables.items():
        right: dict[str, bool] = {}
        for settings in folds:
            right |= ridge_right(load_dataset(work_of(settings).dataset), vectors)
        rows[name] = Row(in_order(right, names)[None])
    return rows


def _vectors(dataset: Dataset, workdir: str) -> dict[str, dict[str, np.ndarray]]:
    """What ridge regression reads of each video, by the name of its row."""
    tables: dict[str, dict[str, np.ndarray]] = {
        "ridge on width, height and length": {},
        MIDDLE_RGB: {},
        MEAN_RGB: {},
        "ridge on the mean vector of 320, RGB": {},
        "ridge on the mean vector of 1280, RGB": {},
        MEAN_FLOW: {},
        "ridge on the mean vector of 1280, flow": {},
        STATISTICS_RGB: {},
        "ridge on both mean vectors": {},
    }
    for video in dataset.videos:
        maps, heads = {}, {}
        for stream in ("rgb", "flow"):
            folder = arrays_folder(workdir, stream)
            maps[stream] = np.load(folder / "pool5" / f"{video.name}.npy").astype(np.float32)
            heads[stream] = np.load(folder / "fc7" / f"{video.name}.npy").astype(np.float32)
        rgb, head = maps["rgb"], heads["rgb"]
        vectors = (
            np.array([video.width, video.height, video.frames, video.width / video.height]),
            rgb[len(rgb) // 2].ravel(),
            rgb.mean(0).ravel(),
            rgb.mean((0, 1, 2)),
            head.mean(0),
            maps["flow"].mean(0).ravel(),
            heads["flow"].mean(0),
            np.concatenate([head.mean(0), head.max(0), head.std(0)]),
            np.concatenate([head.mean(0), heads["flow"].mean(0)]),
        )
        for name, vector in zip(tables, vectors, strict=True):
            tables[name][video.name] = vector
    return tables


def pixels_row(folds: Sequence[Settings], names: list[str]) -> Row:
    """Ridge regression on the mean frame of each clip, on all folds."""
    vectors = _mean_frames(folds[0])
    right: dict[str, bool] = {}
    for settings in folds:
        right |= ridge_right(load_dataset(work_of(settings).dataset), vectors)
    return Row(in_order(right, names)[None])


def _mean_frames(fold: Settings) -> dict[str, np.ndarray]:
    """The mean of all frames that networks read of each video too, [28 x 28 x 3], by its name."""
    cfg = fold.config()
    reader = FrameReader(
        "rgb",
        _PIXELS_SIDE,
        fps=cfg.data.fps,
        workers=1,
        fit=network_picture_fit(cfg.data.fit, "rgb", "raw"),
    )
    vectors = {}
    for video in load_dataset(work_of(fold).dataset).videos:
        vectors[video.name] = reader.read(video).astype(np.float32).mean(0).ravel()
    return vectors


def five_frames_rows(dataset: Dataset, workdir: str, names: list[str]) -> dict[str, Row]:
    """Ridge regression on few frames of each clip, on the folds and with one sequence held out."""
    vectors = {}
    for video in dataset.videos:
        maps = np.load(arrays_folder(workdir, "rgb") / "pool5" / f"{video.name}.npy")
        # The middles of five equal parts.
        chosen = ((np.arange(5) + 0.5) * len(maps) / 5).astype(int)
        vectors[video.name] = maps[chosen].astype(np.float32).mean(0).ravel()
    sequences = sorted({sequence_of(video.name) for video in dataset.videos})
    folds = [[sequence for sequence in sequences if sequence % FOLDS == k] for k in range(FOLDS)]
    alone = [[sequence] for sequence in sequences]
    rows = {}
    for name, held_out in ((FIVE, folds), (FIVE_ALONE, alone)):
        right: dict[str, bool] = {}
        for tested in held_out:
            right |= ridge_right(_with_tested(dataset, tested), vectors)
        rows[name] = Row(in_order(right, names)[None])
    return rows


def _with_tested(dataset: Dataset, sequences: Sequence[int]) -> Dataset:
    """The videos with these sequences as the test list, and all others as the training list."""
    videos = []
    for video in dataset.videos:
        part = "test" if sequence_of(video.name) in sequences else "train"
        videos.append(video._replace(part=part))
    return dataset._replace(videos=tuple(videos))


def ridge_right(dataset: Dataset, vectors: Mapping[str, np.ndarray]) -> dict[str, bool]:
    """Whether ridge regression of a vector by video has each test video right."""
    train, test = dataset.part("train"), dataset.part("test")
    scores, _ = linear.ridge(
        np.stack([vectors[video.name] for video in train]),
        _label(train),
        np.stack([vectors[video.name] for video in test]),
        groups=[video.group for video in train],
    )
    return _right(test, scores)


def _frames_right(dataset: Dataset, workdir: str) -> dict[str, bool]:
    """Ridge regression of every second frame, by the mean score of the frames of a test video."""
    folder = arrays_folder(workdir, "flow") / "pool5"
    train, test = dataset.part("train"), dataset.part("test")
    maps = {}
    for video in (*train, *test):
        frames = np.load(folder / f"{video.name}.npy")[::_EVERY]
        maps[video.name] = frames.reshape(len(frames), -1).astype(np.float32)
    counts = [len(maps[video.name]) for video in train]
    # Three sequences at a time are held out for the strength: one by one takes three times as long.
    groups = [str(sequence_of(video.name) % FOLDS) for video in train]
    scores, _ = linear.ridge(
        np.concatenate([maps[video.name] for video in train]),
        np.repeat(_label(train), counts),
        np.concatenate([maps[video.name] for video in test]),
        groups=np.repeat(groups, counts).tolist(),
    )
    bounds = np.cumsum([len(maps[video.name]) for video in test])[:-1]
    means = [of_video.mean(0) for of_video in np.split(scores, bounds)]
    return _right(test, np.stack(means))


def classified_right(dataset: Dataset, folder: pathlib.Path, seed: int) -> dict[str, bool]:
    """Whether the layer of the classes, trained on single frames, has each test video right.

    Args:
      dataset: a fold.
      folder: of the vectors of all videos, one .npy of [L', D] each.
      seed: of the training.
    """
    train, test = dataset.part("train"), dataset.part("test")
    frames = [np.load(folder / f"{video.name}.npy").astype(np.float32) for video in train]
    layer = frame_classifier.fit(frames, _label(train), seed=seed)
    scores = []
    for video in test:
        values = np.load(folder / f"{video.name}.npy").astype(np.float32)
        scores.append(frame_classifier.video_scores(layer, values))
    return _right(test, np.stack(scores))


def _label(videos: Sequence[Video]) -> np.ndarray:
    return np.array([video.label for video in videos])


def _right(videos: Sequence[Video], scores: np.ndarray) -> dict[str, bool]:
    hits = scores.argmax(1) == _label(videos)
    return dict(zip([video.name for video in videos], hits.tolist(), strict=True))
