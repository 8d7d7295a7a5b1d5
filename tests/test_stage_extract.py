"""The stage `extract`: every frame once, in blocks of any size, resumable; the scores."""

import json
import shutil

import jax
import numpy as np
import pytest
from etils import epath
from prepared_workdir import CLASSES, config, write_index, write_prepared

from videolstm_jax import files
from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.clips import blocks
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.errors import FileError
from videolstm_jax.features.shards import Shard
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import write_json
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.nn.preprocessing import preprocess_for_network
from videolstm_jax.nn.vgg import make_vgg
from videolstm_jax.stages import extract, fit_convnet
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video.decode import probe_video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    work = write_prepared(tmp_path_factory.mktemp("extracted"))
    fit_convnet.run(config(work, "rgb"))
    extract.run(config(work, "rgb"))
    return work


@pytest.fixture
def work(done, tmp_path):
    shutil.copytree(done, tmp_path / "work")
    return tmp_path / "work"


def _bytes(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_features_are_the_taps_of_every_frame(done):
    net = load_convnet(epath.Path(done / "convnets" / "rgb"))
    apply = jax.jit(make_vgg(net.config, net.channels, 2).apply)
    reader = FrameReader("rgb", 16)
    stores = [
        FeatureStore.open(done / "features" / "rgb" / layer) for layer in ("pool5", "fc7", "logits")
    ]
    assert [store.shape for store in stores] == [(4, 4, 8), (10,), (2,)]
    for video in load_dataset(done / "dataset.json").videos:
        images = preprocess_for_network(reader.read(video), "rgb", pixel_scale=1 / 58)
        assert len(images) == video.frames - 1
        for store, tap in zip(stores, apply(net.params, images), strict=True):
            assert store.frames[video.name] == video.frames - 1
            np.testing.assert_allclose(store.read(video.name), tap, rtol=2e-3, atol=2e-3)


def test_the_index_says_what_made_the_features(done):
    about = FeatureStore.open(done / "features" / "rgb" / "pool5").about
    assert about["sha256"] == load_convnet(epath.Path(done / "convnets" / "rgb")).sha256
    assert about["convnet"]["widths"] == [6, 8] and about["preprocessing"]["side"] == 16
    assert (about["stream"], about["layer"]) == ("rgb", "pool5")


def test_the_standard_deviation_is_the_training_lists(done):
    store = FeatureStore.open(done / "features" / "rgb" / "fc7")
    train = [v.name for v in load_dataset(done / "dataset.json").videos if v.part == "train"]
    values = np.concatenate([store.read(name).ravel() for name in train]).astype(np.float64)
    assert store.std == pytest.approx(values.std(), rel=1e-9)


def test_the_convnets_own_scores_are_probabilities_of_25_frames(done):
    scores = load_scores(done / "convnets" / "rgb" / "scores.npz")
    assert scores.videos == ("left/p2", "right/p2") and scores.classes == CLASSES
    np.testing.assert_allclose(scores.scores.sum(1), 1, atol=1e-6)
    assert scores.scores.argmax(1).tolist() == scores.label.tolist() == [0, 1]
    logits = (
        FeatureStore.open(done / "features" / "rgb" / "logits").read("right/p2").astype(np.float64)
    )
    expected = np.zeros(2)
    for at in range(25):
        row = np.exp(logits[round(at * (len(logits) - 1) / 24)])
        expected += row / row.sum() / 25
    np.testing.assert_allclose(scores.scores[1], expected, rtol=1e-5)


def test_test_videos_that_could_not_be_read_count_as_wrong(work, capsys):
    files.write_jsonl(
        Workdir(str(work)).bad,
        [{"name": "left/p9", "path": "p9.mp4", "part": "test", "label": "left", "reason": "empty"}],
    )
    accuracies = {}
    for allowed in (True, False):
        extract.run(config(work, "rgb", eval__allow_missing=allowed))
        accuracies[allowed] = json.loads((work / "convnets" / "rgb" / "accuracy.json").read_text())
    assert (
        accuracies[False] == accuracies[True] | {"videos": 3, "missing": 1}
        and accuracies[True]["videos_right"] == 2
    )
    assert "2 of 3 test videos right (1 could not be read" in capsys.readouterr().out


def test_a_second_run_changes_nothing(work):
    before = _bytes(work)
    extract.run(config(work, "rgb"))
    assert _bytes(work) == before


def test_killed_and_started_again_it_makes_only_what_is_left(work, monkeypatch):
    before = _bytes(work / "features")
    shutil.rmtree(work / "features")
    honest, videos_read = blocks.frame_chunks_of_video, []

    def dying(video, *args, **options):
        videos_read.append(video.name)
        if len(videos_read) == 4:
            raise KeyboardInterrupt
        yield from honest(video, *args, **options)

    monkeypatch.setattr(blocks, "frame_chunks_of_video", dying)
    with pytest.raises(KeyboardInterrupt):
        extract.run(config(work, "rgb"))
    assert not (work / "features/rgb/pool5/index.json").exists()
    extract.run(config(work, "rgb"))
    assert len(videos_read) == 4 + 3 and _bytes(work / "features") == before


def test_flow_is_extracted_too(work):
    with pytest.raises(
        FileError, match=r"convnets/flow/config.json is missing; the stage fit_convnet"
    ):
        extract.run(config(work, "flow"))
    fit_convnet.run(config(work, "flow", convnet__steps=2))
    extract.run(config(work, "flow"))
    store = FeatureStore.open(work / "features" / "flow" / "pool5")
    assert store.about["preprocessing"]["flow"]["bound"] == 5.0
    assert store.frames == FeatureStore.open(work / "features" / "rgb" / "pool5").frames


def test_features_of_another_convnet_or_other_videos_are_refused(work):
    dataset = load_dataset(work / "dataset.json")
    save_dataset(work / "dataset.json", dataset._replace(classes=("left", "up")))
    with pytest.raises(
        FileError, match=r"the backbone has the classes left, right; .* lists left, up"
    ):
        extract.run(config(work, "rgb"))
    longer = tuple(v._replace(frames=v.frames + (v.name == "left/p0")) for v in dataset.videos)
    save_dataset(work / "dataset.json", dataset._replace(videos=longer))
    with pytest.raises(
        FileError, match="left/p0 has 5 frames of features; expected 6; remove the folder"
    ):
        extract.run(config(work, "rgb"))
    save_dataset(work / "dataset.json", dataset)
    index = work / "features/rgb/pool5/index.json"
    contents = json.loads(index.read_text())
    write_json(index, contents | {"about": contents["about"] | {"sha256": "another"}})
    with pytest.raises(FileError, match=r"about is .*; remove the folder or give another"):
        extract.run(config(work, "rgb"))


def test_real_clips_go_through(real_data, tmp_path):
    clips = sorted((real_data / "weizmann" / "videos").glob("*/p[04]_*.mp4"))[:4]
    classes = tuple(sorted({path.parent.name for path in clips}))
    videos = []
    for path in clips:
        info = probe_video(str(path))
        part = "test" if path.name.startswith("p4") else "train"
        videos.append(
            Video(
                f"{path.parent.name}/{path.stem}",
                str(path),
                classes.index(path.parent.name),
                part,
                path.stem[:2],
                info.frames,
                info.width,
                info.height,
                info.fps,
            )
        )
    save_dataset(tmp_path / "dataset.json", Dataset(classes, tuple(videos)))
    write_index(Workdir(str(tmp_path)), videos)
    cfg = config(tmp_path, "rgb", convnet__steps=2)
    fit_convnet.run(cfg)
    folder = extract.run(cfg)
    store = FeatureStore.open(folder / "pool5")
    store.verify()
    assert sum(store.frames.values()) == sum(video.frames - 1 for video in videos) and store.std > 0


def dataset_names(work):
    return [video.name for video in load_dataset(Workdir(work).dataset).videos]


def unfinished(target):
    """The name under which `files.replacing` writes a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f".{target.name}.part-0123456789abcdef"


def test_a_second_extraction_is_refused_and_shards_work_side_by_side(work):
    folder = work / "features" / "rgb"
    shutil.rmtree(folder)
    cfg = config(work, "rgb")
    with sole_writer(folder, "extract", name=".extract-1of2.lock"):
        for shard in (Shard(), Shard(1, 2)):
            with pytest.raises(FileError, match="extract runs here already"):
                extract.run(cfg, shard=shard)
        # Each shard removes what a killed process left of its own videos.
        theirs, own = (folder / "pool5" / f"{name}.f16" for name in dataset_names(work)[:2])
        for target in (theirs, own):
            unfinished(target).write_bytes(b"half")
        extract.run(cfg, shard=Shard(2, 2))
        assert unfinished(theirs).exists() and not unfinished(own).exists()
    extract.run(cfg, shard=Shard(1, 2))
    assert not unfinished(theirs).exists()
    assert len(FeatureStore.open(folder / "fc7").frames) == 6
    assert not list(folder.glob(".*"))
