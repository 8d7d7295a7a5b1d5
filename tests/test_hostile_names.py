"""Lists, indexes and arrays of strangers open no file outside their folder, as an audit shows."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
WATCHED = """
import dataclasses, json, os, pathlib, sys
import h5py
from etils import epath
from videolstm_jax import artifacts
from videolstm_jax.dataset.folders.folder_listing import list_folder
from videolstm_jax.errors import FileError
from videolstm_jax.features import foreign, foreign_lists
from videolstm_jax.types import Dataset, Video

root = pathlib.Path(sys.argv[1])
opened, outside = [], []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append(os.path.realpath(os.fsdecode(arguments[0])))
sys.addaudithook(watch)
INSTALLED = (sys.prefix, sys.base_prefix, os.getcwd(), "/proc", "/dev/null")
ALLOWED = tuple(map(os.path.realpath, INSTALLED))
HOSTILE = ["..", "../secret", "x/../../secret", "/etc/passwd", str(root / "secret"), "a\\0b",
           "~/secret", "file:///etc/passwd", "..\\\\secret", "x/./../../secret"]
refused = cases = 0

def case(name, write, read):
    global refused, cases
    folder = root / f"case{cases}"
    folder.mkdir()
    cases += 1
    write(folder)
    opened.clear()
    try:
        read(folder)
    except FileError as error:
        refused += 1
        assert "\\n" not in str(error), error
    for path in opened:
        if not path.startswith((str(folder), *ALLOWED)):
            outside.append([name, path])

def labels_csv(path, label):
    def write(folder):
        (folder / "labels.csv").write_text(f"path,label\\n{path},{label}\\n")
    return write

def names_list(line):
    def write(folder):
        (folder / "train_filenames.txt").write_text(f"{line}\\n")
    return write

def dataset(name):
    def write(folder):
        video = Video("NAME", "v.mp4", 0, "test", "g", 4, 4, 4, 25.0)
        path = folder / "dataset.json"
        artifacts.save_dataset(path, Dataset(("a",), (video,)))
        path.write_text(path.read_text().replace('"NAME"', json.dumps(name)))
    return write

def link(folder):
    with h5py.File(folder / "v_A_g01_c01.h5", "w") as file:
        file["features"] = h5py.ExternalLink(str(root / "secret.h5"), "features")

def external(folder):
    with h5py.File(folder / "v_A_g01_c01.h5", "w") as file:
        file.create_dataset("features", (2, 2), "u1", external=[(str(root / "secret"), 0, 4)])

for name in HOSTILE:
    case(f"path {name}", labels_csv(name, "A"), lambda folder: list_folder(epath.Path(folder)))
    case(f"label {name}", labels_csv("a.mp4", name), lambda folder: list_folder(epath.Path(folder)))
    case(f"list {name}", names_list(name), lambda folder: foreign_lists.read_names(folder, "train"))
    load = lambda folder: artifacts.load_dataset(folder / "dataset.json")
    case(f"name {name}", dataset(name), load)
case("link", link, foreign.authors_features)
case("external", external, foreign.authors_features)
print(json.dumps({"cases": cases, "refused": refused, "outside": outside}))
"""


def test_no_case_opens_a_file_outside_its_folder(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WATCHED, str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["outside"] == []
    # `~` and an address are ordinary folders below another one, where nothing expands them.
    assert result["cases"] == 42 and result["refused"] >= 38, result
