"""Several workers on one folder, killed and started again, write the bytes of a single worker."""

import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prepared_workdir import config, write_prepared

from videolstm_jax import pipeline
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.extraction.unfinished import views_without_features
from videolstm_jax.features.shards import Shard, parse_feature_shard
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.stages import extract, fit_convnet


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    work = write_prepared(tmp_path_factory.mktemp("sharded"))
    fit_convnet.run(config(work, "rgb", convnet__steps=2))
    shutil.copytree(work, work.parent / "fitted")
    extract.run(config(work, "rgb", convnet__steps=2))
    return work


@pytest.fixture
def fitted(done, tmp_path):
    shutil.copytree(done.parent / "fitted", tmp_path / "work")
    return tmp_path / "work"


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@given(st.integers(0, 50), st.integers(1, 9))
def test_shards_are_all_things_once(length, count):
    parts = [Shard(number, count).of(range(length)) for number in range(1, count + 1)]
    assert sorted(thing for part in parts for thing in part) == list(range(length))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_is_a_number_of_a_count():
    assert (
        parse_feature_shard("2/8") == Shard(2, 8)
        and parse_feature_shard("2/8").worker == "2of8"
        and parse_feature_shard("1/1").worker == ""
    )
    for wrong in ("0/8", "9/8", "2", "2/", "a/b", "-1/2", "1/0", ""):
        with pytest.raises(
            ConfigError, match=f"--shard={re.escape(wrong)}; expected i/n with i from 1 to n"
        ):
            parse_feature_shard(wrong)


def test_shards_in_any_order_make_the_bytes_of_one_worker(done, fitted, capsys):
    cfg = config(fitted, "rgb", convnet__steps=2)
    for number in (3, 1):
        extract.run(cfg, shard=Shard(number, 3))
        assert f"shard {number} of 3 is done; " in capsys.readouterr().out
        with pytest.raises(FileError, match=r"index\.json is missing"):
            FeatureStore.open(fitted / "features" / "rgb" / "pool5")
    extract.run(cfg, shard=Shard(2, 3))
    assert contents(fitted / "features") == contents(done / "features")
    assert contents(fitted / "convnets") == contents(done / "convnets")


def test_one_worker_ends_what_shards_began(done, fitted):
    cfg = config(fitted, "rgb", convnet__steps=2)
    extract.run(cfg, shard=Shard(2, 2))
    before = {path: path.stat().st_mtime_ns for path in (fitted / "features").rglob("*.f16")}
    assert len(before) == 9
    extract.run(cfg)
    assert contents(fitted / "features") == contents(done / "features")
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())


def test_bytes_for_maps_and_float16_for_logits(done, fitted):
    extract.run(config(fitted, "rgb", convnet__steps=2, data__feature_dtype="uint8"))
    for layer, dtype in (("pool5", "uint8"), ("fc7", "uint8"), ("logits", "float16")):
        small, large = (
            FeatureStore.open(work / "features" / "rgb" / layer) for work in (fitted, done)
        )
        assert small.dtype == dtype and small.about == large.about
        for name in large.frames:
            was = large.read(name).astype(np.float64)
            assert np.abs(small.read(name) - was).max() <= 0.005 * np.abs(was).max()
    assert (fitted / "convnets/rgb/scores.npz").read_bytes() == (
        done / "convnets/rgb/scores.npz"
    ).read_bytes()


HOLDER = """
import sys
from videolstm_jax.lock.sole_writer import sole_writer
with sole_writer(sys.argv[1], "extract", name=".finish.lock"):
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def finishing(fitted):
    """Another process that finishes the stores, as it seems, until a line is written to it."""
    command = [sys.executable, "-c", HOLDER, str(fitted / "features" / "rgb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"holds\n"
        yield process
        process.kill()


def test_a_shard_waits_for_one_that_finishes(fitted, finishing, capsys, monkeypatch):
    def stop_waiting(_):
        """What happens in the pause between two looks at the lock."""
        if finishing.poll() is None:
            finishing.communicate(b"\n")

    monkeypatch.setattr("videolstm_jax.lock.waiting_writer.time.sleep", stop_waiting)
    extract.run(config(fitted, "rgb", convnet__steps=2), shard=Shard(1, 2))
    printed = capsys.readouterr().out
    expected = f"features/rgb: extract runs here already: process {finishing.pid} on "
    assert printed.count("waits for another shard, which opens or finishes the stores") == 1
    assert expected in printed and "shard 1 of 2 is done; 3 videos of others are not" in printed


def test_a_shard_looks_for_the_others_while_it_alone_may_finish(fitted, monkeypatch):
    locks = []

    def look(*arguments):
        locks.extend(path.name for path in (fitted / "features" / "rgb").glob(".*.lock"))
        return views_without_features(*arguments)

    monkeypatch.setattr(extract, "views_without_features", look)
    extract.run(config(fitted, "rgb", convnet__steps=2), shard=Shard(2, 2))
    assert sorted(locks) == [".extract-2of2.lock", ".finish.lock"]


# Waits for a line when its videos are done; the first of two is killed while it writes an index.
SHARD = """
import os, signal, sys
from videolstm_jax import files
from videolstm_jax.cli.main import main
from videolstm_jax.stages import extract
write_features, write_bytes = extract._write_features, files.write_bytes

def write_features_and_wait(*arguments):
    write_features(*arguments)
    print("videos are done", flush=True)
    sys.stdin.readline()

def write_half_an_index(path, encoded, **options):
    if path.name == "index.json":
        with files.replacing(path) as beside:
            beside.write_bytes(encoded[:9])
            os.kill(os.getpid(), signal.SIGKILL)
    write_bytes(path, encoded, **options)

extract._write_features = write_features_and_wait
if "--shard=1/2" in sys.argv:
    files.write_bytes = write_half_an_index
main("extract")
"""


@pytest.mark.slow
def test_of_shards_that_end_together_one_is_killed_and_the_other_finishes(done, fitted):
    words = pipeline.pipeline_stage_command(
        "extract", config(fitted, "rgb", convnet__steps=2)
    ).split()[2:]
    workers = []
    for number in (1, 2):
        command = [sys.executable, "-c", SHARD, *words, f"--shard={number}/2"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        workers.append(subprocess.Popen(command, **pipes))
    for worker in workers:
        while "videos are done" not in (line := worker.stdout.readline()):
            assert line, "the worker has ended"
    # A worker that was killed while it wrote notes left this. The one that goes on is not it.
    (fitted / "features/rgb/fc7/.done-1of2.jsonl.part-0123456789abcdef").touch()
    # The first one must be killed in its end before the other finds all videos done.
    for worker in workers:
        worker.communicate("\n")
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL, 0]
    assert contents(fitted / "features") == contents(done / "features") | {
        # The lock of a shard that is not started again.
        "rgb/.extract-1of2.lock": (fitted / "features/rgb/.extract-1of2.lock").read_bytes()
    }
    assert contents(fitted / "convnets") == contents(done / "convnets")


def test_files_that_a_kill_left_are_removed(done, fitted):
    token = "part-0123456789abcdef"
    left = [
        f"features/rgb/pool5/.done-1of2.jsonl.{token}",
        f"features/rgb/fc7/.about.json.{token}",
        f"features/rgb/logits/.index.json.{token}",
        f"features/rgb/pool5/left/.p1.f16.{token}",
        f"convnets/rgb/.scores.npz.{token}",
    ]
    of_a_fit = fitted / "convnets/rgb" / f".metrics.jsonl.{token}"
    for name in left:
        (fitted / name).parent.mkdir(parents=True, exist_ok=True)
        (fitted / name).touch()
    of_a_fit.touch()
    cfg = config(fitted, "rgb", convnet__steps=2)
    extract.run(cfg, shard=Shard(1, 2))
    # Its own notes at its start; the others when all is done.
    assert [(fitted / name).exists() for name in left] == [False, True, True, True, True]
    extract.run(cfg, shard=Shard(2, 2))
    assert contents(fitted / "features") == contents(done / "features")
    of_a_fit.unlink()
    assert contents(fitted / "convnets") == contents(done / "convnets")


KILLED_LIVES = 8


def started_shards(command):
    """Starts the two processes that share the videos."""
    workers = []
    for number in (1, 2):
        workers.append(subprocess.Popen([sys.executable, *command, f"--shard={number}/2"]))
    return workers


def count_written(work):
    return len(list((work / "features").rglob("*.f16")))


def is_finished(work):
    index = work / "features/rgb/logits/index.json"
    return index.exists() and (work / "convnets/rgb/scores.npz").exists()


def kill_after_another_file(workers, work):
    """Kills all as soon as one more feature file is there, or one of them has ended by itself."""
    before = count_written(work)
    while count_written(work) <= before:
        if any(worker.poll() is not None for worker in workers):
            break
        time.sleep(0.01)
    for worker in workers:
        worker.kill()
    return [worker.wait() for worker in workers]


@pytest.mark.slow
def test_launched_processes_that_are_killed_go_on(done, fitted):
    cfg = config(fitted, "rgb", convnet__steps=2)
    command = pipeline.pipeline_stage_command("extract", cfg, "python -m launch.").split()[1:]
    lives_killed = 0
    for _ in range(KILLED_LIVES):
        statuses = kill_after_another_file(started_shards(command), fitted)
        assert set(statuses) <= {0, -signal.SIGKILL}
        if -signal.SIGKILL in statuses:
            lives_killed += 1
        if is_finished(fitted):
            break
    assert lives_killed > 1
    # A shard that was killed behind its last file left its lock, which this one takes over.
    last = started_shards(command)
    assert [worker.wait() for worker in last] == [0, 0]
    assert contents(fitted / "features") == contents(done / "features")
    assert contents(fitted / "convnets") == contents(done / "convnets")
