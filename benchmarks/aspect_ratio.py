"""Is squashing, padding or cropping frames to a square worth more, and does it show their shape?

Run from the root of the checkout:
    python -m benchmarks.aspect_ratio --name=ut --work=work/squash,work/pad,work/crop --folds=5
    --runs=alstm-0,alstm-1
Each work folder has the features of the same videos with another `data.fit`. Groups are held out by
turns; nothing is chosen on held-out videos. A ridge reads the features of RGB, as the mean over
frames, and over places or not. Beside it stands the nearest neighbour on size and length, which
looks at no picture. The ridge also predicts the logarithm of width / height from the same features:
that shows how much of the shape is left in them. Of `--runs`, trainings with several seeds, the
scores of the test list are compared; a video counts with its share of the seeds. Intervals are of
videos, 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.measure.intervals import paired_interval, wilson_interval
from videolstm_jax.measure.nearest import nearest_scores, nearest_size_and_length
from videolstm_jax.types import Video, names_of
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

STRENGTHS = 10.0 ** np.arange(-2, 5)
"""Strengths of the ridge, chosen on the folds that are not held out."""


class Folds(NamedTuple):
    """The videos [V] with their labels, and the fold [V] in which each is held out."""

    videos: tuple[Video, ...]
    label: np.ndarray
    fold: np.ndarray
    classes: int


def grouped_folds(work: str, count: int) -> Folds:
    """All videos of a work folder; their groups, in order of name, make `count` folds."""
    dataset = load_dataset(Workdir(work).dataset)
    videos = tuple(sorted(dataset.videos))
    groups = sorted({video.group for video in videos})
    fold_of = {group: index * count // len(groups) for index, group in enumerate(groups)}
    fold = np.array([fold_of[video.group] for video in videos])
    return Folds(videos, labels_of_clip_videos(videos), fold, len(dataset.classes))


def ridge(train: np.ndarray, target: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Predicts targets by a ridge on standardised features, with each strength.

    Args:
      train: [n, F].
      target: [n, K].
      test: [m, F].

    Returns:
      [strengths, m, K].
    """
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / deviation, (test - mean) / deviation
    # In the space of the n videos, since there are more features than videos.
    kernel = train @ train.T / train.shape[1]
    between = test @ train.T / train.shape[1]
    middle = target.mean(0)
    predictions = []
    for strength in STRENGTHS:
        weights = np.linalg.solve(kernel + strength * np.eye(len(kernel)), target - middle)
        predictions.append(middle + between @ weights)
    return np.stack(predictions)


def held_out(
    rows: np.ndarray,
    target: np.ndarray,
    fold: np.ndarray,
    loss: Callable[[np.ndarray, np.ndarray], float],
) -> np.ndarray:
    """The prediction [V, K] of each video by the ridge of the other folds.

    Args:
      rows: [V, F].
      target: [V, K].
      fold: [V].
      loss: of predictions and targets, by which the strength is chosen within the other folds.
    """
    predicted = np.zeros_like(target)
    for number in np.unique(fold):
        test = fold == number
        train_rows, train_target, inner = rows[~test], target[~test], fold[~test]
        inside = np.zeros((len(STRENGTHS), *train_target.shape))
        for part in np.unique(inner):
            out = inner == part
            inside[:, out] = ridge(train_rows[~out], train_target[~out], train_rows[out])
        losses = [loss(predictions, train_target) for predictions in inside]
        best = int(np.argmin(losses))
        predicted[test] = ridge(train_rows, train_target, rows[test])[best]
    return predicted


def mean_features(work: str, videos: Sequence[Video]) -> np.ndarray:
    """The mean of the RGB map over the frames of each video, [V, N, N, D]."""
    store = FeatureStore.open(Workdir(work).features("rgb", "pool5"))
    return np.stack([store.read(name).astype(np.float32).mean(0) for name in names_of(videos)])


def _errors(scores: np.ndarray, target: np.ndarray) -> float:
    return float((scores.argmax(1) != target.argmax(1)).mean())


def _squares(values: np.ndarray, target: np.ndarray) -> float:
    return float(((values - target) ** 2).mean())


def size_baseline(folds: Folds) -> np.ndarray:
    """Whether the nearest neighbour on size and length of the other folds is right: [V]."""
    table = np.array([(video.width, video.height, video.frames) for video in folds.videos])
    rows = nearest_size_and_length(*table.T)
    right = np.zeros(len(rows), bool)
    for number in np.unique(folds.fold):
        test = folds.fold == number
        scores = nearest_scores(rows[~test], folds.label[~test], rows[test], folds.classes)
        right[test] = scores.argmax(1) == folds.label[test]
    return right


def measured(work: str, folds: Folds) -> dict[str, np.ndarray]:
    """Whether each ridge is right [V], and the squared errors of the predicted shape [V]."""
    maps = mean_features(work, folds.videos)
    target = np.eye(folds.classes)[folds.label]
    shape = np.array([[np.log(video.width / video.height)] for video in folds.videos])
    columns = {}
    for name, rows in (("mean", maps.mean((1, 2))), ("map", maps.reshape(len(maps), -1))):
        scores = held_out(rows, target, folds.fold, _errors)
        columns[f"right, {name}"] = scores.argmax(1) == folds.label
        predicted = held_out(rows, shape, folds.fold, _squares)
        columns[f"shape, {name}"] = ((predicted - shape) ** 2)[:, 0] / shape.var()
    return columns


def seeds_right(work: str, runs: Sequence[str]) -> np.ndarray:
    """Whether each run is right on each test video: [runs, V], in the order of names."""
    rows = []
    for run in runs:
        scores = load_scores(Workdir(work).scores(run))
        right = scores.scores.argmax(1) == scores.label
        rows.append(right[np.argsort(scores.videos)])
    return np.array(rows)


def _seeds_row(right: np.ndarray, first: np.ndarray) -> dict[str, Any]:
    gain = paired_interval(right.mean(0), first.mean(0))
    row = {"right": right.sum(1).tolist(), "of": right.shape[1]}
    return row | {"mean": round(float(right.mean()), 3), "minus first": _rounded(gain._asdict())}


def _share(right: np.ndarray) -> dict[str, Any]:
    interval = wilson_interval(int(right.sum()), len(right))
    return {"right": int(right.sum()), "of": len(right)} | _rounded(interval._asdict())


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def main() -> None:
    """Writes results/aspect_ratio_<name>.json."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--work", required=True, help="work folders, separated by commas")
    parser.add_argument("--folds", type=int, default=5, help="parts of the groups; default: 5")
    parser.add_argument("--runs", default="", help="names of runs, one a seed, by commas")
    arguments = parser.parse_args()
    works = arguments.work.split(",")
    folds = grouped_folds(works[0], arguments.folds)
    rows: dict[str, Any] = {"size and length": _share(size_baseline(folds))}
    first, first_seeds = None, None
    for work in works:
        columns = measured(work, folds)
        first = first or columns
        row = {}
        for name, values in columns.items():
            if name.startswith("right"):
                row[name] = _share(values)
                gain = paired_interval(values, first[name])
                row[name]["minus first"] = _rounded(gain._asdict())
            else:
                row[f"variance explained of the {name}"] = round(1 - float(values.mean()), 3)
        if arguments.runs:
            right = seeds_right(work, arguments.runs.split(","))
            if first_seeds is None:
                first_seeds = right
            row[arguments.runs] = _seeds_row(right, first_seeds)
        rows[work.rstrip("/").rpartition("/")[2]] = row
    figures = {"question": command_line.question(__doc__), "folds": arguments.folds, "rows": rows}
    record.save(f"aspect_ratio_{arguments.name}", figures, arguments.out)


if __name__ == "__main__":
    main()
