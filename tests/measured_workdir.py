"""A small work folder with tubes and ground truth, and the commands that measure it."""

import pathlib

from forked_commands import python
from tube_scenes import BOX, HALF, tube

from videolstm_jax.types import Dataset, Detection, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.tubes_jsonl import save_detections

ROOT = pathlib.Path(__file__).parents[1]
BARRED = ("jax", "jaxlib", "tensorflow", "flax", "optax", "orbax", "scipy", "av", "PIL", "h5py")


def command(name, *arguments):
    """Runs a command in a Python that cannot import the libraries it should not need."""
    return python("-m", f"launch.{name}", *arguments, barred=BARRED)


def output_of(*arguments, name="measure"):
    """What a command that succeeds prints."""
    done = command(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments, name="measure"):
    """The error that a command ends with, in one line."""
    done = command(name, *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


FAR = [50, 40, 60, 48]  # inside the frames of 64 x 48 pixels
VIDEOS = [
    Video(name, "", label, part, "g", 8, 64, 48, 25.0)
    for name, label, part in (
        ("a/x", 0, "test"),
        ("a/y", 0, "test"),
        ("b/bare", 1, "test"),
        ("b/z", 1, "test"),
        ("b/train", 1, "train"),
    )
]
TRUE = [
    Detection("a/x", 0, 1.0, tube(BOX)),
    Detection("a/y", 0, 1.0, tube(BOX, 2)),
    Detection("b/train", 1, 1.0, tube(FAR)),
    Detection("b/z", 1, 1.0, tube(FAR)),
]
DETECTIONS = [
    Detection("a/x", 0, 0.9, tube(BOX)),
    Detection("a/x", 0, 0.8, tube(BOX, 1)),
    Detection("a/y", 0, 0.7, tube(HALF, 2)),
    Detection("b/z", 1, 0.6, tube(BOX)),
    Detection("b/bare", 1, 0.5, tube(BOX)),
]


def write_work(folder):
    """A work folder: videos, truth and tubes."""
    save_dataset(folder / "dataset.json", Dataset(("a", "b"), tuple(VIDEOS)))
    save_detections(folder / "truth.jsonl", TRUE)
    save_detections(folder / "tubes.jsonl", DETECTIONS)
    return folder


def flags(work, **changed):
    """The flags that measure the folder; a value of None leaves a flag out."""
    values = {
        "detections": work / "tubes.jsonl",
        "truth": work / "truth.jsonl",
        "dataset": work / "dataset.json",
        **changed,
    }
    return [f"--{name}={value}" for name, value in values.items() if value is not None]
