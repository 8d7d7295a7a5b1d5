"""Any set of tensorflow-datasets, built offline, becomes a folder of videos."""

# ruff: noqa: E402 (what is imported next needs tensorflow-datasets)
import pathlib
import sys
from typing import ClassVar

import numpy as np
import pytest
from tfds_clips import SIZE, config, frames, grey

tfds = pytest.importorskip("tensorflow_datasets")

from videolstm_jax.config import DataConfig, RunConfig, change
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.tfds import export as tfds_export
from videolstm_jax.dataset.tfds.export import export_tfds
from videolstm_jax.errors import FileError
from videolstm_jax.stages import prepare
from videolstm_jax.video import decode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

KINDS = {
    "png": tfds.features.Video((None, None, None, 3), encoding_format="png"),
    "jpeg": tfds.features.Video((None, None, None, 3), encoding_format="jpeg"),
    "images": tfds.features.Sequence(tfds.features.Image(encoding_format="png")),
    "raw": tfds.features.Tensor(shape=(None, None, None, 3), dtype=np.uint8, encoding="zlib"),
    "grey": tfds.features.Tensor(shape=(None, *SIZE, 1), dtype=np.uint8),
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class SmallSet(tfds.core.GeneratorBasedBuilder):
    """Three training and two test clips of two classes, in every way a video may be stored."""

    BUILDER_CONFIGS: ClassVar[list] = [
        tfds.core.BuilderConfig(name=name, version=tfds.core.Version("1.0.0"))
        for name in [*KINDS, "unlabelled", "odd", "named"]
    ]

    def _info(self):
        kind = self.builder_config.name
        held = {
            "video": KINDS.get(kind, KINDS["raw"]),
            "label": tfds.features.ClassLabel(names=["run/jog", "a walk"]),
        }
        if kind == "unlabelled":
            held.pop("label")
        if kind == "named":
            held |= {"name": tfds.features.Text(), "group": tfds.features.Text()}
        if kind == "odd":
            held = {
                "clip": held["video"],
                "kind": held["label"],
                "fps": np.float32,
                "split": tfds.features.Text(),
            }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(held))

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "odd":
            return {
                "train": self._generate_examples(range(4)),
                "unlabeled": self._generate_examples(range(1)),
            }
        return {
            "train": self._generate_examples(range(3)),
            "test": self._generate_examples(range(3, 5)),
        }

    def _generate_examples(self, numbers):
        names = {"clip": "video", "kind": "label"}
        for number in numbers:
            video = (
                frames(number)[..., :1] if self.builder_config.name == "grey" else frames(number)
            )
            features = {
                "video": video,
                "label": number % 2,
                "fps": 12.5,
                "split": "any",
                "name": "x/clip.AVI",
                "group": f"g{number}",
            }
            yield (
                str(number),
                {name: features[names.get(name, name)] for name in self.info.features},
            )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("tensorflow_datasets"))


def written(folder):
    folder = pathlib.Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_frame_of_a_set_becomes_a_frame_of_a_video(data_dir, tmp_path, kind):
    root = export_tfds(config(f"small_set/{kind}", data_dir), tmp_path / "out")
    choice = list_videos(DataConfig(videos=str(root)))
    assert choice.classes == ("run_jog", "a walk")  # in the set's order
    assert sorted(video.part for video in choice.videos) == ["test"] * 2 + ["train"] * 3
    decoded = {}
    for video in choice.videos:
        video_frames = decode.read_video(video.path)
        assert decode.probe_video(video.path).fps == 25.0 and video_frames.shape[1:] == (*SIZE, 3)
        decoded.setdefault((video.part, video.label), []).append(video_frames)
    for number in range(5):
        expected = frames(number)
        expected = np.repeat(expected[..., :1], 3, axis=3) if kind == "grey" else expected
        candidates = decoded["test" if number > 2 else "train", choice.classes[number % 2]]
        distances = [
            np.abs(grey(video_frames) - grey(expected)).mean()
            if kind == "jpeg"
            else np.abs(video_frames.astype(int) - expected).max()
            for video_frames in candidates
            if len(video_frames) == len(expected)
        ]
        assert min(distances) <= (
            1.5 if kind == "jpeg" else 0
        )  # colours are smoothed in another way than TensorFlow's


def test_an_export_is_kept_finished_and_not_mixed(data_dir, tmp_path, monkeypatch):
    cfg = config("small_set/png", data_dir)
    complete = written(export_tfds(cfg, tmp_path / "a"))
    assert written(export_tfds(cfg, tmp_path / "b")) == complete
    monkeypatch.setattr(tfds_export, "_write_lists", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_tfds(cfg, tmp_path / "c")
    with pytest.raises(
        FileError, match=r"holds tfds:small_set/png of .*; expected tfds:small_set/raw"
    ):
        export_tfds(config("small_set/raw", data_dir), tmp_path / "c")
    monkeypatch.undo()
    monkeypatch.setattr(
        tfds_export.pictures, "write_video_pictures", lambda *_: 1 / 0
    )  # every video is there
    assert written(export_tfds(cfg, tmp_path / "c")) == complete
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert (
        written(export_tfds(cfg, tmp_path / "c")) == complete
    )  # a whole folder needs no tensorflow-datasets


def test_a_prepared_folder_without_the_code_that_made_it(data_dir, tmp_path):
    SmallSet(config="odd", data_dir=data_dir).download_and_prepare()
    cfg = config(f"{data_dir}/small_set/odd/1.0.0", validation=0.3)
    with pytest.warns(ListWarning, match="does not say which videos are of one recording"):
        root = export_tfds(cfg, tmp_path)
    assert (root / "labels.csv").read_text().splitlines()[
        0
    ] == "path,label"  # one split: the parts are made here
    choice = list_videos(DataConfig(videos=str(root), test_fraction=0.5))
    assert len(choice.videos) == 4 and {video.part for video in choice.videos} == {"train", "test"}
    assert {decode.probe_video(video.path).fps for video in choice.videos} == {12.5}


def test_names_and_groups_of_a_set_are_kept(data_dir, tmp_path):
    root = export_tfds(config("small_set/named", data_dir, validation=0.3), tmp_path)
    choice = list_videos(DataConfig(videos=str(root)))
    stems = sorted(video.name.split("/")[1] for video in choice.videos)
    assert (
        stems.count("clip") == 2
    )  # the first of each class; the others, called alike, by their place in the set
    assert (
        all(stem.startswith(("clip", "train_00000", "test_00000")) for stem in stems)
        and len(set(stems)) >= 3
    )
    assert {video.group for video in choice.videos} == {f"g{number}" for number in range(5)}


def test_sets_that_cannot_be_used_are_named(data_dir, tmp_path, monkeypatch):
    with pytest.raises(
        FileError, match=r"1\.0\.0: 0 features are a label \[\]; expected one.*it has video"
    ):
        export_tfds(config("small_set/unlabelled", data_dir), tmp_path / "a")
    with pytest.raises(
        FileError, match=r"tfds:no_such_set: tensorflow-datasets cannot give it.*NotFoundError"
    ):
        export_tfds(config("no_such_set", data_dir), tmp_path / "b")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(
        FileError, match=r"needs tensorflow-datasets: pip install 'videolstm-jax\[tfds\]'"
    ):
        export_tfds(config("small_set/png", data_dir), tmp_path / "c")


def test_prepare_takes_a_set(data_dir, tmp_path):
    cfg = change(
        RunConfig(workdir=str(tmp_path / "work")),
        data__source="tfds:small_set/raw",
        data__videos=data_dir,
        flow__online=True,
    )
    prepare.run(cfg)
    dataset = load_dataset(Workdir(cfg.workdir).dataset)
    assert dataset.classes == ("run_jog", "a walk") and len(dataset.videos) == 5
    assert all(
        video.path.startswith(str(tmp_path / "work" / "tfds" / "videos"))
        for video in dataset.videos
    )
