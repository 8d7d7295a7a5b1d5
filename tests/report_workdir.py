"""A small work folder made by hand: moving squares, scores, and attention that peaks on them."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from videolstm_jax import config, files
from videolstm_jax.stages import localize
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video
from videolstm_jax.video import encode
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores
from videolstm_jax.workdir.tubes_jsonl import save_detections

CLASSES = ("Left", "Right", "Up", '<script>alert("Down")</script> & more')
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))
FRAMES, SIDE, SQUARE, CELLS = 12, 64, 18, 7


def clip(label: int, seed: int, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Frames [L, H, W, 3] of one square on a soft ground, and its boxes [L, 4]."""
    draw = np.random.default_rng(seed)
    ground = draw.integers(60, 150, (4, 4, 3)).repeat(side // 4, 0).repeat(side // 4, 1)
    frames = np.tile(ground.astype(np.uint8), (FRAMES, 1, 1, 1))
    boxes = np.zeros((FRAMES, 4))
    square = SQUARE * side // SIDE
    middle = (side - square) / 2 + draw.uniform(-6, 6, 2) * side / SIDE
    for t in range(FRAMES):
        x, y = np.rint(
            middle + np.array(STEPS[label]) * (t - FRAMES / 2) * 1.4 * side / SIDE
        ).astype(int)
        x, y = np.clip([x, y], 0, side - square)
        frames[t, y : y + square, x : x + square] = (235, 190, 60)
        boxes[t] = x, y, x + square, y + square
    return frames, boxes


def attention(boxes: np.ndarray, seed: int) -> np.ndarray:
    """Maps [L, N, N] that sum to one, with a noisy peak on each box."""
    draw = np.random.default_rng(seed)
    centre = (
        (boxes[:, :2] + boxes[:, 2:]) / 2 / SIDE * CELLS
        - 0.5
        + draw.normal(0, 0.3, (len(boxes), 2))
    )
    x, y = np.meshgrid(np.arange(CELLS), np.arange(CELLS))
    maps = np.exp(-((x - centre[:, :1, None]) ** 2 + (y - centre[:, 1:, None]) ** 2) / 2) + 0.01
    return (maps / maps.sum((1, 2), keepdims=True)).astype(np.float32)


def frame_scores(label: int, sure: float, seed: int) -> np.ndarray:
    """Softmax scores [L, C] that come to like `label` over time."""
    draw = np.random.default_rng(seed)
    logits = np.cumsum(draw.normal(0, 0.25, (FRAMES - 1, len(CLASSES))), axis=0)
    logits[:, label] += np.linspace(0, sure, FRAMES - 1)
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def _run(work, name, cfg, videos, skill, attends):
    rows = []
    for index, video in enumerate(videos):
        draw = np.random.default_rng(1000 + index)
        predicted = video.label if draw.uniform() < skill else int(draw.integers(len(CLASSES)))
        # With these seeds the models differ, and none is right everywhere.
        scores = frame_scores(predicted, 3.0, 4 * index)
        boxes = clip(video.label, index)[1]
        arrays = {"attention": attention(boxes[:-1], index)} if attends else {}
        files.write_arrays(work.evaluated_video(name, video.name), scores=scores, **arrays)
        rows.append(scores.mean(0))
    label = np.array([video.label for video in videos])
    save_scores(
        work.run(name) / "scores.npz",
        Scores(tuple(v.name for v in videos), np.stack(rows), label, CLASSES),
    )
    layers = {"x": "pool5", "motion": "pool5" if attends else None}
    save_config(work.run(name), cfg, classes=list(CLASSES), attends=attends, layers=layers)
    metrics(work.run(name), 400, skill)
    return np.stack(rows), label


def metrics(folder, steps, skill):
    """A metrics.jsonl of a training that gets as far as `skill`."""
    draw = np.random.default_rng(steps)
    rows = [
        {
            "step": step,
            "loss": 1.6 * np.exp(-step / steps * 3 * skill) + abs(draw.normal(0, 0.06)),
            "accuracy": min(1.0, skill * (1 - np.exp(-step / steps * 4)) + draw.normal(0, 0.02)),
            "gradient_norm": 1.0,
        }
        for step in range(2, steps + 1, 2)
    ]
    files.write_jsonl(
        folder / "metrics.jsonl", [{k: max(v, 0) for k, v in row.items()} for row in rows]
    )


def make(root, *, per_class: int = 3) -> Workdir:
    """Writes the whole work folder under `root` and returns it."""
    work = Workdir(str(root / "work"))
    videos, truth, number = [], [], 0
    for part, count in (("train", 2), ("test", per_class)):
        for label in range(len(CLASSES)):
            for k in range(count):
                name = f"c{label}/{part}_{k}"
                path = root / "videos" / f"{name}.mp4"
                frames, boxes = clip(label, number if part == "train" else label * per_class + k)
                encode.write_video(path, frames, 12.0)
                videos.append(
                    Video(name, str(path), label, part, f"g{k}", FRAMES, SIDE, SIDE, 12.0)
                )
                truth.append(Detection(name, label, 1.0, Tube(0, boxes)))
                number += 1
    save_dataset(work.dataset, Dataset(CLASSES, tuple(videos)))
    save_detections(work.truth, truth)
    _models(work, [video for video in videos if video.part == "test"])
    for stream in ("rgb", "flow"):
        localize.run(config.RunConfig(workdir=work.root, data=config.DataConfig(stream=stream)))
    return work


def _models(work, test):
    cfg = config.RunConfig(preset="small", workdir="work")
    flow = config.change(cfg, data__stream="flow")
    first, label = _run(work, "videolstm-rgb", cfg, test, 0.7, True)
    second, _ = _run(work, "videolstm-flow", flow, test, 0.8, True)
    _run(work, "convlstm-rgb", config.change(cfg, model__cell="convlstm"), test, 0.5, False)
    names = tuple(video.name for video in test)
    product = first * second / (first * second).sum(1, keepdims=True)
    save_scores(work.fused("videolstm-rgb+videolstm-flow"), Scores(names, product, label, CLASSES))
    for stream, skill in (("rgb", 0.45), ("flow", 0.6)):
        folder = work.convnet(stream)
        draw = np.random.default_rng(len(stream))
        scores = (
            draw.dirichlet(np.ones(len(CLASSES)), len(test)) * 0.5
            + skill * 0.5 * np.eye(len(CLASSES))[label]
        )
        scores = scores / scores.sum(1, keepdims=True)
        save_scores(folder / "scores.npz", Scores(names, scores, label, CLASSES))
        save_config(folder, config.change(cfg, data__stream=stream))
        metrics(folder, 300, skill)


if __name__ == "__main__":
    import pathlib
    import sys

    print(
        json.dumps(dataclasses.asdict(make(pathlib.Path(sys.argv[1]), per_class=int(sys.argv[2]))))
    )


def copy_of(work, folder):
    """A copy of a work folder that a test may spoil."""
    shutil.copytree(work.root, folder / "work")
    return Workdir(str(folder / "work"))


# A test file that imports these two has the fixtures `work_folder` and `work`.
@pytest.fixture(scope="module", name="work_folder")
def shared_folder(tmp_path_factory):
    """The work folder that the tests of one file share, and leave as it is."""
    return make(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(name="work")
def own_copy(work_folder, tmp_path):
    """A copy of it for one test."""
    return copy_of(work_folder, tmp_path)


def page_config(work, **settings):
    """The configuration of a page with one example."""
    cfg = config.RunConfig(workdir=work.root)
    return config.change(cfg, **{"report__examples": 1, **settings})


def page_text(path):
    """The page without markup."""
    html = re.sub(r"<(script|style)>.*?</\1>", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))
