"""Links that lead out of a folder, in folders of videos, stores, flow and HDF5 files."""

import json

import h5py
from etils import epath
from file_watch import ROOT, SECRET

from videolstm_jax.dataset.folders.folder_listing import list_videos_of_folder
from videolstm_jax.features import foreign
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.flow_images.flow_index import flow_digests
from videolstm_jax.workdir.layout import Workdir


def store_index(name):
    """The index of a feature store of one video."""
    names = {"frames": {name: 1}, "sha256": {name: "0"}}
    return {"shape": [2], "dtype": "float16", "about": {}, **names}


def read_store(folder):
    """Reads the first video of a store, as the stages do."""
    store = FeatureStore.open(folder)
    names = list(store.frames)
    store.check_sizes(names)
    store.read(names[0])


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
    (folder / "index.json").write_text(json.dumps(store_index("A/a")))
    (folder / "A").mkdir()
    (folder / "A" / "a.f16").symlink_to(SECRET)


def linked_folder_of_a_store(folder):
    (folder / "index.json").write_text(json.dumps(store_index("A/a")))
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
        list_videos_of_folder(epath.Path(folder))

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
        lambda folder: flow_digests(Workdir(str(folder)), ["A/a"]),
        is_refused=True,
    )
    watch.case("link in HDF5", h5_link, foreign.authors_features, is_refused=True)
    watch.case("array elsewhere", h5_external, foreign.authors_features, is_refused=True)
