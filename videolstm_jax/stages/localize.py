"""Makes tubes from a run's attention and measures them where there are true boxes (Sec. 4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax import artifacts, files
from videolstm_jax.annotations.workdir_truth import read_true_tubes, train_boxes
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import FileError
from videolstm_jax.localize import baselines
from videolstm_jax.localize.baseline_tubes import baseline_tubes
from videolstm_jax.localize.evidence import evidence, flow_against_camera, flow_magnitude
from videolstm_jax.localize.found import one_tube, scored, video_found
from videolstm_jax.localize.several import Track
from videolstm_jax.measure.accuracy import mean_interval, paired_interval
from videolstm_jax.measure.errors import frame_overlaps
from videolstm_jax.measure.looking import (
    Looking,
    attention_summary,
    frames_inside,
    looking,
    whole_frames,
)
from videolstm_jax.measure.tube_summary import tube_summary
from videolstm_jax.trained import evaluated
from videolstm_jax.types import Dataset, Detection, Tube, Video
from videolstm_jax.video.flow_file import read_flow

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import NDArray

ABOUT = {
    "full_frame": "the whole frame",
    "centred": "a centred box, the fraction of the frame's sides that suits the truth best",
    "mean_train_box": "the mean true box of the training list",
    "uniform_attention": "attention that looks nowhere, through the same pipeline",
    "flow_magnitude": "mean optical flow of each cell as attention, through the same pipeline",
    "ideal_attention": "the share of each cell that the longest true tube covers as attention: what the map allows",
    "perfect_box": "the one still box that overlaps best with the longest true tube: what a box that stays allows",
    "perfect_tube": "the longest true tube itself: what one tube a video, scored by this model, allows",
}


class Pass(NamedTuple):
    """What a run said of one video: `scores` [C] of the video, `frame_scores` [L, C], `tracks`, and
    how it looked.

    `detect` scores tubes as the settings say; `inside` are `looking.frames_inside`, `baselines` the
    tubes to compare with.
    """

    video: Video
    scores: NDArray
    frame_scores: NDArray
    tracks: list[Track]
    detect: Callable[[list[Track]], list[Detection]]
    look: Looking
    inside: tuple[NDArray, NDArray] | None
    baselines: dict[str, Tube]

    @property
    def tube(self) -> Tube:
        """The heaviest one."""
        return self.tracks[0].tube


def run(cfg: RunConfig) -> epath.Path:
    """Writes runs/<name>/tubes.jsonl, one line a test video, and map.json with all measures of
    docs/evaluation.md.

    Returns:
      The path of map.json. What needs true boxes is null in it where the test videos have none.

    Raises:
      FileError: a file is missing or does not fit, or the run's cell has no attention.
    """
    work = Workdir(cfg.workdir)
    dataset = artifacts.load_dataset(work.dataset)
    videos = [video for video in dataset.videos if video.part == "test"]
    if not videos:
        raise FileError(f"{work.dataset} lists no test videos; expected at least one")
    truth = read_true_tubes(work, dataset)
    boxes = train_boxes(work, dataset, truth)
    given = _given_scores(cfg, work, dataset, videos)
    passes = []
    for number, video in enumerate(videos, 1):
        passes.append(
            _watch(
                cfg,
                work,
                video,
                len(dataset.classes),
                truth.get(video.name, []),
                boxes.get(video.name),
                given,
            )
        )
        if number % 50 == 0 or number == len(videos):
            print(f"localize: {number} of {len(videos)} videos", flush=True)
    folder = work.run(cfg.run_name)
    found = [row for one in passes for row in one.detect(one.tracks)]
    artifacts.save_detections(folder / "tubes.jsonl", found)
    value = {
        "run": cfg.run_name,
        "scores": cfg.localize.scores or "mean of frame scores",
        "settings": dataclasses.asdict(cfg.localize),
        "classes": list(dataset.classes),
        "videos": len(passes),
        "tubes": sum(len(one.tracks) for one in passes),
        **_measured(cfg, passes, truth, by_frame=given is None and cfg.localize.tubes == 1),
    }
    files.write_json(folder / "map.json", value)
    _say(value)
    return folder / "map.json"


# ---- reading -------------------------------------------------------------------------------------


def _given_scores(
    cfg: RunConfig, work: Workdir, dataset: Dataset, videos: list[Video]
) -> dict[str, NDArray] | None:
    """Scores by video where `localize.scores` names a score file."""
    if not cfg.localize.scores:
        return None
    path = work.scores(cfg.localize.scores)
    scores = artifacts.load_scores(path)
    if scores.classes != dataset.classes:
        raise FileError(
            f"{path} has {len(scores.classes)} classes that are not the {len(dataset.classes)} of "
            f"{work.dataset}; expected the same in one order"
        )
    rows = dict(zip(scores.videos, scores.scores, strict=True))
    missing = [video.name for video in videos if video.name not in rows]
    if missing:
        raise FileError(
            f"{path} lacks {len(missing)} of {len(videos)} test videos, the first is {missing[0]}"
        )
    return rows


def _read_pass(cfg: RunConfig, work: Workdir, video: Video, classes: int) -> evaluated.Pass:
    """Frame scores [L', C], attention [L', N, N] and the size of its features of one video."""
    found = evaluated.load_pass(work, cfg.run_name, video, classes)
    if found.attention is None:
        raise FileError(
            f"{work.passes(cfg.run_name, video.name)} holds no attention, so there is nothing to "
            "localise with; expected a run whose cell attends"
        )
    return found


def _flow_map(
    work: Workdir, video: Video, cells: int, of: Callable[[NDArray, int], NDArray]
) -> NDArray | None:
    """Flow as attention [L - 1, N, N], made `of` images and N, or None where no flow was kept."""
    path = work.flow / f"{video.name}.zip"
    if not path.exists():
        return None
    maps = []
    for start in range(0, video.frames - 1, 64):  # a long video never lies in memory at full size
        maps.append(of(read_flow(path, start, min(start + 64, video.frames - 1)), cells))
    return np.concatenate(maps)


# ---- one video -----------------------------------------------------------------------------------


def _watch(
    cfg: RunConfig,
    work: Workdir,
    video: Video,
    classes: int,
    truth: list[Detection],
    train_box: NDArray | None,
    given: dict[str, NDArray] | None,
) -> Pass:
    frame_scores, attention, features = _read_pass(cfg, work, video, classes)
    size, cells, how = (video.height, video.width), attention.shape[1], cfg.localize
    against = (
        _flow_map(work, video, cells, flow_against_camera) if how.evidence == "moving" else None
    )
    try:
        tracks = video_found(
            evidence(how.evidence, attention, features, against), size, video.frames, how
        )
    except ValueError as error:
        raise FileError(f"{work.passes(cfg.run_name, video.name)}: {error}") from error
    padded = np.concatenate(
        [frame_scores, np.repeat(frame_scores[-1:], video.frames - len(frame_scores), axis=0)]
    )
    scores = frame_scores.mean(axis=0, dtype=np.float64) if given is None else given[video.name]
    detect = partial(
        scored, video.name, scores=scores, how=how, frame_scores=frame_scores, attention=attention
    )
    seen = Pass(video, scores, padded, tracks, detect, looking(attention), None, {})
    if not truth:
        return seen
    tubes = [one.tube for one in truth]
    covered = baselines.covered_cells(tubes, size, len(attention), cells)
    rivals = baseline_tubes(
        tubes,
        size,
        video.frames,
        cells,
        partial(one_tube, size=size, frames=video.frames, how=how),
        flow=_flow_map(work, video, cells, flow_magnitude),
        train_box=train_box,
    )
    return seen._replace(inside=frames_inside(attention, covered), baselines=rivals)


# ---- all videos ----------------------------------------------------------------------------------


def _measured(
    cfg: RunConfig, passes: list[Pass], truth: dict[str, list[Detection]], *, by_frame: bool
) -> dict[str, Any]:
    """What map.json says of the attention, of the tubes and of the baselines."""
    attention = attention_summary(
        [one.look for one in passes], [one.inside for one in passes if one.inside]
    )
    attention["full_frame_boxes"] = float(
        np.mean(
            [
                whole_frames(track.tube, (one.video.height, one.video.width))
                for one in passes
                for track in one.tracks
            ]
        )
    )
    known = [one for one in passes if one.video.name in truth]
    true = [one for seen in known for one in truth[seen.video.name]]
    value = {
        "attention": attention,
        "truth": {"videos": len(known), "tubes": len(true)},
        "model": None,
        "baselines": {},
    }
    if not known:
        return value
    frame_scores = {one.video.name: one.frame_scores for one in known} if by_frame else None

    def measures(tracks: list[list[Track]], overlaps: NDArray) -> dict[str, Any]:
        found = [one for seen, own in zip(known, tracks, strict=True) for one in seen.detect(own)]
        return {
            **tube_summary(found, true, frame_scores=frame_scores),
            "mean_frame_iou": mean_interval(overlaps, seed=cfg.seed)._asdict(),
        }

    ours = _overlaps(known, [one.tube for one in known], truth)
    value["model"] = measures([one.tracks for one in known], ours)
    value["frame_iou"] = {
        one.video.name: {"model": float(iou)} for one, iou in zip(known, ours, strict=True)
    }
    for name, tubes in _rivals(known, truth).items():
        theirs = _overlaps(known, tubes, truth)
        kind, _, fraction = name.partition(" ")
        for one, iou in zip(known, theirs, strict=True):
            value["frame_iou"][one.video.name][kind] = float(iou)
        value["baselines"][kind] = {
            **measures([[Track(tube, 1.0)] for tube in tubes], theirs),
            "about": ABOUT[kind],
            **({"fraction": float(fraction)} if fraction else {}),
            "model_minus_baseline": paired_interval(ours, theirs, seed=cfg.seed)._asdict(),
        }
    return value


def _rivals(known: list[Pass], truth: dict[str, list[Detection]]) -> dict[str, list[Tube]]:
    """The baselines that every video has; of the centred boxes only the best."""
    names = [name for name in known[0].baselines if all(name in one.baselines for one in known)]
    made = {name: [one.baselines[name] for one in known] for name in names}
    centred = [name for name in names if name.startswith("centred")]
    best = max(centred, key=lambda name: _overlaps(known, made[name], truth).mean())
    return {name: tubes for name, tubes in made.items() if name not in centred or name == best}


def _overlaps(known: list[Pass], tubes: list[Tube], truth: dict[str, list[Detection]]) -> NDArray:
    """[V] the mean IoU of a video's boxes with its true ones, over the frames with truth."""
    return np.array(
        [
            frame_overlaps(tube, [true.tube for true in truth[one.video.name]]).mean()
            for one, tube in zip(known, tubes, strict=True)
        ]
    )


def _say(value: dict[str, Any]) -> None:
    look = value["attention"]
    print(
        f"localize: attention entropy {look['entropy']:.3f} of the largest, peak {look['peak']:.3f}, full-frame "
        f"boxes {100 * look['full_frame_boxes']:.1f} %"
    )
    if look["warning"]:
        print(f"localize: warning: {look['warning']}")
    if value["model"] is None:
        print("localize: no true boxes for the test videos, so nothing is measured")
        return
    print(f"localize: {'':<18} {'frame IoU':>9} {'video-mAP .2':>12} {'.5':>6}")
    for name, row in {"model": value["model"], **value["baselines"]}.items():
        voc = row["video_map"]["voc"]
        print(
            f"localize: {name:<18} {row['mean_frame_iou']['value']:>9.3f} {voc['0.2']:>12.3f} {voc['0.5']:>6.3f}"
        )
