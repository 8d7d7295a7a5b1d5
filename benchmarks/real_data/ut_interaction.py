"""UT-Interaction, sequences 1 to 15: six interactions of two people, whole sequences held out.

The folder holds videos/<Class>/v_<Class>_g<sequence>_c<number>.avi. Fold k holds out the sequences
k, k + 5 and k + 10, and trains on the other twelve. Videos are read at 10 frames a second, so that
a clip of 16 frames is most of an action. Both streams read frozen EfficientNet-Lite0; its first
kernel is averaged for flow.
"""

from __future__ import annotations

import pathlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.real_data import frame_classifier, linear, lite0_arrays
from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import (
    Run,
    in_order,
    right_by_video,
    right_of_run,
    scores_path,
    train_and_score,
)
from videolstm_jax.artifacts import Workdir, load_dataset, load_scores
from videolstm_jax.config import RunConfig, change
from videolstm_jax.features import foreign, importers
from videolstm_jax.presets import Settings
from videolstm_jax.stages import fuse, nearest, prepare
from videolstm_jax.types import Dataset, Video

FOLDS = 5

SETTINGS = {
    "data__fps": 10.0,
    # One size of flow, or TV-L1 would be compiled for each of the 90 sizes of video. The bound is
    # the same in all folds, so that they share the flow; 99 % of displacements are below it.
    "flow__width": 112,
    "flow__height": 112,
    "flow__percentile": 0.0,
    "flow__bound": 4.0,
    "pipeline__flow_backbone": "lite0",
    "data__frames": 16,
    "data__batch": 16,
    "data__workers": 1,
    "model__hidden": 32,
    "model__attention": 32,
    "model__head": 64,
    "train__steps": 100,
    "train__save_every": 100,
    "train__log_every": 50,
    "eval__segments": 8,
    "eval__states": "none",
}
"""On top of the preset `small`."""

RGB_CELLS = ("convalstm", "videolstm", "alstm", "convlstm", "lstm", "motion_alstm")

RUNS = (
    *(Run(f"{cell}-rgb", cell) for cell in RGB_CELLS[:2]),
    Run("videolstm-flow", "videolstm", "flow"),
    *(Run(f"{cell}-rgb", cell) for cell in RGB_CELLS[2:]),
    *(Run(f"{cell}-flow", cell, "flow") for cell in ("convalstm", "alstm", "convlstm", "lstm")),
)
"""The most important ones first, since a run may be stopped at any time."""

FUSED = ("videolstm-rgb", "videolstm-flow")
SEEDS = (0, 1, 2)
THIRD_SEED = frozenset(FUSED)
"""All runs have two seeds; these have three."""

PAIRS = (
    ("convalstm-rgb", "convlstm-rgb"),
    ("convalstm-rgb", "alstm-rgb"),
    ("convalstm-rgb", "lstm-rgb"),
    ("convalstm-flow", "convlstm-flow"),
    ("convalstm-flow", "alstm-flow"),
    ("convalstm-flow", "lstm-flow"),
    ("videolstm-rgb", "convalstm-rgb"),
    ("motion_alstm-rgb", "alstm-rgb"),
    ("fusion", "videolstm-rgb"),
    ("fusion", "videolstm-flow"),
    ("videolstm-rgb", "frame classifier, RGB"),
    ("lstm-rgb", "frame classifier, RGB"),
    ("videolstm-flow", "frame classifier, flow"),
    ("fusion", "ridge on the mean 7x7x320 map, RGB"),
    ("fusion", "ridge on both mean vectors"),
)
"""The orderings of the paper, and what the fusion is compared with."""


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes, and returns the rows that are complete."""
    stop = time.monotonic() + 60 * minutes
    folds = [_fold(data, workdir, number) for number in range(1, FOLDS + 1)]
    for stream in ("rgb", "flow"):
        for is_mirrored in (False, True):
            cfg = folds[0].for_stream(stream).config()
            lite0_arrays.extract(
                cfg, _arrays(workdir, stream, is_mirrored), is_mirrored=is_mirrored
            )
    for settings in folds:
        _import(settings, workdir)
    names = sorted(video.name for video in load_dataset(_work(folds[0]).dataset).videos)
    rows = _baselines(folds, workdir, names)
    for seed in SEEDS:
        for model in RUNS:
            if seed < 2 or model.name in THIRD_SEED:
                _train_folds(model, folds, seed, stop)
    for model in RUNS:
        _add_row(rows, model, folds, names)
    _add_fusion(rows, folds, names)
    return {
        "data": "UT-Interaction, sequences 1 to 15, folds of 3 sequences",
        "videos": names,
        "settings": SETTINGS,
        "pairs": PAIRS,
        "rows": rows,
    }


# ---- the folds -----------------------------------------------------------------------------------


def _fold(data: str, workdir: str, number: int) -> Settings:
    """Prepares the work folder of a fold; flow is computed once."""
    lists = pathlib.Path(workdir) / "lists"
    if not (lists / f"testlist0{FOLDS}.txt").exists():
        _write_lists(pathlib.Path(data) / "videos", lists)
    place = {
        "workdir": f"{workdir}/fold-{number}",
        "data__videos": f"{data}/videos",
        "data__lists": str(lists),
        "data__split": number,
    }
    settings = Settings("small", {**SETTINGS, **place})
    work = _work(settings)
    if not (work.path / "dataset.json").exists():
        shared = pathlib.Path(workdir) / "fold-1" / "flow"
        if number > 1:
            pathlib.Path(work.root).mkdir(parents=True, exist_ok=True)
            pathlib.Path(work.flow).symlink_to(shared.resolve())
        prepare.run(settings.config())
    return settings


def _work(settings: Settings) -> Workdir:
    return Workdir(settings.overrides["workdir"])


def _write_lists(videos: pathlib.Path, folder: pathlib.Path) -> None:
    """Writes official lists, in which split k holds out every fifth sequence from k on."""
    names = sorted(str(path.relative_to(videos)) for path in videos.glob("*/*.avi"))
    classes = sorted({name.split("/")[0] for name in names})
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{number} {name}\n" for number, name in enumerate(classes, 1)]
    (folder / "classInd.txt").write_text("".join(lines))
    for fold in range(1, FOLDS + 1):
        train, test = [], []
        for name in names:
            if _sequence(name) % FOLDS == fold % FOLDS:
                test.append(f"{name}\n")
            else:
                train.append(f"{name} {classes.index(name.split('/')[0]) + 1}\n")
        (folder / f"trainlist0{fold}.txt").write_text("".join(train))
        (folder / f"testlist0{fold}.txt").write_text("".join(test))


def _sequence(name: str) -> int:
    return int(re.search(r"_g(\d+)_", name)[1])


def _arrays(workdir: str, stream: str, is_mirrored: bool = False) -> pathlib.Path:
    suffix = "-mirrored" if is_mirrored else ""
    return pathlib.Path(workdir) / "arrays" / f"{stream}-lite0{suffix}"


def _import(settings: Settings, workdir: str) -> None:
    """Imports the arrays of both streams into a fold, as `videolstm features arrays` does."""
    work = _work(settings)
    dataset = load_dataset(work.dataset)
    about = {"imported": "arrays", "from": "lite0", "preprocessing": "unknown"}
    for stream in ("rgb", "flow"):
        for layer in lite0_arrays.LAYERS:
            target = work.features(stream, layer)
            if not (target / "index.json").exists():
                arrays = foreign.array_features(_arrays(workdir, stream) / layer)
                importers.import_features(arrays, dataset, target, about)


# ---- recurrent models ----------------------------------------------------------------------------


def _train_folds(model: Run, folds: Sequence[Settings], seed: int, stop: float) -> None:
    for settings in folds:
        train_and_score(_config(model, settings, seed), stop)


def _config(model: Run, settings: Settings, seed: int) -> RunConfig:
    return model.config(settings, settings.overrides["workdir"], seed)


def _complete_seeds(model: Run, folds: Sequence[Settings]) -> list[int]:
    """The seeds that all folds have scores of."""
    seeds = []
    for seed in SEEDS:
        paths = [scores_path(_config(model, settings, seed)) for settings in folds]
        if all(path.exists() for path in paths):
            seeds.append(seed)
    return seeds


def _add_row(rows: dict[str, Row], model: Run, folds: Sequence[Settings], names: list[str]) -> None:
    answers = []
    seeds = _complete_seeds(model, folds)
    for seed in seeds:
        right: dict[str, bool] = {}
        for settings in folds:
            right |= right_of_run(_config(model, settings, seed))
        answers.append(in_order(right, names))
    if answers:
        rows[model.name] = Row(np.stack(answers), {"seeds": seeds})


def _add_fusion(rows: dict[str, Row], folds: Sequence[Settings], names: list[str]) -> None:
    """The product of both VideoLSTMs, by the stage `fuse`."""
    models = [model for model in RUNS if model.name in FUSED]
    complete = [set(_complete_seeds(model, folds)) for model in models]
    answers = []
    seeds = sorted(set.intersection(*complete))
    for seed in seeds:
        right: dict[str, bool] = {}
        for settings in folds:
            runs = tuple(model.folder(seed) for model in models)
            cfg = change(settings.config(), fuse__runs=runs, fuse__name=f"fusion-seed{seed}")
            right |= right_by_video(load_scores(fuse.run(cfg)))
        answers.append(in_order(right, names))
    if answers:
        rows["fusion"] = Row(np.stack(answers), {"seeds": seeds})


# ---- baselines -----------------------------------------------------------------------------------


def _baselines(folds: Sequence[Settings], workdir: str, names: list[str]) -> dict[str, Row]:
    """Models that are no recurrent network, each on all folds."""
    tables = _vectors(load_dataset(_work(folds[0]).dataset), workdir)
    rows = {}
    for name, vectors in tables.items():
        right: dict[str, bool] = {}
        for settings in folds:
            right |= _ridge_right(load_dataset(_work(settings).dataset), vectors)
        rows[name] = Row(in_order(right, names)[None])
    right = {}
    for settings in folds:
        path = _work(settings).run("nearest-motion") / "scores.npz"
        if not path.exists():
            nearest.run(settings.config())
        right |= right_by_video(load_scores(path))
    rows["nearest neighbour on motion energy"] = Row(in_order(right, names)[None])
    for stream, title in (("rgb", "RGB"), ("flow", "flow")):
        answers = []
        for seed in (0, 1):
            right = {}
            for settings in folds:
                dataset = load_dataset(_work(settings).dataset)
                right |= _classified(dataset, _arrays(workdir, stream) / "fc7", seed)
            answers.append(in_order(right, names))
        rows[f"frame classifier, {title}"] = Row(np.stack(answers))
    return rows


def _vectors(dataset: Dataset, workdir: str) -> dict[str, dict[str, np.ndarray]]:
    """What ridge regression reads of each video, by the name of its row."""
    tables: dict[str, dict[str, np.ndarray]] = {
        "ridge on width, height and length": {},
        "ridge on the middle frame's 7x7x320 map, RGB": {},
        "ridge on the mean 7x7x320 map, RGB": {},
        "ridge on the mean vector of 320, RGB": {},
        "ridge on the mean vector of 1280, RGB": {},
        "ridge on the mean 7x7x320 map, flow": {},
        "ridge on the mean vector of 1280, flow": {},
        "ridge on both mean vectors": {},
    }
    for video in dataset.videos:
        maps, heads = {}, {}
        for stream in ("rgb", "flow"):
            folder = _arrays(workdir, stream)
            maps[stream] = np.load(folder / "pool5" / f"{video.name}.npy").astype(np.float32)
            heads[stream] = np.load(folder / "fc7" / f"{video.name}.npy").astype(np.float32).mean(0)
        rgb = maps["rgb"]
        vectors = (
            np.array([video.width, video.height, video.frames, video.width / video.height]),
            rgb[len(rgb) // 2].ravel(),
            rgb.mean(0).ravel(),
            rgb.mean((0, 1, 2)),
            heads["rgb"],
            maps["flow"].mean(0).ravel(),
            heads["flow"],
            np.concatenate([heads["rgb"], heads["flow"]]),
        )
        for name, vector in zip(tables, vectors, strict=True):
            tables[name][video.name] = vector
    return tables


def _ridge_right(dataset: Dataset, vectors: Mapping[str, np.ndarray]) -> dict[str, bool]:
    train, test = dataset.part("train"), dataset.part("test")
    scores, _ = linear.ridge(
        np.stack([vectors[video.name] for video in train]),
        _label(train),
        np.stack([vectors[video.name] for video in test]),
        groups=[video.group for video in train],
    )
    return _right(test, scores)


def _classified(dataset: Dataset, folder: pathlib.Path, seed: int) -> dict[str, bool]:
    """The layer of the classes over frozen features, as `fit_convnet` trains it."""
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
