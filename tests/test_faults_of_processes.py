"""Two real processes decide alike on steps that are not finite and on damaged checkpoints."""

import json
import shutil

import pytest
from pod_trainings import rows, words
from running_pod import start_pod
from training_workdir import config, damage_record, write_work

from videolstm_jax.stages import train

# The scale of the features is taken of all of them, and so would not be finite.
UNVERIFIED = ("--data.verify=never", "--data.feature_scale=raw", "--train.steps=9")


@pytest.fixture
def work(tmp_path):
    write_work(tmp_path / "work")
    return tmp_path / "work"


def hashes(work):
    text = (work / "runs" / "lstm-rgb" / "hashes.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_they_skip_what_one_process_skips(work, tmp_path):
    damage_record(work, "bend/p0")
    shutil.copytree(work, tmp_path / "single")
    settings = {"data__verify": "never", "data__feature_scale": "raw", "train__steps": 9}
    train.run(config(tmp_path / "single", train__nonfinite="skip", **settings))
    pod = start_pod(tmp_path / "pod", words("train", work, *UNVERIFIED, "--train.nonfinite=skip"))
    assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    for row, like in zip(rows(work), rows(tmp_path / "single"), strict=True):
        assert row == pytest.approx(like, abs=1e-6) and row.keys() == like.keys()
    skipped = [line for line in pod.output(0).splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == sum(row.get("skipped", 0) for row in rows(work)) > 0
    # The videos are those of the whole batch, also of the rows that process 1 has read.
    assert all("bend/p0" in line for line in skipped)
    assert "skipped: " not in pod.output(1)
    assert [row["step"] for row in hashes(work)] == [9]


@pytest.mark.slow
def test_all_end_with_the_line_of_the_step(work, tmp_path):
    damage_record(work, "bend/p0")
    pod = start_pod(tmp_path / "pod", words("train", work, *UNVERIFIED))
    assert pod.statuses() == [1, 1]
    for index in (0, 1):
        (line,) = set(pod.errors(index).splitlines())
        assert line.startswith("error: the loss is nan at step ") and "bend/p0" in line


@pytest.mark.slow
def test_process_0_takes_the_sound_checkpoint_for_all(work, tmp_path):
    train.run(config(work))
    unbroken = rows(work)
    newest = work / "runs" / "lstm-rgb" / "ckpt" / "12"
    shutil.rmtree(newest / "params")
    pod = start_pod(tmp_path / "pod", words("train", work, "--train.steps=12"))
    assert pod.statuses() == [0, 0], pod.errors(0) + pod.errors(1)
    (line,) = pod.errors(0).splitlines()
    assert line.startswith(f"warning: {newest}: params cannot be read: ")
    assert line.endswith("; training goes on from step 10") and not pod.errors(1)
    assert newest.is_dir() and "goes on from step 10 of" in pod.output(0)
    for row, like in zip(rows(work), unbroken, strict=True):
        assert row == pytest.approx(like, abs=1e-6)
