"""Mirrored features of the training list are those as filmed of flipped pictures."""

import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from prepared_workdir import SIDE, config, write_index, write_prepared

from videolstm_jax.clips.images import mirrored_image, square_images
from videolstm_jax.config import change
from videolstm_jax.errors import FileError
from videolstm_jax.features.shards import Shard
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.flow_images import flow_file
from videolstm_jax.stages import extract, fit_convnet
from videolstm_jax.video import encode
from videolstm_jax.video.decode import read_video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir

LAYERS = ("pool5", "fc7", "logits")


def _settings(work, stream, **settings):
    # Pictures at their own size, so that flipped ones differ in nothing else.
    return config(work, stream, convnet__image_size=SIDE, convnet__steps=2, **settings)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A work folder with the features of both views of both streams."""
    folder = write_prepared(tmp_path_factory.mktemp("mirrored"))
    for stream in ("rgb", "flow"):
        fit_convnet.run(_settings(folder, stream))
        extract.run(_settings(folder, stream, data__mirrored=True))
    return folder


def _contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _flip_files(work, folder):
    """Writes every video and flow file once more with left and right exchanged, without loss."""
    dataset = load_dataset(work / "dataset.json")
    flipped_videos = []
    for video in dataset.videos:
        frames = read_video(video.path)
        path = folder / f"{video.name.replace('/', '_')}.mkv"
        encode.write_video(path, frames[:, :, ::-1], codec="ffv1")
        flipped_videos.append(video._replace(path=str(path)))
        flow_path = work / "flow" / f"{video.name}.zip"
        flow = flow_file.read_flow(flow_path).astype(int)[:, :, ::-1]
        # A byte of 128 is no motion. 0 is one step farther left than 255 is right.
        flow[..., 0] = np.minimum(128 - (flow[..., 0] - 128), 255)
        flow_file.write_flow(flow_path, flow.astype(np.uint8), "png")
    save_dataset(work / "dataset.json", dataset._replace(videos=tuple(flipped_videos)))
    write_index(Workdir(str(work)), flipped_videos)


def test_they_are_the_features_as_filmed_of_flipped_files(work, tmp_path):
    flipped = tmp_path / "work"
    shutil.copytree(work, flipped, ignore=shutil.ignore_patterns("features"))
    _flip_files(flipped, tmp_path)
    train = [v.name for v in load_dataset(work / "dataset.json").videos if v.part == "train"]
    for stream in ("rgb", "flow"):
        extract.run(_settings(flipped, stream))
        for layer in LAYERS:
            filmed = FeatureStore.open(Workdir(str(flipped)).features(stream, layer))
            mirrored = FeatureStore.open(Workdir(str(work)).features(stream, layer, "mirrored"))
            assert list(mirrored.frames) == sorted(train)
            for name in train:
                # To the last bit: the same pictures go through the same network.
                assert_array_equal(mirrored.read(name), filmed.read(name))


def test_the_two_views_differ_and_the_index_names_the_view(work):
    for stream in ("rgb", "flow"):
        filmed, mirrored = (
            FeatureStore.open(Workdir(str(work)).features(stream, "pool5", view))
            for view in ("filmed", "mirrored")
        )
        assert "view" not in filmed.about
        assert mirrored.about == filmed.about | {"view": "mirrored"}
        assert not np.array_equal(filmed.read("left/p0"), mirrored.read("left/p0"))
        mirrored.verify()


def test_pictures_are_mirrored_at_the_size_of_the_network():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 30, 41, 2)).astype(np.uint8)
    for stream in ("rgb", "flow"):
        before = square_images(mirrored_image(pictures, stream), 16).astype(int)
        after = mirrored_image(square_images(pictures, 16), stream)
        # Rounding a half up of 256 - x is rounding it down of x.
        assert np.abs(before - after).max() <= 1


def test_features_as_filmed_stay_and_only_the_mirrored_ones_are_added(work, tmp_path, capsys):
    partial = tmp_path / "work"
    shutil.copytree(work, partial)
    for path in (partial / "features" / "rgb").glob("*-mirrored"):
        shutil.rmtree(path)
    times = {path: path.stat().st_mtime_ns for path in (partial / "features").rglob("*.f16")}
    extract.run(_settings(partial, "rgb", data__mirrored=True))
    assert _contents(partial) == _contents(work)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    # 22 frames of 12 x 12 x 8 values, 10 and 2, at two bytes each.
    assert "mirrored features of 4 training videos take 0.0 MB more" in capsys.readouterr().out
    extract.run(_settings(partial, "rgb"))
    assert _contents(partial) == _contents(work)


def test_shards_make_the_same_bytes(work, tmp_path):
    shared = tmp_path / "work"
    shutil.copytree(work, shared)
    shutil.rmtree(shared / "features" / "rgb")
    for number in (2, 1):
        extract.run(_settings(shared, "rgb", data__mirrored=True), shard=Shard(number, 2))
    assert _contents(shared) == _contents(work)


def test_a_killed_extraction_goes_on(work, tmp_path, monkeypatch):
    killed = tmp_path / "work"
    shutil.copytree(work, killed)
    shutil.rmtree(killed / "features" / "rgb")
    original, views = extract.write_extracted_features, []

    def dying(block, *args):
        views.append(block.view)
        if len(views) == 4:
            raise KeyboardInterrupt
        original(block, *args)

    monkeypatch.setattr(extract, "write_extracted_features", dying)
    with pytest.raises(KeyboardInterrupt):
        extract.run(_settings(killed, "rgb", data__mirrored=True))
    # The second video lacks its mirrored view alone.
    assert views == ["filmed", "mirrored"] * 2
    extract.run(_settings(killed, "rgb", data__mirrored=True))
    assert views[4:] == ["mirrored", "filmed", "filmed", "mirrored", "filmed", "mirrored", "filmed"]
    assert _contents(killed) == _contents(work)


def test_a_video_that_joins_the_training_list_is_added(work, tmp_path):
    grown = tmp_path / "work"
    shutil.copytree(work, grown)
    dataset = load_dataset(grown / "dataset.json")
    videos = tuple(v._replace(part="train") if v.name == "left/p2" else v for v in dataset.videos)
    save_dataset(grown / "dataset.json", dataset._replace(videos=videos))
    extract.run(_settings(grown, "rgb", data__mirrored=True))
    folder = Workdir(str(grown)).features("rgb", "pool5", "mirrored")
    assert "left/p2" in FeatureStore.open(folder).frames


def test_those_of_another_network_are_refused(work, tmp_path):
    other = tmp_path / "work"
    shutil.copytree(work, other)
    shutil.rmtree(other / "convnets" / "rgb")
    cfg = _settings(other, "rgb", data__mirrored=True)
    fit_convnet.run(change(cfg, convnet__steps=3))
    for layer in LAYERS:
        shutil.rmtree(other / "features" / "rgb" / layer)
    with pytest.raises(FileError, match=r"pool5-mirrored/index\.json: about is .*remove"):
        extract.run(cfg)
