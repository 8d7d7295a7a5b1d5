"""What does each option of the localiser change, on the stored attention of runs that are finished?

Run from the root of the checkout:
    python -m benchmarks.read_outs --name=demo --work=work/demo --runs=alstm-rgb,videolstm-rgb
    python -m benchmarks.read_outs --name=weizmann --work="work/weizmann/without-*"
    --runs=alstm-rgb,videolstm-rgb
The benchmark reads the files of evaluate and changes none of them. The test videos of several work
folders are pooled. No option is chosen by the truth: every option that was tried is in the table.
Intervals are percentiles of a bootstrap over videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from benchmarks.map_bootstrap import rounded, video_map_intervals
from benchmarks.scored_videos import ScoredVideo, joined, read
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.scoring import VideoOutput, score_tracks
from videolstm_jax.localize.tubes import video_tracks
from videolstm_jax.measure.intervals import mean_interval, paired_interval
from videolstm_jax.measure.tube_errors import frame_overlaps
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
"""Options that are measured on videos that their action fills."""
UNTRIMMED = {
    "paper": PAPER,
    "moments": MOMENTS,
    "trim by chance": LocalizeConfig(trim="chance"),
    "trim by mean": LocalizeConfig(trim="mean"),
    "trim by saliency": LocalizeConfig(trim="saliency"),
    "moments, trim by chance": LocalizeConfig(box="moments", sigma=0.0, trim="chance"),
    "moments, trim by mean": LocalizeConfig(box="moments", sigma=0.0, trim="mean"),
    "moments, trim by saliency": LocalizeConfig(box="moments", sigma=0.0, trim="saliency"),
    "all tubes": LocalizeConfig(tubes=0),
    "all tubes, per-video": LocalizeConfig(tubes=0, normalise="video"),
    "all tubes, trim by chance": LocalizeConfig(tubes=0, trim="chance"),
}
"""Options that are measured on videos of two actions, one after the other."""
TRUE_SPANS = "true spans (upper bound)"


class Measures(NamedTuple):
    """The measures of one option on V videos.

    `overlaps` [V] are mean frame IoUs of the heaviest tube before it is cut; `video_map` is
    [value, low, high] by threshold; `tubes` is the number of tubes a video, and `frames` the share
    of its frames that the tubes of its true classes have.
    """

    overlaps: np.ndarray
    video_map: dict[str, list[float]]
    tubes: float
    frames: float


# ---- measuring one option ------------------------------------------------------------------------


def measure(
    videos: Sequence[ScoredVideo],
    settings: LocalizeConfig,
    *,
    resamples: int,
    true_spans: bool = False,
) -> Measures:
    """Measures one option; with `true_spans`, tubes are cut by the truth, as an upper bound."""
    detections: dict[str, list[Detection]] = {}
    truth: dict[str, list[Detection]] = {}
    overlaps, shares, count = [], [], 0
    for video in videos:
        tracks = video_tracks(
            video.attention, video.size, video.frames, settings=settings, fit=video.fit
        )
        # As in `localize`: the score of a class is the mean over frames, and one frame's scores
        # decide only where a tube is cut.
        mean = video.scores.mean(axis=0, dtype=np.float64)
        output = VideoOutput(video.name, mean, video.scores, video.attention)
        truth[video.name] = list(video.truth)
        detections[video.name] = []
        for detection in score_tracks(tracks, output, settings):
            true = _true_tube(detection, video.truth)
            if true is not None and true_spans:
                detection = _cut(detection, true)
            if true is not None:
                shares.append(len(detection.tube.boxes) / video.frames)
            detections[video.name].append(detection)
        true_tubes = [true.tube for true in video.truth]
        # Tracks come heaviest first; the first one is measured before it is cut in time.
        overlaps.append(float(frame_overlaps(tracks[0].tube, true_tubes).mean()))
        count += len(tracks)
    return Measures(
        np.array(overlaps),
        video_map_intervals(detections, truth, THRESHOLDS, resamples),
        round(count / len(videos), 2),
        round(float(np.mean(shares)), 3),
    )


def _true_tube(detection: Detection, truth: Sequence[Detection]) -> Tube | None:
    """The first true tube of a detection's class; None where the video has none."""
    for true in truth:
        if true.label == detection.label:
            return true.tube
    return None


def _cut(detection: Detection, true: Tube) -> Detection:
    """Cuts a tube to the frames of a true tube."""
    first = true.start - detection.tube.start
    boxes = detection.tube.boxes[first : first + len(true.boxes)]
    return detection._replace(tube=Tube(true.start, boxes))


# ---- tables --------------------------------------------------------------------------------------


def table(
    videos: Sequence[ScoredVideo],
    options: Mapping[str, LocalizeConfig],
    *,
    resamples: int,
    upper_bound: bool = False,
) -> dict[str, dict[str, Any]]:
    """Prints and returns one row for each option, compared with the first on the same videos."""
    rows: dict[str, dict[str, Any]] = {}
    first = None
    choices = dict(options)
    if upper_bound:
        choices[TRUE_SPANS] = PAPER
    for name, settings in choices.items():
        cut = name == TRUE_SPANS
        measures = measure(videos, settings, resamples=resamples, true_spans=cut)
        if first is None:
            first = measures.overlaps
        # Paired: both have the same videos, so what is common to a video cancels.
        difference = paired_interval(measures.overlaps, first)
        rows[name] = {
            "frame_iou": rounded(mean_interval(measures.overlaps)),
            "minus_paper": rounded(difference),
            "video_map": measures.video_map,
            "tubes a video": measures.tubes,
            "share of the frames": measures.frames,
        }
        _print_row(name, rows[name])
    return rows


def _print_row(name: str, row: Mapping[str, Any]) -> None:
    cells = [_interval(row["frame_iou"]), _interval(row["minus_paper"], "+")]
    for threshold in THRESHOLDS:
        cells.append(_interval(row["video_map"][str(threshold)]))
    tubes, frames = row["tubes a video"], row["share of the frames"]
    print(f"  {name:<28}{'  '.join(cells)}  {tubes:5.2f}  {frames:5.3f}", flush=True)


def _interval(values: Sequence[float], sign: str = "") -> str:
    value, low, high = values
    return f"{value:{sign}.3f} ({low:{sign}.3f} {high:{sign}.3f})".ljust(24)


def main() -> None:
    """Prints both tables of every run and writes results/read_outs_<name>.json."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--resamples", type=int, default=1000, help="of each interval of video-mAP")
    arguments = command_line.finished_runs(parser)
    resamples = arguments.resamples
    titles = ("frame IoU", "minus paper", "video-mAP .2", "video-mAP .5")
    head = " " * 30
    for title in titles:
        head += title.ljust(26)
    head += "tubes  frames"
    runs = {}
    for run in arguments.runs:
        videos = read(arguments.folders, run)
        pairs = joined(videos)
        print(f"{run}, {len(videos)} videos as they are\n{head}")
        trimmed = table(videos, TRIMMED, resamples=resamples)
        print(f"{run}, {len(pairs)} videos of two classes each\n{head}")
        untrimmed = table(pairs, UNTRIMMED, resamples=resamples, upper_bound=True)
        runs[run] = {
            "trimmed": {"videos": len(videos), "rows": trimmed},
            "untrimmed": {"videos": len(pairs), "rows": untrimmed},
        }
    result = {"question": command_line.question(__doc__), "resamples": resamples, "runs": runs}
    record.save(f"read_outs_{arguments.name}", result, arguments.out)


if __name__ == "__main__":
    main()
