"""Lists, indexes, archives and links of strangers touch no file outside their folder, see an audit.

The links that users make themselves are followed as before.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from etils import epath

from videolstm_jax.dataset.folders.folder_listing import list_videos_of_folder
from videolstm_jax.errors import FileError

ROOT = pathlib.Path(__file__).parents[1]


def test_no_case_touches_a_file_outside_its_folder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "watched_names.py"), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["outside"] == [] and result["wrong"] == []
    # The rest are ordinary names, strange as they look, or names that no file can have.
    assert result["cases"] > 350 and result["refused"] > 200, result


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere" / "Run"
    folder.mkdir(parents=True)
    (folder / "a.mp4").write_bytes(b"")
    return folder


def names(folder, **options):
    return [video.name for video in list_videos_of_folder(epath.Path(folder), **options).videos]


def test_links_of_the_user_are_followed(tmp_path, elsewhere):
    root = tmp_path / "set"
    (root / "Walk").mkdir(parents=True)
    (root / "Walk" / "b.mp4").symlink_to(elsewhere / "a.mp4")
    assert names(root) == ["Walk/b"]
    (root / "Walk" / "b.mp4").unlink()
    (root / "Walk").rmdir()
    # A class, and the whole folder.
    (root / "Run").symlink_to(elsewhere)
    assert names(root) == ["Run/a"]
    (tmp_path / "link").symlink_to(root)
    assert names(tmp_path / "link") == ["Run/a"]


def test_a_table_names_no_link_that_leads_out_unless_the_user_says_so(tmp_path, elsewhere):
    root = tmp_path / "set"
    root.mkdir()
    (root / "labels.csv").write_text("path,label\na.mp4,Run\n")
    (root / "a.mp4").symlink_to(elsewhere / "a.mp4")
    with pytest.raises(FileError, match=r"labels.csv:2: path 'a.mp4' leads out .*follow_links"):
        names(root)
    assert names(root, follow_links=True) == ["Run/a"]
    # Within the folder a link is a name like any other.
    (root / "a.mp4").unlink()
    (root / "files").mkdir()
    (root / "files" / "b.mp4").write_bytes(b"")
    (root / "a.mp4").symlink_to("files/b.mp4")
    assert names(root) == ["Run/a"]


def test_the_folder_videos_beside_a_table_may_be_a_link(tmp_path, elsewhere):
    root = tmp_path / "set"
    root.mkdir()
    (root / "videos").symlink_to(elsewhere.parent)
    (root / "labels.csv").write_text("path,label\nRun/a.mp4,Run\n")
    assert names(root) == ["Run/a"]
