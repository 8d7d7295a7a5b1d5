"""Two real processes run a whole pipeline in a bucket, and give what one gives on a disk."""

import fake_bucket
import numpy as np
import pytest
from running_pod import start_pod
from short_pipeline import contents, tiny, write_videos

from videolstm_jax import pipeline
from videolstm_jax.config import change
from videolstm_jax.presets import Settings
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not fake_bucket.available(), reason="no openssl to make a certificate with"),
]


def test_a_whole_pipeline_in_a_bucket(tmp_path, monkeypatch, quick_pictures):
    monkeypatch.chdir(tmp_path)
    cells = {"pipeline__cells": ("lstm",), "pipeline__flow_cell": "lstm"}
    cfg = tiny(write_videos(tmp_path / "videos"), data__mirrored=False, **cells)
    pipeline.run(cfg)
    bucket = fake_bucket.Bucket(tmp_path)
    words = ["pipeline", *Settings.of(change(cfg, workdir="gs://b/work")).arguments()]
    pod = start_pod(tmp_path / "pod", words, more_environ=bucket.environment)
    assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    assert "the page of pictures: gs://b/work/" in pod.output(0)
    names = [name for name in bucket.objects if not name.endswith("/")]
    assert not [name for name in names if ".lock" in name or ".part-" in name]
    bucket.download("work", tmp_path / "copy")
    ours, theirs = Workdir(str(tmp_path / "copy")), Workdir(str(tmp_path / "work"))
    expected = {name for name in contents(tmp_path / "work") if "ckpt" not in name}
    assert expected <= set(contents(tmp_path / "copy"))
    for name in ("nearest-motion", "convnet-rgb", "convnet-flow", "lstm-rgb", "lstm-rgb+lstm-flow"):
        in_bucket = load_scores(ours.scores(name))
        on_disk = load_scores(theirs.scores(name))
        assert in_bucket.videos == on_disk.videos
        # The gradients of two devices are added in another order, and features are float16.
        np.testing.assert_allclose(in_bucket.scores, on_disk.scores, rtol=0, atol=5e-3)
