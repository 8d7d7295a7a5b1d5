"""Stores of a byte a value: their error, training from them, and the commands on stores."""

import command_line
import numpy as np
import pytest

from videolstm_jax.config import (
    DataConfig,
    EvalConfig,
    ModelConfig,
    OptimConfig,
    RunConfig,
    TrainConfig,
)
from videolstm_jax.errors import FileError
from videolstm_jax.features.compact import compact_store
from videolstm_jax.features.inspection import inspect_store
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.stages import evaluate, train
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

SHAPE = (3, 3, 16)


def features(seed, label, length):
    """After a ReLU, heavy-tailed, most of it zero; the class is in the sum of some channels."""
    r = np.random.default_rng(seed)
    raw = r.normal(-0.6, 1, (length, *SHAPE)) * np.exp(r.normal(size=(length, *SHAPE)))
    raw[..., :4] += 0.8 * label
    return np.maximum(raw, 0)


def write(folder, videos):
    writer = FeatureWriter(folder, SHAPE, {"made": "up"})
    for seed, video in enumerate(videos):
        writer.write(video.name, features(seed, video.label, video.frames - 1))
    return writer.finish(
        [v.name for v in videos], train=[v.name for v in videos if v.part == "train"]
    )


def videos(count, part, first):
    return [
        Video(f"c{at % 2}/v{first + at:02}", "", at % 2, part, f"g{first + at}", 12, 8, 8, 25.0)
        for at in range(count)
    ]


@pytest.fixture
def listed():
    return sorted([*videos(16, "train", 0), *videos(12, "test", 16)])


def test_half_the_bytes_for_a_hundredth_of_a_deviation(tmp_path, listed):
    store = write(tmp_path / "large", listed)
    report = compact_store(tmp_path / "large", tmp_path / "small")
    small = FeatureStore.open(tmp_path / "small")
    was = np.concatenate([store.read(video.name) for video in listed]).astype(np.float64)
    error = was - np.concatenate([small.read(video.name) for video in listed])
    assert (
        report.rms_error == pytest.approx(np.sqrt(np.mean(error**2)) / was.std(), rel=1e-5)
        and 0 < report.rms_error < 0.01
    )
    assert report.largest_error == pytest.approx(np.abs(error).max() / was.std(), rel=1e-5)
    assert report.lost < 0.01 and report.bytes_after / report.bytes_before == pytest.approx(
        (4 + 144) / 288
    )
    assert (
        small.about == store.about and small.frames == store.frames and small.std == store.std > 0
    )
    assert (
        sum(path.stat().st_size for path in (tmp_path / "small").rglob("*.u8"))
        == report.bytes_after
    )
    before = small.path("c0/v00").stat().mtime
    assert (
        compact_store(tmp_path / "large", tmp_path / "small") == report
        and small.path("c0/v00").stat().mtime == before
    )
    with pytest.raises(FileError, match="is of uint8 already; expected float16"):
        compact_store(tmp_path / "small", tmp_path / "smaller")


@pytest.mark.slow
def test_training_on_bytes_is_as_accurate(tmp_path, listed):
    right = {}
    for kind in ("float16", "uint8"):
        work = Workdir(str(tmp_path / kind))
        save_dataset(work.dataset, Dataset(("c0", "c1"), tuple(listed)))
        write(tmp_path / "features" if kind == "uint8" else work.features("rgb", "pool5"), listed)
        if kind == "uint8":
            compact_store(tmp_path / "features", work.features("rgb", "pool5"))
        cfg = RunConfig(
            workdir=work.root,
            data=DataConfig(frames=6, batch=8, order="epochs", feature_scale="std"),
            model=ModelConfig(cell="alstm", hidden=6, attention=4, head=16, dropout=0.0),
            optim=OptimConfig(name="adam", learning_rate=1e-2),
            train=TrainConfig(steps=30),
            eval=EvalConfig(segments=2),
        )
        train.run(cfg)
        evaluate.run(cfg)
        scores = load_scores(work.run("alstm-rgb") / "scores.npz")
        right[kind] = (scores.scores.argmax(1) == scores.label).sum(), scores.scores
    assert right["float16"][0] >= 10 and abs(right["float16"][0] - right["uint8"][0]) <= 1
    assert np.abs(right["float16"][1] - right["uint8"][1]).max() < 0.1


def test_inspect_says_what_is_there(tmp_path, listed):
    write(tmp_path / "store", listed)
    text = "\n".join(inspect_store(tmp_path / "store"))
    assert (
        "28 videos, 308 frames, 88,704 bytes" in text
        and "3 x 3 x 16 float16, 288 bytes a frame" in text
    )
    assert "as uint8 it would take 0.514 of the bytes" in text and '"made": "up"' in text
    FeatureWriter(tmp_path / "begun", SHAPE, {"made": "up"}).write("c/a", np.ones((5, *SHAPE)))
    assert "not finished, 1 videos so far, 1,440 bytes" in inspect_store(tmp_path / "begun")[0]
    with pytest.raises(FileError, match=r"about\.json is missing; the stage extract writes it"):
        inspect_store(tmp_path / "nothing")
    FeatureWriter(tmp_path / "empty", SHAPE, {"made": "up"}).finish([])
    with pytest.raises(
        FileError, match=r"empty/index\.json: no features to take statistics of; expected a video"
    ):
        inspect_store(tmp_path / "empty")
    (tmp_path / "begun" / "about.json").write_text('{"shape": 7, "dtype": "float16", "about": {}}')
    with pytest.raises(FileError, match=r"begun/about\.json: shape is 7"):
        inspect_store(tmp_path / "begun")


def test_the_commands(tmp_path, listed):
    write(tmp_path / "store", listed[:3])

    def run(*arguments):
        return command_line.run("launch.features", *arguments)

    assert "3 videos, 9,504 bytes, equal to the index" in run("verify", tmp_path / "store").stdout
    write(tmp_path / "store-mirrored", listed[:2])
    compacted = run("compact", tmp_path / "store", tmp_path / "small").stdout
    assert compacted.count("0.514 of the bytes") == 2
    assert len(FeatureStore.open(tmp_path / "small-mirrored").frames) == 2
    path = next((tmp_path / "small").rglob("*.u8"))
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    done = run("verify", tmp_path / "store", tmp_path / "small")
    assert (
        done.returncode == 1
        and f"1 of 3 files are missing or damaged: c0/{path.name}" in done.stderr
    )
    assert "Traceback" not in done.stderr and "equal to the index" in done.stdout
    wrong = run("verfy", tmp_path)
    assert (
        wrong.returncode != 0
        and "expected inspect DIR .., verify DIR .." in wrong.stderr + wrong.stdout
    )
