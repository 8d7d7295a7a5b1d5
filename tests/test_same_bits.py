"""With virtual shards, one, two and four real processes train the same bits."""

import shutil

import pytest
from pod_trainings import words
from running_pod import start_pod
from training_workdir import write_work

pytestmark = pytest.mark.slow


def test_one_two_and_four_processes_have_the_same_digests(tmp_path):
    write_work(tmp_path / "fresh")
    digests = {}
    for count in (1, 2, 4):
        work = shutil.copytree(tmp_path / "fresh", tmp_path / str(count))
        flags = ("--train.steps=12", "--train.shards=4", "--train.hash_every=3")
        pod = start_pod(tmp_path / f"pod{count}", words("train", work, *flags), count=count)
        assert pod.statuses() == [0] * count, pod.errors(0)
        run = work / "runs" / "lstm-rgb"
        digests[count] = (run / "hashes.jsonl").read_text()
        # The losses of the log have the same bits, too.
        digests[count] += (run / "metrics.jsonl").read_text()
    assert '"step": 12' in digests[1] and len(digests[1].splitlines()) >= 8
    assert digests[2] == digests[1]
    assert digests[4] == digests[1]
