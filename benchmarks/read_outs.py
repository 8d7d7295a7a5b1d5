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
from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.scoring import VideoOutput, score_tracks
from videolstm_jax.localize.tubes import video_tracks
from videolstm_jax.measure.intervals import mean_interval, paired_interval
from videolstm_jax.measure.overlap import envelope_area, tube_iou
from videolstm_jax.measure.precision import group_by_class, sort_by_score
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


class ScoredVideo(NamedTuple):
    """One test video with a run's `scores` [L', C] and `attention` [L', N, N], and its true tubes.

    `size` is H, W in pixels, `frames` is L.
    """

    name: str
    size: tuple[int, int]
    frames: int
    scores: np.ndarray
    attention: np.ndarray
    truth: tuple[Detection, ...]


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


# ---- the two tests -------------------------------------------------------------------------------


def read(folders: Sequence[str], run: str) -> list[ScoredVideo]:
    """Reads the test videos with truth of all folders, by class and then by name."""
    tests = []
    for folder in folders:
        work = Workdir(folder)
        truth: dict[str, list[Detection]] = {}
        for detection in artifacts.load_detections(work.truth):
            truth.setdefault(detection.video, []).append(detection)
        for video in artifacts.load_dataset(work.dataset).part("test"):
            if video.name not in truth:
                continue
            path = work.evaluated_video(run, video.name)
            scores, attention = files.read_arrays(path, "scores", "attention", made_by="evaluate")
            size = video.height, video.width
            true = tuple(truth[video.name])
            tests.append(ScoredVideo(video.name, size, video.frames, scores, attention, true))
    return sorted(tests, key=lambda video: (video.truth[0].label, video.name))


def joined(videos: Sequence[ScoredVideo]) -> list[ScoredVideo]:
    """Makes an untrimmed test: every video followed by one of another class.

    Each class is true on its own part only. The k-th video in the order of classes is followed by
    the one half the list further on, so each is first once and second once. Scores and attention
    are those of the single videos: the carry is that of a stream cut at the join.
    """
    pairs = []
    for place, first in enumerate(videos):
        second = videos[(place + len(videos) // 2) % len(videos)]
        if second.truth[0].label != first.truth[0].label and second.size == first.size:
            pairs.append(_join(first, second))
    return pairs


def _join(first: ScoredVideo, second: ScoredVideo) -> ScoredVideo:
    """Puts one video behind another of the same size."""
    name = f"{first.name}+{second.name}"
    truth = [true._replace(video=name) for true in first.truth]
    for true in second.truth:
        tube = Tube(true.tube.start + first.frames, true.tube.boxes)
        truth.append(true._replace(video=name, tube=tube))
    # L' may be one less than L: the last frame of the first video has the scores before it.
    missing = first.frames - len(first.attention)

    def joined_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([a, np.repeat(a[-1:], missing, axis=0), b])

    return ScoredVideo(
        name,
        first.size,
        first.frames + second.frames,
        joined_arrays(first.scores, second.scores),
        joined_arrays(first.attention, second.attention),
        tuple(truth),
    )


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
    overlaps, shares, count = [], [], 0
    for video in videos:
        tracks = video_tracks(video.attention, video.size, video.frames, settings=settings)
        mean = video.scores.mean(axis=0, dtype=np.float64)
        output = VideoOutput(video.name, mean, video.scores, video.attention)
        scored = score_tracks(tracks, output, settings)
        if true_spans:
            scored = [_cut_to_truth(detection, video.truth) for detection in scored]
        detections[video.name] = scored
        labels = {true.label for true in video.truth}
        for detection in scored:
            if detection.label in labels:
                shares.append(len(detection.tube.boxes) / video.frames)
        true_tubes = [true.tube for true in video.truth]
        overlaps.append(float(frame_overlaps(tracks[0].tube, true_tubes).mean()))
        count += len(tracks)
    truth = {video.name: list(video.truth) for video in videos}
    return Measures(
        np.array(overlaps),
        _video_map_intervals(detections, truth, resamples),
        round(count / len(videos), 2),
        round(float(np.mean(shares)), 3),
    )


def _cut_to_truth(detection: Detection, truth: Sequence[Detection]) -> Detection:
    """Cuts a tube to the frames of the true tube of its class; without one it stays as it is."""
    same = [true.tube for true in truth if true.label == detection.label]
    if not same:
        return detection
    start, length = same[0].start, len(same[0].boxes)
    first = start - detection.tube.start
    return detection._replace(tube=Tube(start, detection.tube.boxes[first:][:length]))


def _video_map_intervals(
    detections: Mapping[str, list[Detection]], truth: Mapping[str, list[Detection]], resamples: int
) -> dict[str, list[float]]:
    """Computes video-mAP (voc) at each threshold as [value, low, high], by a bootstrap over videos.

    Tubes of different videos do not compete for truth. So each hit is decided once, and a draw of
    videos only decides how often it counts.
    """
    row_of = {name: row for row, name in enumerate(sorted(truth))}
    every = sort_by_score(tube for tubes in detections.values() for tube in tubes)
    true_tubes = [true for tubes in truth.values() for true in tubes]
    classes = group_by_class(true_tubes)
    ranked, video, positives = {}, {}, {}
    for label, own in classes.items():
        ranked[label] = [detection for detection in every if detection.label == label]
        video[label] = np.array([row_of[detection.video] for detection in ranked[label]])
        rows = [row_of[true.video] for true in own]
        positives[label] = np.bincount(rows, minlength=len(row_of))
    intervals = {}
    for threshold in THRESHOLDS:
        hits = {label: _hits(tubes, truth, threshold) for label, tubes in ranked.items()}
        means = []
        for times in _draws(len(row_of), resamples):
            aps = []
            for label in classes:
                total = int((times * positives[label]).sum())
                if total:
                    repeated = np.repeat(hits[label], times[video[label]])
                    aps.append(envelope_area(repeated, total))
            means.append(np.mean(aps))
        # The first draw counts every video once, so it must agree with the measure itself.
        if not np.isclose(means[0], video_map(every, true_tubes, threshold)):
            raise SystemExit(
                f"video-mAP is {means[0]} here and another number in measure/: expected the same"
            )
        low, high = np.quantile(means[1:], [0.025, 0.975])
        intervals[str(threshold)] = [round(float(value), 4) for value in (means[0], low, high)]
    return intervals


def _draws(videos: int, resamples: int) -> np.ndarray:
    """Returns how often each draw counts each video [1 + resamples, V]; first come all ones."""
    generator = np.random.default_rng(0)
    draws = np.ones((resamples + 1, videos), int)
    for row in draws[1:]:
        row[:] = np.bincount(generator.integers(videos, size=videos), minlength=videos)
    return draws


def _hits(
    ranked: Sequence[Detection], truth: Mapping[str, list[Detection]], threshold: float
) -> np.ndarray:
    """Decides which tubes of one class, in falling order of score, take a true tube: [n] bool."""
    left = {name: list(tubes) for name, tubes in truth.items()}
    hits = np.zeros(len(ranked), bool)
    for place, detection in enumerate(ranked):
        best, best_iou = None, 0.0
        for true in left[detection.video]:
            iou = tube_iou(detection.tube, true.tube)
            if true.label == detection.label and (best is None or iou > best_iou):
                best, best_iou = true, iou
        if best is not None and best_iou > threshold:
            hits[place] = True
            left[detection.video] = [true for true in left[detection.video] if true is not best]
    return hits


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
    choices = [(name, settings, False) for name, settings in options.items()]
    if upper_bound:
        choices.append((TRUE_SPANS, PAPER, True))
    for name, settings, true_spans in choices:
        measures = measure(videos, settings, resamples=resamples, true_spans=true_spans)
        if first is None:
            first = measures.overlaps
        difference = paired_interval(measures.overlaps, first)
        rows[name] = {
            "frame_iou": [round(value, 4) for value in mean_interval(measures.overlaps)],
            "minus_paper": [round(value, 4) for value in difference],
            "video_map": measures.video_map,
            "tubes a video": measures.tubes,
            "share of the frames": measures.frames,
        }
        _print_row(name, rows[name])
    return rows


def _print_row(name: str, row: Mapping[str, Any]) -> None:
    cells = [_interval(row["frame_iou"]), _interval(row["minus_paper"], "+")]
    cells += [_interval(row["video_map"][str(threshold)]) for threshold in THRESHOLDS]
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
    head = " " * 30 + "".join(title.ljust(26) for title in titles) + "tubes  frames"
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
