"""Films and strips of what an evaluated run saw in videos of its walk: heat, boxes, true boxes, scores over time."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import LocalizeConfig, OverlayConfig
from videolstm_jax.files import ArtifactError
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.report import board, choose, embed, overlay
from videolstm_jax.report.example import boxes_at
from videolstm_jax.types import Tube, Video
from videolstm_jax.video import encode, live
from videolstm_jax.video.container import BadVideo


class Told(NamedTuple):
    """What is known of one video: `scores` [L', C], `attention` [L', N, N] or None, and its tubes."""

    video: Video
    scores: np.ndarray
    attention: np.ndarray | None
    found: Tube | None
    truth: tuple[Tube, ...]


def run(cfg: OverlayConfig) -> epath.Path:
    """Writes overlays/<run>/<Class>-<stem>.mp4, and a film strip .png of the same name, of each video.

    Frames are read and filmed one at a time, so a video of any length and size may be shown.

    Returns:
      The folder of the pictures.

    Raises:
      ArtifactError: the run was not evaluated, or a video is none of the walk's or not as it was.
      BadVideo: a file that cannot be read.
    """
    work, name = artifacts.of_run(cfg.run)
    dataset = artifacts.load_dataset(work.dataset)
    listed = {video.name: video for video in dataset.videos}
    names = cfg.videos or _chosen(work, name, cfg.examples)
    for video in names:
        if video not in listed:
            raise ArtifactError(f"{work.dataset} does not list {video}; expected a name such as {next(iter(listed))}")
    said = files.read_json(work.run(name) / "config.json")["config"]
    sigma = said.get("localize", {}).get("sigma", LocalizeConfig.sigma)
    tubes = work.run(name) / "tubes.jsonl"
    found = choose.best_tubes(artifacts.load_detections(tubes)) if tubes.exists() else {}
    truth: dict[str, tuple[Tube, ...]] = {}
    for true in artifacts.load_detections(work.truth) if work.truth.exists() else []:
        truth[true.video] = (*truth.get(true.video, ()), true.tube)
    folder = work.path / "overlays" / name
    for video in names:
        told = Told(listed[video], *_pass(work, name, video), found[video].tube if video in found else None,
                    truth.get(video, ()))
        path = folder / f"{video.replace('/', '-')}.mp4"
        _film(told, dataset.classes, path, cfg.side, sigma, fps=said["data"].get("fps", 0.0))
        print(f"overlay: {path}", flush=True)
    return folder


def _chosen(work: Workdir, name: str, count: int) -> tuple[str, ...]:
    scores = artifacts.load_scores(work.scores(name))
    rows = choose.videos(scores.label, scores.scores.argmax(1), scores.scores.max(1), count)
    return tuple(scores.videos[row] for row in rows)


def _pass(work: Workdir, name: str, video: str) -> tuple[np.ndarray, np.ndarray | None]:
    path = work.passes(name, video)
    (scores,) = files.read_arrays(path, "scores", made_by="evaluate (for the test list)")
    try:
        (attention,) = files.read_arrays(path, "attention")
    except ArtifactError:  # the cell does not attend
        return scores, None
    return scores, attention


def _film(told: Told, classes: Sequence[str], path: epath.Path, side: int, sigma: float, *, fps: float) -> None:
    """Writes the film of one video, and its strip behind it."""
    video, length = told.video, told.video.frames
    shown = _shown(told)
    names = tuple(classes[c] + " (true)" * (c == video.label) for c in shown)
    means = np.cumsum(told.scores, axis=0, dtype=np.float64) / np.arange(1, len(told.scores) + 1)[:, None]

    def lines(t: int) -> board.Lines:
        k = min(t, len(told.scores) - 1)  # the last frame has no flow, and holds what is known
        return board.Lines(names, means[k, shown], told.scores[:k + 1, shown], 0, length, _bands(told))

    kept, cells, count = set(overlay.evenly(length, board.CELLS).tolist()), [], 0
    with live.opened(video.path, fps=fps, max_frames=length) as source, contextlib.ExitStack() as stack:
        for t, frame in enumerate(source.frames):
            card = board.card(_view(told, frame, t, side, sigma), lines(t), f"frame {t}")
            if not count:
                add = stack.enter_context(encode.growing(path, card.shape[1::-1], source.fps))
            add(card)
            if t in kept:
                cells.append(board.cell(_view(told, frame, t, side // 2, sigma), f"frame {t}"))
            count += 1
        if count != length or frame.shape[1::-1] != (video.width, video.height):
            raise BadVideo(f"{video.path}: {count} frames of {frame.shape[1]} x {frame.shape[0]}; expected {length} of "
                           f"{video.width} x {video.height}, as the stage prepare found it")
    files.write_bytes(path.with_suffix(".png"), embed.still(board.strip(cells, lines(length))))


def _view(told: Told, frame: np.ndarray, t: int, side: int, sigma: float) -> board.View:
    def heat(size: tuple[int, int]) -> np.ndarray:
        at = min(t, len(told.scores) - 1)
        return saliency(told.attention[at:at + 1], size, sigma=sigma)[0]

    return board.view(frame, side, None if told.attention is None else heat,
                      found=None if told.found is None else boxes_at([told.found], t),
                      truth=boxes_at(told.truth, t) if told.truth else None)


def _shown(told: Told) -> list[int]:
    """The classes with the highest scores, and the true one among them."""
    top = np.argsort(-told.scores.mean(0), kind="stable")[:len(board.PALETTE)].tolist()
    return top if told.video.label in top else [*top[:-1], told.video.label]


def _bands(told: Told) -> tuple[tuple[int, int], ...]:
    """When the action goes on, where that is not all the time."""
    ends = [(tube.start, tube.start + len(tube.boxes) - 1) for tube in told.truth]
    return tuple((first, last) for first, last in ends if first > 0 or last < told.video.frames - 1)
