"""Later stages read what `prepare` read: replaced videos and other settings are refused."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from prepared_workdir import config, write_prepared

from videolstm_jax import files
from videolstm_jax.dataset.prepared import check_fingerprints, video_fingerprints
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.features.compact import compact_store
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.flow_images import flow_file
from videolstm_jax.flow_images.flow_index import (
    FlowRange,
    finished_flow,
    flow_note,
    read_flow_index,
)
from videolstm_jax.stages import extract, fit_convnet
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A work folder with an RGB backbone and its features."""
    work = write_prepared(tmp_path_factory.mktemp("prepared"))
    fit_convnet.run(config(work, "rgb", convnet__steps=2))
    extract.run(config(work, "rgb"))
    return work


@pytest.fixture
def work_copy(done, tmp_path):
    """A copy: the configuration of its RGB stream, and a function that replaces a video."""
    shutil.copytree(done.parent, tmp_path / "pipeline")
    path = tmp_path / "pipeline" / "work" / "dataset.json"
    text = path.read_text().replace(str(done.parent), str(tmp_path / "pipeline"))
    files.write_json(path, json.loads(text))  # seals it again
    index = path.parent / "flow" / "index.json"

    def replace(name, *, prepare):
        """Writes another file with the same frames; `prepare` also updates the index."""
        video = tmp_path / "pipeline" / "videos" / f"{name}.mp4"
        video.write_bytes(
            video.read_bytes() + bytes(8)
        )  # a free atom of no content: the same pictures
        if prepare:
            content = json.loads(index.read_text())
            sources = video_fingerprints(load_dataset(path).videos)
            files.write_json(index, content | {"source": sources})

    return config(path.parent, "rgb", convnet__steps=2), replace


@pytest.mark.parametrize("stage", [fit_convnet, extract])
@pytest.mark.parametrize(
    "settings, message",
    [
        ({"data__fps": 50.0}, r"fps is 50\.0; .*flow/index\.json was made with 0\.0"),
        ({"data__max_frames": 4}, "max_frames is 4; .* made with 0; expected the same"),
    ],
)
def test_other_frames_than_were_prepared_are_refused(done, stage, settings, message):
    with pytest.raises(ConfigError, match=message):
        stage.run(config(done, "rgb", **settings))


def test_a_replaced_video_that_was_not_prepared_is_refused(work_copy):
    cfg, replace = work_copy
    replace("left/p2", prepare=False)
    extract.run(cfg)  # nothing is left to do, so nothing is read
    shutil.rmtree(Workdir(cfg.workdir).path / "features")
    with pytest.raises(
        VideoError,
        match=r"left/p2\.mp4: \d+ bytes; expected \d+ bytes, as when the stage prepare read",
    ):
        extract.run(cfg)
    shutil.rmtree(Workdir(cfg.workdir).path / "convnets")
    fit_convnet.run(cfg)  # of the training list nothing has changed
    replace("left/p1", prepare=False)
    shutil.rmtree(Workdir(cfg.workdir).path / "convnets")
    with pytest.raises(VideoError, match=r"left/p1\.mp4: "):
        fit_convnet.run(cfg)


def test_a_replaced_test_video_is_extracted_again(work_copy):
    cfg, replace = work_copy
    paths = list(pathlib.Path(cfg.workdir, "features").rglob("*.f16"))
    before = {path: path.stat().st_mtime_ns for path in paths}
    replace("left/p2", prepare=True)
    fit_convnet.run(cfg)
    extract.run(cfg)
    assert {path.stem for path, then in before.items() if path.stat().st_mtime_ns != then} == {"p2"}
    assert (
        sum(path.stat().st_mtime_ns != then for path, then in before.items()) == 3
    )  # left/p2 of three layers
    store = FeatureStore.open(Workdir(cfg.workdir).features("rgb", "pool5"))
    assert store.source == video_fingerprints(load_dataset(Workdir(cfg.workdir).dataset).videos)


def test_a_damaged_file_that_was_removed_is_extracted_again(work_copy):
    cfg, _ = work_copy
    store = FeatureStore.open(Workdir(cfg.workdir).features("rgb", "pool5"))
    path = store.path("left/p1")
    sound = path.read_bytes()
    path.write_bytes(bytes(len(sound)))
    with pytest.raises(FileError, match="remove them and run the stage extract again"):
        store.verify()
    path.unlink()
    extract.run(cfg)
    assert path.read_bytes() == sound
    store.verify()


def test_a_replaced_training_video_is_another_training_list(work_copy):
    cfg, replace = work_copy
    replace("left/p1", prepare=True)
    with pytest.raises(
        FileError, match=r"made with another training list: its videos, .* or their files"
    ):
        fit_convnet.run(cfg)


def test_a_folder_from_before_sources_were_kept_is_refused(work_copy):
    cfg, _ = work_copy
    path = Workdir(cfg.workdir).flow / "index.json"
    content = json.loads(path.read_text())
    del content["source"]
    files.write_json(path, content)
    for stage in (fit_convnet, extract):
        with pytest.raises(
            FileError, match=r"flow/index\.json: does not say which files .* run the stage prepare"
        ):
            stage.run(cfg)


def test_a_file_that_is_gone_is_named(done):
    work, video = Workdir(str(done)), load_dataset(done / "dataset.json").videos[0]
    index = read_flow_index(work, config(done, "rgb").data)
    check_fingerprints(index, [video])
    with pytest.raises(VideoError, match=r"gone\.mp4: no file; expected \d+ bytes"):
        check_fingerprints(index, [video._replace(path=str(done / "gone.mp4"))])


# ---- stores and flow files -----------------------------------------------------------------------


def write(folder, source, names, value, **how):
    writer = FeatureWriter(folder, (4,), {"made": "up"}, source=source, **how)
    left = writer.missing(names)
    for name in left:
        writer.write(name, np.full((3, 4), value), motion=[value, 0.5])
    return writer, left


def test_a_store_makes_again_what_came_from_another_file(tmp_path):
    names, old = ["c/a", "c/b"], {"c/a": "1 bytes", "c/b": "2 bytes"}
    writer, _ = write(tmp_path, old, names, 1.0)
    assert writer.noted("motion") == {"c/a": [1.0, 0.5], "c/b": [1.0, 0.5]}
    writer.finish(names)
    assert "motion" not in json.loads((tmp_path / "index.json").read_text())
    new = old | {"c/b": "3 bytes"}
    writer, left = write(tmp_path, new, names, 2.0, worker="1of2")
    assert left == ["c/b"] and writer.noted("motion") == {"c/b": [2.0, 0.5]}
    with pytest.raises(
        FileError, match="is missing; the stage extract"
    ):  # of both files: no store until it ends
        FeatureStore.open(tmp_path)
    write(
        tmp_path, new | {"c/a": "4 bytes"}, names, 3.0, worker="2of2"
    )  # stopped, replaced, put back
    writer, left = write(tmp_path, new, names, 4.0)
    assert left == ["c/a"]
    store = writer.finish(names)
    assert store.source == new and store.read("c/a")[0, 0] == 4 and store.read("c/b")[0, 0] == 2
    store.verify()


def test_a_store_from_before_sources_were_kept_is_made_again(tmp_path):
    writer, _ = write(tmp_path, {}, ["c/a"], 1.0)
    writer.finish(["c/a"])
    assert write(tmp_path, {}, ["c/a"], 2.0)[1] == []
    assert write(tmp_path, {"c/a": "1 bytes"}, ["c/a"], 2.0)[1] == ["c/a"]


def test_a_halved_store_keeps_its_sources(tmp_path):
    writer, _ = write(tmp_path / "large", {"c/a": "1 bytes"}, ["c/a"], 1.0)
    writer.finish(["c/a"])
    compact_store(tmp_path / "large", tmp_path / "small")
    assert FeatureStore.open(tmp_path / "small").source == {"c/a": "1 bytes"}


def test_flow_files_tell_their_video_and_its_motion(tmp_path):
    images = np.zeros((2, 4, 5, 2), np.uint8)
    flow_file.write_flow(
        tmp_path / "a.zip", images, note=flow_note("9 bytes", FlowRange(1.2345, 0.25))
    )
    assert finished_flow(tmp_path / "a.zip", "9 bytes") == (2, FlowRange(1.234, 0.25))
    assert finished_flow(tmp_path / "a.zip", "8 bytes") == (0, None)
    flow_file.write_flow(
        tmp_path / "a.zip", images, note="9 bytes"
    )  # as they were before motion was kept
    assert finished_flow(tmp_path / "a.zip", "9 bytes") == (2, None)
    (tmp_path / "a.zip").write_bytes(b"damaged")
    assert (
        finished_flow(tmp_path / "a.zip", "9 bytes")
        == finished_flow(tmp_path / "b.zip", "9 bytes")
        == (0, None)
    )
