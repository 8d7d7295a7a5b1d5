"""The results of rows, read from the files of finished runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from etils import epath

from videolstm_jax.files import read_json_object
from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.paper.numbers import NUMBERS
from videolstm_jax.paper.request import Request, SplitPlace, paper_places_of, pretrained_paper_place
from videolstm_jax.paper.rows import Row
from videolstm_jax.types import names_of
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

IOU = 0.2
"""The threshold of the one number of a curve of Figure 4."""
STYLE = "voc"
"""The convention of the mAP; the paper does not say which it has (docs/evaluation.md)."""


class Measurement(NamedTuple):
    """One measurement of a row: on one split, with one seed.

    Attributes:
      per_cent: the value.
      trained: of how many test videos the parameters depend; all of them where the checkpoint was
        chosen on the test list.
    """

    per_cent: float
    trained: int = 0


class RowResult(NamedTuple):
    """The number of a row beside the paper's.

    Attributes:
      row: of `ROWS`.
      mean: over splits and then seeds, in per cent; None while a measurement is missing.
      deviation: over seeds, of the means over splits; None with one seed.
      measured: how many measurements there are, and how many the row needs.
      missing: what is missing, such as `hmdb51-2 seed 0`, with the reason.
      on_test: whether the parameters depend on a test video.
      random_start: whether a backbone was trained from random numbers, without ImageNet weights.
    """

    row: Row
    mean: float | None
    deviation: float | None
    measured: tuple[int, int]
    missing: tuple[str, ...]
    on_test: bool
    random_start: bool = False

    @property
    def delta(self) -> float | None:
        """The difference to the paper's number; None where one of the two is not known."""
        number = NUMBERS.get(self.row.name)
        if number is None or self.mean is None:
            return None
        return self.mean - number.per_cent


def collect_paper_results(rows: Sequence[Row], request: Request) -> list[RowResult]:
    """Reads the results of rows."""
    return [_collect_row(row, request) for row in rows]


def _collect_row(row: Row, request: Request) -> RowResult:
    """The result of a row: of every split with every seed, as far as they are there."""
    seeds = _seeds_of_row(row, request)
    by_seed: list[list[Measurement]] = []
    missing = []
    for seed in seeds:
        measurements = []
        for place in paper_places_of(row):
            result = read_paper_row_result(row, place, request, seed)
            if isinstance(result, Measurement):
                measurements.append(result)
            else:
                missing.append(f"{place.folder} seed {seed}: {result}")
        by_seed.append(measurements)
    mean, deviation = None, None
    # Only of all splits: the mean over three is not that over two.
    if not missing:
        mean, deviation = _mean_and_deviation(by_seed)
    measurements = list(itertools.chain.from_iterable(by_seed))
    return RowResult(
        row,
        mean,
        deviation,
        (len(measurements), len(seeds) * len(row.splits)),
        tuple(missing),
        any(result.trained for result in measurements),
        bool(measurements) and paper_row_has_random_start(row, request),
    )


def _mean_and_deviation(
    by_seed: Sequence[Sequence[Measurement]],
) -> tuple[float, float | None]:
    """The mean over splits and then seeds, and the deviation over seeds; None with one seed."""
    means = []
    for measurements in by_seed:
        means.append(sum(result.per_cent for result in measurements) / len(measurements))
    mean = sum(means) / len(means)
    if len(means) == 1:
        return mean, None
    squares = sum((value - mean) ** 2 for value in means)
    # The deviation of a sample: seeds are a few of many.
    return mean, math.sqrt(squares / (len(means) - 1))


def _seeds_of_row(row: Row, request: Request) -> tuple[int, ...]:
    """The seeds that a row is repeated with: ConvNets and other systems' scores have one."""
    if row.cell == "convnet" or (row.parts and "videolstm" not in row.parts):
        return (0,)
    return request.seeds


# ---- one measurement -----------------------------------------------------------------------------


def read_paper_row_result(
    row: Row, place: SplitPlace, request: Request, seed: int
) -> Measurement | str:
    """One measurement of a row, or why there is none."""
    work = Workdir(f"{request.root}/{place.folder}")
    if not work.dataset.exists():
        return "not prepared"
    if row.measure == "accuracy":
        return _accuracy(work, scores_path_of_paper_row(row, place, request, seed))
    path = measures_path_of_paper_row(row, place, request, seed)
    if not path.exists():
        return f"no {path.name}"
    summary = read_json_object(path)
    model = summary["model"]
    if model is None:
        return "no test video has true boxes"
    return Measurement(100 * _at_iou(row, model), int(summary.get("trained_on", 0)))


def paper_row_has_random_start(row: Row, request: Request) -> bool:
    """Whether a backbone of a row was trained from random numbers; False where none is there."""
    for place in paper_places_of(row):
        # Backbones of HMDB51 start from those of UCF101, so the first weights are theirs.
        folder = Workdir(f"{request.root}/{pretrained_paper_place(place).folder}")
        for stream in row.backbones:
            convnet = folder.convnet(stream)
            if not (convnet / "config.json").exists():
                continue
            record = load_config(convnet)
            # A backbone of another kind is frozen: it has no start of its own.
            is_vgg = record["convnet"]["backbone"] == "vgg"
            if is_vgg and "weights" not in record["inputs"]:
                return True
    return False


def _at_iou(row: Row, model: dict[str, Any]) -> float:
    if row.measure == "map":
        return model["video_map"][STYLE][str(IOU)]
    return model["recall"]["recall"][model["recall"]["iou"].index(IOU)]


def scores_path_of_paper_row(
    row: Row, place: SplitPlace, request: Request, seed: int
) -> epath.Path:
    """The file with the scores of a row on one split."""
    work = Workdir(f"{request.root}/{place.folder}")
    if row.cell == "convnet":
        return work.scores(f"convnet-{row.streams[0]}")
    if row.cell:
        return work.run(request.run_name(row.cell, row.streams[0], seed)) / "scores.npz"
    # A system alone: its file is no fused one, and may be the user's own.
    if len(row.parts) == 1 and row.parts[0] != "videolstm":
        external = request.external_path(row.parts[0], place)
        return work.scores(external or row.parts[0])
    return work.fused(request.fused_name(row, seed))


def measures_path_of_paper_row(
    row: Row, place: SplitPlace, request: Request, seed: int
) -> epath.Path:
    """The file with the measures of the tubes of a row of Figure 4."""
    work = Workdir(f"{request.root}/{place.folder}")
    return work.tube_measures(request.run_name(row.cell, row.streams[0], seed), row.variant)


def _accuracy(work: Workdir, path: epath.Path) -> Measurement | str:
    """The accuracy of a score file on the test list of a work folder, or why there is none."""
    if not path.exists():
        return f"no {path.parent.name}/{path.name}"
    scores = load_scores(path)
    dataset = load_dataset(work.dataset)
    # The list may have been made anew since, or cut for a trial.
    if set(scores.videos) != set(names_of(dataset.part("test"))):
        return f"{path.parent.name}/{path.name} is of another test list"
    # Videos that could not be read count as wrong, as in every published accuracy.
    total = len(scores.label) + len(load_labels_of_bad_videos(work, scores.classes))
    trained = 0
    if scores.trained is not None:
        trained = int(scores.trained.sum())
    return Measurement(100 * top_k(scores.scores, scores.label) / total, trained)
