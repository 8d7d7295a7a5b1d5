"""Reads hostile names in lists, indexes and archives, and hostile links, under an audit hook.

Run as a process of its own (`file_watch`). Prints one line of JSON.
"""

import csv
import io
import json
import zipfile

import numpy as np
from etils import epath
from file_watch import ROOT, SECRET, Watch
from watched_links import links, read_store, store_index

from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders.folder_listing import list_videos_of_folder
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.errors import FileError
from videolstm_jax.features import foreign_lists
from videolstm_jax.flow_images import flow_file
from videolstm_jax.folders import leads_out
from videolstm_jax.trajectories.reader import read_trajectories, trajectory_file
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import LAYOUT

NAMES = (
    *("..", "../secret", "../../secret", "x/../../secret", "x/./../../secret", "a/..", "./.."),
    *(
        "/etc/passwd",
        SECRET,
        "//etc/passwd",
        "~/secret",
        "file:///etc/passwd",
        "http://127.0.0.1/a",
    ),
    *(
        "..\\secret",
        "C:\\secret",
        "C:/secret",
        "C:secret",
        "\\\\server\\share\\secret",
        "NUL",
        "CON",
    ),
    *("a\0b", "../secret\0.mp4", "a\nb", "a\rb", "\x1b]0;title\x07", "\u202efdp.exe"),
    *("\uff0e\uff0e/secret", "\u2025/secret", "..\u2215secret", "%2e%2e/secret", "....//secret"),
    *("A" * 300, "a/" * 300 + "b", ".", "", " ", ".hidden", "\ud800"),
)


def labels_csv(path, label):
    def write(folder):
        text = io.StringIO()
        csv.writer(text).writerows([("path", "label"), (path, label)])
        (folder / "labels.csv").write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))

    return write


def line_of(file):
    def with_name(name):
        def write(folder):
            for other in ("trainlist01.txt", "testlist01.txt"):
                (folder / other).write_text("A/v_A_g01_c01.avi\n")
            (folder / "A").mkdir()
            (folder / "A" / "v_A_g01_c01.avi").write_bytes(b"")
            (folder / file).write_bytes(f"{name}\n".encode("utf-8", "surrogatepass"))

        return write

    return with_name


def json_file(file, content):
    def with_name(name):
        def write(folder):
            # A record with the name, without the checks of who writes it in good faith.
            (folder / file).write_text(json.dumps(content(name)))

        return write

    return with_name


_VIDEO = Video("A/a", "a.mp4", 0, "test", "g", 4, 4, 4, 25.0)


def _dataset(name):
    videos = [_VIDEO._replace(name=name)._asdict()]
    return {"layout": LAYOUT, "classes": ["A"], "videos": videos}


def _truth(name):
    return {"video": name, "label": 0, "score": 1.0, "start": 0, "boxes": [[0, 0, 1, 1]]}


def zip_with(name):
    def write(folder):
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            archive.writestr(name or "a", b"x")
            archive.writestr("flow_y_0001.png", b"x")

    return write


def read_lists(folder):
    list_videos(DataConfig(videos=str(folder), lists=str(folder)))


def read_trajectory(name):
    def read(folder):
        # As the stage does with names of dataset.json, which `load_dataset` has checked.
        if leads_out(name):
            raise FileError(f"{folder}: {name!r}")
        read_trajectories(trajectory_file(folder, name))

    return read


def names_in_files(watch):
    readers = {
        "dataset.json": (
            json_file("dataset.json", _dataset),
            lambda folder: load_dataset(folder / "dataset.json"),
        ),
        "index.json": (json_file("index.json", store_index), read_store),
        "boxes.json": (
            json_file("boxes.json", lambda name: {name: [[0, 0, 1, 1]]}),
            lambda folder: read_boxes_json(folder / "boxes.json", Dataset(("A",), (_VIDEO,))),
        ),
        "truth.jsonl": (
            json_file("truth.jsonl", _truth),
            lambda folder: read_truth(folder / "truth.jsonl"),
        ),
        "feature list": (
            line_of("train_filenames.txt"),
            lambda folder: foreign_lists.read_foreign_names(folder, "train"),
        ),
        "trainlist": (line_of("trainlist01.txt"), read_lists),
        "flow zip": (zip_with, lambda folder: flow_file.read_flow(folder / "a.zip")),
        "path": (
            lambda name: labels_csv(name, "A"),
            lambda folder: list_videos_of_folder(epath.Path(folder)),
        ),
        "label": (
            lambda name: labels_csv("a.mp4", name),
            lambda folder: list_videos_of_folder(epath.Path(folder)),
        ),
    }
    for kind, (write, read) in readers.items():
        for name in NAMES:
            watch.case(f"{kind} {name[:40]!r}", write(name), read)
    for name in NAMES:
        watch.case(f"trajectories {name[:40]!r}", lambda folder: None, read_trajectory(name))


def main():
    (ROOT / "secret").write_bytes(b"secret, of the size of no record")
    (ROOT / "elsewhere").mkdir()
    (ROOT / "elsewhere" / "v.mp4").write_bytes(b"")
    np.ones((1, 2), np.float16).tofile(ROOT / "elsewhere" / "a.f16")
    (ROOT / "link").symlink_to("secret")
    watch = Watch()
    names_in_files(watch)
    links(watch)
    fields = ("cases", "refused", "outside", "wrong")
    print(json.dumps({name: getattr(watch, name) for name in fields}))


if __name__ == "__main__":
    main()
