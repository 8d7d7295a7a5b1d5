"""Small files that would fill the memory are refused before it is taken."""

import json
import os
import pathlib
import subprocess
import sys

from bounded_reading import MEBIBYTES

ROOT = pathlib.Path(__file__).parents[1]


def test_no_bomb_takes_memory(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for action in ("write", "read"):
        command = [sys.executable, str(ROOT / "tests" / "size_bombs.py"), str(tmp_path), action]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert len(figures) == 17
    for name, bomb in figures.items():
        # Each is far smaller than the gigabyte that it stands for.
        assert bomb["bytes"] < 5_000_000 and bomb["mebibytes"] < MEBIBYTES, (name, bomb)
        assert not bomb["problem"] and bomb["message"], (name, bomb)
