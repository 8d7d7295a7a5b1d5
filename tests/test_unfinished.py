"""Files that a killed process was writing are removed by the next one, and nothing else is."""

import subprocess
import sys

from videolstm_jax.folders import refresh_list, remove_unfinished

KILLED = """
import os, signal, sys
from videolstm_jax.files import replacing
with replacing(sys.argv[1]) as path:
    path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    target = tmp_path / "pool5" / "c" / "v0.f16"
    done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    (left,) = target.parent.iterdir()
    assert done.returncode == -9 and left.read_bytes() == b"half"
    no_token, no_target = ".v1.f16.part-0123", ".part-0123456789abcdef"
    others = ["v1.f16", ".lock", no_token, no_target, "v2.part-0123456789abcdef"]
    for name in others:
        (target.parent / name).write_bytes(b"whole")
    remove_unfinished(tmp_path, lambda path: path.name != "v0.f16")
    assert left.exists()
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in target.parent.iterdir()) == sorted(others)


def test_a_folder_that_is_not_there_has_none(tmp_path):
    remove_unfinished(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_list_is_fetched_anew_by_a_change_that_leaves_nothing(tmp_path):
    before = tmp_path.stat().st_mtime_ns
    refresh_list(tmp_path)
    assert tmp_path.stat().st_mtime_ns > before and list(tmp_path.iterdir()) == []
    refresh_list(tmp_path / "new")  # a folder that is not there stays so
    assert not (tmp_path / "new").exists()
