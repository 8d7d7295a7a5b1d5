"""Two real processes train and evaluate in a bucket what one trains on a disk."""

import shutil

import fake_bucket
import pytest
from pod_trainings import assert_same_evaluation, assert_same_training, words
from running_pod import start_pod
from training_workdir import config, write_work

from videolstm_jax.stages import evaluate, train
from videolstm_jax.train.checkpoints.bucket import LAST_FILE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not fake_bucket.available(), reason="no openssl to make a certificate with"),
]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A work folder on a disk in which one process has trained and evaluated."""
    work = tmp_path_factory.mktemp("single") / "work"
    write_work(work)
    shutil.copytree(work, work.parent / "fresh")
    train.run(config(work))
    evaluate.run(config(work))
    return work


def test_two_processes_work_in_a_bucket(single, tmp_path):
    bucket = fake_bucket.Bucket(tmp_path)
    bucket.upload(single.parent / "fresh", "work")
    # A process that was killed while it saved has left this.
    unfinished = "work/runs/lstm-rgb/ckpt/3/params/d/half"
    bucket.objects[unfinished] = b"half"
    for stage in ("train", "evaluate"):
        command = words(stage, "gs://b/work", "--train.steps=12", "--train.save_every=8")
        pod = start_pod(tmp_path / stage, command, more_environ=bucket.environment)
        assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    assert unfinished not in bucket.objects
    names = [name for name in bucket.objects if not name.endswith("/")]
    assert not [name for name in names if ".lock" in name or ".part-" in name]
    saved = sorted(name for name in names if name.endswith(f"/{LAST_FILE}"))
    assert saved == [f"work/runs/lstm-rgb/ckpt/{step}/{LAST_FILE}" for step in (12, 8)]
    # A copy of the bucket is a work folder on a disk, checkpoints included.
    bucket.download("work", tmp_path / "copy")
    assert_same_training(tmp_path / "copy", single)
    assert_same_evaluation(tmp_path / "copy", single)
