"""Reads hostile lists, indexes, archives and links, and says which files outside were touched.

A process of its own: an audit hook stays until the process ends. Prints one line of JSON.
"""

import csv
import io
import json
import os
import pathlib
import sys
import zipfile

import h5py
import numpy as np
from etils import epath

from videolstm_jax import artifacts
from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders.folder_listing import list_folder
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.prepared import flow_digests
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features import foreign, foreign_lists
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.flow_images import flow_file
from videolstm_jax.trajectories.reader import read_trajectories, trajectory_file
from videolstm_jax.types import Dataset, Video

ROOT = pathlib.Path(sys.argv[1])
SECRET = str(ROOT / "secret")
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
# What may be opened: the installed packages, and what Python itself looks at.
_INSTALLED = (sys.prefix, sys.base_prefix, os.getcwd(), "/proc", "/dev", "/sys", "/usr", "/lib")
_ALLOWED = tuple(map(os.path.realpath, _INSTALLED))
_EVENTS = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.symlink")


class Watch:
    """Runs cases, and keeps the files that each of them touched."""

    def __init__(self):
        self.touched, self.outside, self.wrong = [], [], []
        self.cases, self.refused = 0, 0
        sys.addaudithook(self._note)

    def _note(self, event, arguments):
        if event in _EVENTS and arguments and isinstance(arguments[0], (str, bytes)):
            self.touched.append(os.path.realpath(os.fsdecode(arguments[0])))

    def case(self, name, write, read, *, is_refused=None):
        """Writes files to a folder of their own and reads them.

        `is_refused` says whether they must be; None allows both.
        """
        folder = ROOT / f"case{self.cases}"
        folder.mkdir()
        self.cases += 1
        try:
            write(folder)
        except (OSError, ValueError):
            return  # no such file can exist here
        self.touched.clear()
        message = ""
        try:
            read(folder)
        except (FileError, ConfigError) as error:
            message = str(error)
            self.refused += 1
        except Exception as error:
            self.wrong.append([name, f"{type(error).__name__}: {error}"])
        if is_refused is not None and is_refused != bool(message):
            self.wrong.append([name, message or "was read"])
        for path in self.touched:
            if not path.startswith((str(folder), *_ALLOWED)):
                self.outside.append([name, path])


# ---- names in files ------------------------------------------------------------------------------


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
    return {"layout": artifacts.LAYOUT, "classes": ["A"], "videos": videos}


def _index(name):
    names = {"frames": {name: 1}, "sha256": {name: "0"}}
    return {"shape": [2], "dtype": "float16", "about": {}, **names}


def _truth(name):
    return {"video": name, "label": 0, "score": 1.0, "start": 0, "boxes": [[0, 0, 1, 1]]}


def read_store(folder):
    store = FeatureStore.open(folder)
    names = list(store.frames)
    store.check_sizes(names)
    store.read(names[0])


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
        if artifacts.leads_out(name):
            raise FileError(f"{folder}: {name!r}")
        read_trajectories(trajectory_file(folder, name))

    return read


def names_in_files(watch):
    readers = {
        "dataset.json": (
            json_file("dataset.json", _dataset),
            lambda folder: artifacts.load_dataset(folder / "dataset.json"),
        ),
        "index.json": (json_file("index.json", _index), read_store),
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
            lambda folder: foreign_lists.read_names(folder, "train"),
        ),
        "trainlist": (line_of("trainlist01.txt"), read_lists),
        "flow zip": (zip_with, lambda folder: flow_file.read_flow(folder / "a.zip")),
        "path": (
            lambda name: labels_csv(name, "A"),
            lambda folder: list_folder(epath.Path(folder)),
        ),
        "label": (
            lambda name: labels_csv("a.mp4", name),
            lambda folder: list_folder(epath.Path(folder)),
        ),
    }
    for kind, (write, read) in readers.items():
        for name in NAMES:
            watch.case(f"{kind} {name[:40]!r}", write(name), read)
    for name in NAMES:
        watch.case(f"trajectories {name[:40]!r}", lambda folder: None, read_trajectory(name))


# ---- links ---------------------------------------------------------------------------------------


def linked(link, target, rows=()):
    """Writes a link and a labels.csv with the rows, none without."""

    def write(folder):
        (folder / link).parent.mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(target)
        if rows:
            table = ["path,label", *(f"{row},A" for row in rows)]
            (folder / "labels.csv").write_text("\n".join(table))

    return write


def linked_store(folder):
    (folder / "index.json").write_text(json.dumps(_index("A/a")))
    (folder / "A").mkdir()
    (folder / "A" / "a.f16").symlink_to(SECRET)


def linked_folder_of_a_store(folder):
    (folder / "index.json").write_text(json.dumps(_index("A/a")))
    (folder / "A").symlink_to(ROOT / "elsewhere")


def linked_flow(folder):
    (folder / "flow" / "A").mkdir(parents=True)
    (folder / "flow" / "A" / "a.zip").symlink_to(SECRET)


def h5_link(folder):
    with h5py.File(folder / "v_A_g01_c01.h5", "w") as file:
        file["features"] = h5py.ExternalLink(str(ROOT / "secret.h5"), "features")


def h5_external(folder):
    with h5py.File(folder / "v_A_g01_c01.h5", "w") as file:
        file.create_dataset("features", (2, 2), "u1", external=[(SECRET, 0, 4)])


def links(watch):
    def table(folder):
        list_folder(epath.Path(folder))

    watch.case("link to a file", linked("a.mp4", SECRET, ["a.mp4"]), table, is_refused=True)
    watch.case("link above", linked("a.mp4", "../secret", ["a.mp4"]), table, is_refused=True)
    outside = linked("d", ROOT / "elsewhere", ["d/v.mp4"])
    watch.case("link to a folder", outside, table, is_refused=True)
    watch.case("link of a link", linked("a.mp4", ROOT / "link", ["a.mp4"]), table, is_refused=True)
    watch.case("loop", linked("a.mp4", "a.mp4", ["a.mp4"]), table, is_refused=True)
    watch.case("folder in itself", linked("d", ".", ["d/d/a.mp4"]), table, is_refused=True)
    watch.case("link to a device", linked("a.mp4", "/dev/zero", ["a.mp4"]), table, is_refused=True)
    watch.case("link to nothing", linked("a.mp4", "none", ["a.mp4"]), table, is_refused=True)
    watch.case("record of a store", linked_store, read_store, is_refused=True)
    watch.case("class of a store", linked_folder_of_a_store, read_store, is_refused=True)
    watch.case(
        "flow of a work folder",
        linked_flow,
        lambda folder: flow_digests(artifacts.Workdir(str(folder)), ["A/a"]),
        is_refused=True,
    )
    watch.case("link in HDF5", h5_link, foreign.authors_features, is_refused=True)
    watch.case("array elsewhere", h5_external, foreign.authors_features, is_refused=True)


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
