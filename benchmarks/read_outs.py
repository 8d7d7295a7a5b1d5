"""What does each option of the localiser change, on the stored attention of runs that are finished?

Run from the root of the checkout:
    python -m benchmarks.read_outs --name=demo --work=work/demo --runs=alstm-rgb,videolstm-rgb
    python -m benchmarks.read_outs --name=weizmann --work="work/weizmann/without-*"
    --runs=alstm-rgb,videolstm-rgb
Reads what evaluate left and writes nothing there; of several work folders the test videos are
pooled. Nothing is chosen by the truth: every option that was tried is in the table. Intervals are
percentiles of a bootstrap over videos.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import record
from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.scoring import VideoOutput, score_tracks
from videolstm_jax.localize.tubes import video_tracks
from videolstm_jax.measure.accuracy import mean_interval, paired_interval
from videolstm_jax.measure.overlap import envelope_area, tube_iou
from videolstm_jax.measure.precision import by_label, ordered
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.measure.video_ap import video_map
from videolstm_jax.types import Detection, Tube

THRESHOLDS = (0.2, 0.5)
PAPER = LocalizeConfig()
MOMENTS = LocalizeConfig(box="moments", sigma=0.0)
TRIMMED = {
    "paper": PAPER,
    "moments": MOMENTS,
    "per-video normalisation": LocalizeConfig(normalise="video"),
    "two tubes": LocalizeConfig(tubes=2),
    "all tubes": LocalizeConfig(tubes=0),
    "all tubes, per-video": LocalizeConfig(tubes=0, normalise="video"),
    "trim by chance": LocalizeConfig(trim="chance"),
    "trim by mean": LocalizeConfig(trim="mean"),
    "trim by saliency": LocalizeConfig(trim="saliency"),
    "causal": LocalizeConfig(causal=True),
    "moments, causal": LocalizeConfig(box="moments", sigma=0.0, causal=True),
    "span 1 (no smoothing)": LocalizeConfig(span=1),
    "span 7": LocalizeConfig(span=7),
    "span 31": LocalizeConfig(span=31),
    "moments, span 1": LocalizeConfig(box="moments", sigma=0.0, span=1),
    "moments, span 31": LocalizeConfig(box="moments", sigma=0.0, span=31),
}
UNTRIMMED = {
    "paper": PAPER,
    "moments": MOMENTS,
    **{
        f"{box}trim by {rule}": LocalizeConfig(box=name, sigma=sigma, trim=rule)
        for box, name, sigma in (("", "region", 20.0), ("moments, ", "moments", 0.0))
        for rule in ("chance", "mean", "saliency")
    },
    "all tubes": LocalizeConfig(tubes=0),
    "all tubes, per-video": LocalizeConfig(tubes=0, normalise="video"),
    "all tubes, trim by chance": LocalizeConfig(tubes=0, trim="chance"),
}
TRUE_SPANS = "true spans (upper bound)"


class Seen(NamedTuple):
    """One video as a run saw it, and its true tubes; `scores` [L', C], `attention` [L', N, N],
    `size` H, W.
    """

    name: str
    size: tuple[int, int]
    frames: int
    scores: np.ndarray
    attention: np.ndarray
    truth: tuple[Detection, ...]


def read(folders: Sequence[str], run: str) -> list[Seen]:
    """The test videos with truth of all folders, by class and then by name."""
    seen = []
    for folder in folders:
        work = Workdir(folder)
        truth: dict[str, list[Detection]] = {}
        for one in artifacts.load_detections(work.truth):
            truth.setdefault(one.video, []).append(one)
        for video in artifacts.load_dataset(work.dataset).videos:
            if video.part == "test" and video.name in truth:
                scores, attention = files.read_arrays(
                    work.passes(run, video.name), "scores", "attention", made_by="evaluate"
                )
                seen.append(
                    Seen(
                        video.name,
                        (video.height, video.width),
                        video.frames,
                        scores,
                        attention,
                        tuple(truth[video.name]),
                    )
                )
    return sorted(seen, key=lambda one: (one.truth[0].label, one.name))


def joined(seen: Sequence[Seen]) -> list[Seen]:
    """An untrimmed test: every video followed by one of another class, each class true on its own
    part only.

    The k-th video in the order of classes is followed by the one half the list further on, so each
    is first once and second once. Scores and attention are those of the single videos: the carry is
    that of a stream cut at the join.
    """
    made = []
    for place, first in enumerate(seen):
        second = seen[(place + len(seen) // 2) % len(seen)]
        if second.truth[0].label == first.truth[0].label or second.size != first.size:
            continue
        name = f"{first.name}+{second.name}"
        hold = first.frames - len(first.attention)
        arrays = [
            np.concatenate([a, np.repeat(a[-1:], hold, axis=0), b])
            for a, b in ((first.scores, second.scores), (first.attention, second.attention))
        ]
        truth = [one._replace(video=name) for one in first.truth]
        truth += [
            one._replace(video=name, tube=Tube(one.tube.start + first.frames, one.tube.boxes))
            for one in second.truth
        ]
        made.append(Seen(name, first.size, first.frames + second.frames, *arrays, tuple(truth)))
    return made


def measured(
    seen: Sequence[Seen], how: LocalizeConfig, *, resamples: int, true_spans: bool = False
) -> dict:
    """Mean frame IoU [V] of the heaviest tube before it is cut, video-mAP with intervals, and
    counts.
    """
    found: dict[str, list[Detection]] = {}
    overlaps, lengths, count = [], [], 0
    for one in seen:
        tracks = video_tracks(one.attention, one.size, one.frames, settings=how)
        scores = one.scores.mean(axis=0, dtype=np.float64)
        rows = score_tracks(tracks, VideoOutput(one.name, scores, one.scores, one.attention), how)
        found[one.name] = [_cut_to_truth(row, one.truth) for row in rows] if true_spans else rows
        labels = {true.label for true in one.truth}
        lengths += [
            len(row.tube.boxes) / one.frames for row in found[one.name] if row.label in labels
        ]
        overlaps.append(
            float(frame_overlaps(tracks[0].tube, [true.tube for true in one.truth]).mean())
        )
        count += len(tracks)
    truth = {one.name: list(one.truth) for one in seen}
    return {
        "overlaps": np.array(overlaps),
        "video_map": _maps(found, truth, resamples),
        "tubes a video": round(count / len(seen), 2),
        "share of the frames": round(float(np.mean(lengths)), 3),
    }


def _cut_to_truth(found: Detection, truth: Sequence[Detection]) -> Detection:
    same = [true.tube for true in truth if true.label == found.label]
    if not same:
        return found
    start, boxes = same[0].start, found.tube.boxes[same[0].start - found.tube.start :]
    return found._replace(tube=Tube(start, boxes[: len(same[0].boxes)]))


def _maps(
    found: Mapping[str, list[Detection]], truth: Mapping[str, list[Detection]], resamples: int
) -> dict[str, list[float]]:
    """Video-mAP (voc) at each threshold as [value, low, high], whole videos drawn with replacement.

    Tubes of different videos do not compete for truth, so which are hits is settled once, and a
    draw only says how often each counts.
    """
    names = {name: place for place, name in enumerate(sorted(truth))}
    everything = [one for rows in found.values() for one in rows]
    classes = by_label(one for rows in truth.values() for one in rows)
    ranked = {
        label: [one for one in ordered(everything) if one.label == label] for label in classes
    }
    place = {label: np.array([names[one.video] for one in rows]) for label, rows in ranked.items()}
    positives = {
        label: np.bincount([names[one.video] for one in rows], minlength=len(names))
        for label, rows in classes.items()
    }
    generator = np.random.default_rng(0)
    draws = np.ones((resamples + 1, len(names)), int)  # the first counts every video once
    for row in draws[1:]:
        row[:] = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
    intervals = {}
    for threshold in THRESHOLDS:
        hits = {label: _hits(rows, truth, threshold) for label, rows in ranked.items()}
        means = np.array(
            [
                np.mean(
                    [
                        envelope_area(np.repeat(hits[label], times[place[label]]), total)
                        for label in classes
                        if (total := int((times * positives[label]).sum()))
                    ]
                )
                for times in draws
            ]
        )
        if not np.isclose(
            means[0],
            video_map(everything, [one for rows in truth.values() for one in rows], threshold),
        ):
            raise SystemExit(
                f"video-mAP is {means[0]} here and another number in measure/: expected the same"
            )
        intervals[str(threshold)] = [
            round(float(v), 4) for v in (means[0], *np.quantile(means[1:], [0.025, 0.975]))
        ]
    return intervals


def _hits(
    found: Sequence[Detection], truth: Mapping[str, list[Detection]], threshold: float
) -> np.ndarray:
    """Which tubes of one class, in falling order of score, take the true tube they cover best."""
    left = {name: list(rows) for name, rows in truth.items()}
    hits = np.zeros(len(found), bool)
    for place, one in enumerate(found):
        same = [true for true in left[one.video] if true.label == one.label]
        best = max(same, key=lambda true, tube=one.tube: tube_iou(tube, true.tube), default=None)
        if best is not None and tube_iou(one.tube, best.tube) > threshold:
            hits[place] = True
            left[one.video] = [true for true in left[one.video] if true is not best]
    return hits


def table(
    seen: Sequence[Seen],
    options: Mapping[str, LocalizeConfig],
    *,
    resamples: int,
    upper_bound: bool = False,
) -> dict[str, dict]:
    """One row an option, each with what it adds to the paper's rule on the same videos."""
    rows, first = {}, None
    asked = [(name, how, False) for name, how in options.items()]
    asked += [(TRUE_SPANS, PAPER, True)] if upper_bound else []
    for name, how, true_spans in asked:
        row = measured(seen, how, resamples=resamples, true_spans=true_spans)
        overlaps = row.pop("overlaps")
        first = overlaps if first is None else first
        rows[name] = {
            "frame_iou": [round(v, 4) for v in mean_interval(overlaps)],
            "minus_paper": [round(v, 4) for v in paired_interval(overlaps, first)],
            **row,
        }
        print(
            f"  {name:<28}{_said(rows[name]['frame_iou'])}  {_said(rows[name]['minus_paper'], '+')}"
            + "".join(f"  {_said(rows[name]['video_map'][str(at)])}" for at in THRESHOLDS)
            + f"  {row['tubes a video']:5.2f}  {row['share of the frames']:5.3f}",
            flush=True,
        )
    return rows


def _said(interval: Sequence[float], sign: str = "") -> str:
    value, low, high = interval
    return f"{value:{sign}.3f} ({low:{sign}.3f} {high:{sign}.3f})".ljust(24)


def main() -> None:
    """Prints both tables of every run and writes results/read_outs_<name>.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--resamples", type=int, default=1000, help="of each interval of video-mAP")
    asked = record.finished_runs(__doc__, parser)
    result = {}
    for run in asked.runs:
        seen = read(asked.folders, run)
        both = joined(seen)
        head = f"{'frame IoU':<26}{'minus paper':<26}{'video-mAP .2':<26}{'video-mAP .5':<26}tubes  frames"
        print(f"{run}, {len(seen)} videos as they are\n  {'':<28}{head}")
        trimmed = table(seen, TRIMMED, resamples=asked.resamples)
        print(f"{run}, {len(both)} videos of two classes each\n  {'':<28}{head}")
        result[run] = {
            "trimmed": {"videos": len(seen), "rows": trimmed},
            "untrimmed": {
                "videos": len(both),
                "rows": table(both, UNTRIMMED, resamples=asked.resamples, upper_bound=True),
            },
        }
    record.save(
        f"read_outs_{asked.name}",
        {"question": record.question(__doc__), "resamples": asked.resamples, "runs": result},
    )


if __name__ == "__main__":
    main()
