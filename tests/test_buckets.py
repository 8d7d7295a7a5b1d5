"""A store in a bucket: two workers write it, and TensorFlow's own client of gs:// reads it."""

import os
import pathlib
import subprocess
import sys

import fake_bucket
import pytest

ROOT = pathlib.Path(__file__).parents[1]


def run_in_bucket(bucket, program, *arguments):
    """Runs a Python program whose paths that begin with gs:// lead to this bucket."""
    # In a process of its own, whose environment sends TensorFlow's client to this bucket.
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | bucket.environment,
    )


SCRIPT = """
import numpy as np
from videolstm_jax.config import DataConfig
from videolstm_jax.clips.batches import train_batches
from videolstm_jax.clips.draws import ClipDraws
from videolstm_jax.features.writer import FeatureStore, FeatureWriter
from videolstm_jax.features.inspection import inspect_store
from videolstm_jax.types import Video

folder = "gs://b/store"
arrays = {f"c/v{at}": np.full((9 + at, 4, 4, 8), at + 1.0) for at in range(3)}
for array in arrays.values():
    array += np.arange(len(array))[:, None, None, None]
workers = [FeatureWriter(folder, (4, 4, 8), {"made": "up"}, worker=f"{at}of2") for at in range(2)]
for at, (name, array) in enumerate(arrays.items()):
    workers[at % 2].write(name, array)
    print(inspect_store(folder)[0])
assert workers[0].missing(arrays) == []
store = workers[1].finish(arrays, train=["c/v0"])
store.verify()
FeatureStore.open(folder).verify()
for name, array in arrays.items():
    assert np.array_equal(store.read(name, 2, 7), array[2:7])
videos = []
for name, array in arrays.items():
    videos.append(Video(name, "", 0, "train", name, len(array) + 1, 1, 1, 25.0))
batch = next(train_batches(store, None, videos, DataConfig(batch=4, frames=5), ClipDraws(seed=0)))
for clip in batch.clip.inputs.x:
    first = clip[0, 0, 0, 0]
    assert np.array_equal(clip[:, 3, 2, 1], first + np.arange(5)) and first >= 1
print(inspect_store(folder)[0])
"""


IMPORT = """
import runpy, sys
import h5py, numpy as np
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.types import Dataset, Video

video = Video("c/v0", "", 0, "train", "c/v0", 10, 1, 1, 25.0)
save_dataset("gs://b/dataset.json", Dataset(("c",), (video,)))
with h5py.File(f"{sys.argv[1]}/v0.h5", "w") as file:
    file["features"] = np.ones((9, 6, 3, 3), np.float32)
sys.argv[1:] = ["authors", sys.argv[1], "gs://b/imported", "--dataset=gs://b/dataset.json"]
runpy.run_module("launch.features", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(not fake_bucket.available(), reason="no openssl to make a certificate with")
def test_the_list_of_an_import_is_read_from_the_bucket_not_written_anew(tmp_path):
    bucket = fake_bucket.Bucket(tmp_path)
    (tmp_path / "authors").mkdir()
    done = run_in_bucket(bucket, IMPORT, tmp_path / "authors")
    assert done.returncode == 0 and '"videos": 1, "frames": 9' in done.stdout, done.stderr


@pytest.mark.skipif(not fake_bucket.available(), reason="no openssl to make a certificate with")
@pytest.mark.slow
def test_a_store_lives_in_a_bucket(tmp_path):
    bucket = fake_bucket.Bucket(tmp_path)
    done = run_in_bucket(bucket, SCRIPT)
    assert done.returncode == 0, done.stderr
    assert [line.split(": ")[1].split(",")[0] for line in done.stdout.splitlines()] == [
        "not finished",
        "not finished",
        "not finished",
        "3 videos",
    ]
    assert {name for name in bucket.objects if not name.endswith("/")} == {
        "store/index.json",
        "store/c/v0.f16",
        "store/c/v1.f16",
        "store/c/v2.f16",
    }
    assert any(request.startswith("GET /b/store%2Fc%2Fv0.f16") for request in bucket.requests)


REREAD = """
import sys
from videolstm_jax.cli import boot
boot.prepare_command_imports()
from etils import epath
path = epath.Path("gs://b/notes.jsonl")
print(path.read_text(), flush=True)
sys.stdin.readline()
print(path.read_text(), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not fake_bucket.available(), reason="no openssl to make a certificate with")
def test_what_another_process_has_just_written_is_read(tmp_path):
    bucket = fake_bucket.Bucket(tmp_path)
    bucket.objects["notes.jsonl"] = b"1"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", REREAD],
        cwd=ROOT,
        stdin=pipe,
        stdout=pipe,
        text=True,
        env=os.environ | bucket.environment,
    ) as process:
        assert process.stdout.readline() == "1\n"
        bucket.objects["notes.jsonl"] = b"1 2 3"
        # Soon after: the client of buckets would keep the old size for five seconds.
        assert process.communicate("\n", timeout=60)[0] == "1 2 3\n"


LOCK = """
import sys
from videolstm_jax.errors import FileError
from videolstm_jax.lock import owner
from videolstm_jax.lock.sole_writer import sole_writer
with sole_writer("gs://b/work/run", "train"):
    try:
        with sole_writer("gs://b/work/run", "train"):
            print("both")
    except FileError as error:
        print(error)
    # As from another machine, where only the time stamps of the store count.
    owner._machine = lambda: "elsewhere"
    for owner.SILENCE in (120, -1e9):
        try:
            with sole_writer("gs://b/work/run", "train"):
                print("taken over")
        except FileError as error:
            print(error)
"""


@pytest.mark.skipif(not fake_bucket.available(), reason="no openssl to make a certificate with")
@pytest.mark.slow
def test_a_folder_in_a_bucket_is_locked(tmp_path):
    bucket = fake_bucket.Bucket(tmp_path)
    done = run_in_bucket(bucket, LOCK)
    *refused, last = done.stdout.splitlines()
    assert len(refused) == 2 and last == "taken over", done.stdout + done.stderr
    for line in refused:
        assert line.startswith("gs://b/work/run: train runs here already: process ")
    assert done.returncode == 1 and "both have written here" in done.stderr
    assert [name for name in bucket.objects if not name.endswith("/")] == []
