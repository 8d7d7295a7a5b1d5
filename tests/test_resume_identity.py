"""What a checkpoint must agree with: the data, the extractor, the versions of packages."""

import json
import shutil

import jax
import numpy as np
import pytest
from line_training import (
    IDENTITY,
    assert_same_run,
    finished_training,  # noqa: F401
    fresh_state,
    own_run,  # noqa: F401
    train,
)

from videolstm_jax.errors import FileError
from videolstm_jax.train.checkpoints import checkpoint
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints


def resaved(run, change):
    """Replaces the checkpoints by one whose records are changed."""
    with Checkpoints(run / "ckpt") as checkpoints:
        state, about = checkpoints.restore(fresh_state(), identity={})
    shutil.rmtree(run / "ckpt")
    identity, about = dict(IDENTITY), dict(about)
    change(identity, about)
    with Checkpoints(run / "ckpt") as checkpoints:
        checkpoints.save(state, identity=identity, about=about)


def test_another_position_in_the_data_is_refused(run):
    resaved(run, lambda identity, about: about.update(batches=22))
    with pytest.raises(FileError, match="ckpt/23 was made with batches 22; expected 23, one for"):
        train(run)


def test_another_extractor_is_refused(run):
    change = {"extractor.x.convnet": "cd34"}
    resaved(run, lambda identity, about: identity.update(change))
    with pytest.raises(
        FileError, match=r"23 was made with extractor\.x\.convnet 'cd34'; expected 'ab12'"
    ):
        train(run)


def test_other_versions_are_a_warning(finished, run, capsys, monkeypatch):
    others = {"jax": "0.1", "numpy": "1.0", "tensorflow": "2.1"}
    monkeypatch.setattr(checkpoint, "checkpoint_package_versions", lambda: others)
    resaved(run, lambda identity, about: None)
    assert_same_run(run, train(run), finished)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {run}/ckpt/23 was made with jax 0.1, here {jax.__version__}")
    assert f"numpy 1.0, here {np.__version__}" in line and "jaxlib none, here" in line
    # TensorFlow draws the clips.
    assert "; tensorflow 2.1, here 2." in line
    assert line.endswith(": results may differ by rounding")


def test_a_checkpoint_of_before_loads_with_one_line(finished, run, capsys, monkeypatch):
    def older(identity, about):
        del identity["extractor.x.convnet"]
        for name in ("batches", "skipped"):
            del about[name]

    honest = checkpoint.manifest.manifest_json

    def without_versions(value):
        if isinstance(value, dict):
            value = {key: item for key, item in value.items() if key != "versions"}
        return honest(value)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.manifest, "manifest_json", without_versions)
        resaved(run, older)
    assert_same_run(run, train(run), finished)
    assert capsys.readouterr().err == (
        f"warning: {run}/ckpt/23 is of an earlier version; not compared: extractor.x.convnet, "
        "batches, versions\n"
    )


def test_a_checkpoint_records_versions_and_batches(finished):
    with Checkpoints(finished[0] / "ckpt") as checkpoints:
        meta = checkpoints.meta()
    assert meta["versions"]["jax"] == jax.__version__ and meta["about"]["batches"] == 23
    assert json.dumps(meta)
