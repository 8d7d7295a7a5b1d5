"""The stage `objects`: mean probabilities of ImageNet's 1,000 classes, and a linear SVM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from etils import epath

from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.prepared import check_fingerprints
from videolstm_jax.errors import VideoError
from videolstm_jax.files import read_arrays, write_arrays, write_json
from videolstm_jax.flow_images.flow_index import read_flow_index
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.nn.imagenet_classes import imagenet_classifier
from videolstm_jax.progress_lines import counted
from videolstm_jax.score_files.svm_scores import save_svm_scores, videos_of_score_file
from videolstm_jax.shallow.scikit_learn import scikit_learn
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video import guard
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

NAME = "objects"
"""The name of the run."""
SIDE = 224
"""Pixels of the square that frames are squashed to, as the network was trained."""


def run(cfg: RunConfig) -> epath.Path:
    """Writes `runs/objects/scores.npz`: linear SVMs on the mean class probabilities of each video.

    The network is EfficientNet-Lite0 as ImageNet trained it. What a killed run finished is not made
    again.

    Returns:
      The path of the scores of the test list.

    Raises:
      ConfigError: scikit-learn is not installed, or `prepare` read other frames.
      FileError: `prepare` has not run, the weights are missing, or another process scores too.
      VideoError: a video is not as `prepare` found it.
    """
    # Refused before hours of decoding, not behind them.
    scikit_learn("svm")
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    index = read_flow_index(work, cfg.data)
    check_fingerprints(index, videos_of_score_file(dataset))
    with team_writer(work.run(NAME), "objects", break_lock=cfg.break_lock):
        return _write_scores(cfg, work, dataset, index["source"])


def _write_scores(
    cfg: RunConfig, work: Workdir, dataset: Dataset, fingerprints: Mapping[str, str]
) -> epath.Path:
    """Writes the means of all videos, and the scores; returns the path of these."""
    videos = videos_of_score_file(dataset)
    means = _means(cfg, work, videos, fingerprints)
    features = np.stack([means[video.name] for video in videos])
    # Of length 1, so that the cost has the same meaning for all videos, as with Fisher vectors.
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    path, temperature = save_svm_scores(cfg, NAME, dataset, features, cfg.objects.cost)
    record = {
        "network": "lite0",
        "stride": cfg.objects.stride,
        "cost": cfg.objects.cost,
        "temperature": temperature,
    }
    write_json(work.run(NAME) / "objects.json", record)
    return path


def _means(
    cfg: RunConfig, work: Workdir, videos: Sequence[Video], fingerprints: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """The mean probabilities [1000] of each video; those that are there already are read."""
    folder = work.run(NAME) / "means"
    means, origins, videos_to_do = {}, {}, []
    for video in videos:
        # The fingerprint stands for the file, and the stride for the frames of it. The network is
        # fixed.
        origins[video.name] = f"{fingerprints[video.name]}, stride {cfg.objects.stride}"
        mean = _stored_mean(folder / f"{video.name}.npz", origins[video.name])
        if mean is None:
            videos_to_do.append(video)
        else:
            means[video.name] = mean
    if not videos_to_do:
        return means
    # Not opened where nothing is missing: weights would be read, and a program compiled, for
    # nothing.
    classify = imagenet_classifier(SIDE, cfg.objects.batch)
    frames_of_videos = counted(_decoded(cfg, videos_to_do), len(videos_to_do), "objects: videos")
    for video, frames in zip(videos_to_do, frames_of_videos, strict=True):
        # The first frame is always among them, so a video shorter than the stride has a mean too.
        mean = classify(frames[:: cfg.objects.stride]).mean(0)
        origin = np.array(origins[video.name], str)
        write_arrays(folder / f"{video.name}.npz", mean=mean, origin=origin)
        means[video.name] = mean
    return means


def _stored_mean(path: epath.Path, origin: str) -> np.ndarray | None:
    """The mean that an earlier run wrote; None where there is none of this video and stride."""
    if not path.exists():
        return None
    mean, stored_origin = read_arrays(path, "mean", "origin")
    if str(stored_origin) != origin:
        return None
    return mean


def _decoded(cfg: RunConfig, videos: Sequence[Video]) -> Iterator[np.ndarray]:
    """Yields the frames [L, S, S, 3] of each video."""
    settings = {"fps": cfg.data.fps, "max_frames": cfg.data.max_frames, "size": (SIDE, SIDE)}
    decoded = guard.read_all_videos(
        [video.path for video in videos],
        **settings,
        workers=cfg.data.workers,
        limit=cfg.data.time_limit,
    )
    for frames in decoded:
        if isinstance(frames, VideoError):
            # `guard` yields errors, so that others may go on with the next video. Here every video
            # is needed.
            raise frames
        yield frames
