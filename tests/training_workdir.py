"""A work folder with random features of two classes that the stage `train` can learn from."""

import json

import jax
import numpy as np
import pytest

from videolstm_jax.config import (
    DataConfig,
    EvalConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    TrainConfig,
    change,
)
from videolstm_jax.core.model import make_model
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir

CLASSES = ("bend", "jack")
# Of one frame's features in each stream and layer; no two are equal, so none can be mixed up.
SHAPES = {
    ("rgb", "pool5"): (3, 3, 4),
    ("flow", "pool5"): (3, 3, 5),
    ("rgb", "fc7"): (6,),
    ("flow", "fc7"): (7,),
}


def damage_record(work, name):
    """Replaces a number of a video's features by NaN, in a frame that every clip of 4 has.

    Only with `data.verify=never` does training read such a file.
    """
    path = FeatureStore.open(Workdir(str(work)).features("rgb", "fc7")).path(name)
    numbers = np.frombuffer(path.read_bytes(), np.float16).copy()
    numbers[3 * SHAPES["rgb", "fc7"][0]] = np.nan
    path.write_bytes(numbers.tobytes())


def listed_videos():
    """Three training, one validation and one test video of each class, of 7 to 11 frames."""
    parts = ["train"] * 3 + ["valid", "test"]
    return tuple(
        Video(f"{name}/p{at}", "", label, part, f"p{at}", 7 + at, 64, 64, 25.0)
        for label, name in enumerate(CLASSES)
        for at, part in enumerate(parts)
    )


def write_work(folder, classes=CLASSES, draw=0):
    """What `prepare` and `extract` leave: the list of videos, and random features of all layers.

    Another number `draw` gives other features.
    """
    videos = listed_videos()
    save_dataset(Workdir(str(folder)).dataset, Dataset(classes, videos))
    for number, ((stream, layer), shape) in enumerate(SHAPES.items()):
        writer = FeatureWriter(
            Workdir(str(folder)).features(stream, layer), shape, {"from": "nowhere"}
        )
        for at, video in enumerate(videos):
            generator = np.random.default_rng([number + len(SHAPES) * draw, at])
            noise = generator.normal(0, 1, (video.frames - 1, *shape))
            # The mean is -2 in one class and 2 in the other: a few steps learn the difference.
            writer.write(video.name, 3 * noise + 2 * (2 * video.label - 1))
        training_names = [video.name for video in videos if video.part == "train"]
        writer.finish([video.name for video in videos], train=training_names)


def config(work, cell="lstm", **settings):
    """The configuration of a training of 12 steps of a tiny model in that work folder."""
    cfg = RunConfig(
        workdir=str(work),
        data=DataConfig(frames=4, batch=4, feature_scale="std"),
        eval=EvalConfig(batch=4),
        model=ModelConfig(cell=cell, hidden=4, attention=4, head=6, dropout=0.3),
        optim=OptimConfig(name="adam", learning_rate=1e-2),
        train=TrainConfig(steps=12, log_every=3, save_every=5),
    )
    return change(cfg, **settings)


@pytest.fixture(name="work")
def prepared_work(tmp_path):
    """A work folder of its own for each test."""
    folder = tmp_path / "work"
    write_work(folder)
    return folder


def model_of(work, name):
    """The trained model of a run."""
    return TrainedModel.of_run(Workdir(str(work)), name)


def params_of_run(folder):
    """The parameters in the last checkpoint of a run."""
    record = json.loads((folder / "config.json").read_text())
    like = jax.eval_shape(make_model(ModelConfig(**record["model"])).init, jax.random.key(0))
    with Checkpoints(folder / "ckpt") as checkpoints:
        return checkpoints.restore_params(like, identity={})[0]


def same_leaves(a, b):
    """Whether two trees have equal arrays."""
    return all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )
