"""Several workers on one folder, killed and started again, write the bytes of a single worker."""

import re
import shutil
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
from videolstm_jax.features.shards import Shard, parse_shard
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
        parse_shard("2/8") == Shard(2, 8)
        and parse_shard("2/8").worker == "2of8"
        and parse_shard("1/1").worker == ""
    )
    for wrong in ("0/8", "9/8", "2", "2/", "a/b", "-1/2", "1/0", ""):
        with pytest.raises(
            ConfigError, match=f"--shard={re.escape(wrong)}; expected i/n with i from 1 to n"
        ):
            parse_shard(wrong)


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


@pytest.mark.slow
def test_launched_processes_that_are_killed_go_on(done, fitted):
    cfg = config(fitted, "rgb", convnet__steps=2)
    command = pipeline.command("extract", cfg, "python -m launch.").split()[1:]
    written = {}
    for life in range(12):
        workers = [subprocess.Popen([sys.executable, *command, f"--shard={at}/2"]) for at in (1, 2)]
        had = len(written)
        while all(worker.poll() is None for worker in workers) and len(written) <= had and life < 8:
            time.sleep(0.01)  # killed as soon as one more video is there
            written = {
                path: path.stat().st_mtime_ns for path in (fitted / "features").rglob("*.f16")
            }
        for worker in workers:
            if life < 8:
                worker.kill()
            worker.wait()
        if (fitted / "features/rgb/logits/index.json").exists() and (
            fitted / "convnets/rgb/scores.npz"
        ).exists():
            break
    assert life > 1
    assert contents(fitted / "features") == contents(done / "features")
    assert contents(fitted / "convnets") == contents(done / "convnets")
