"""Sets of tensorflow-datasets, built offline from small archives, become folders of videos."""

# ruff: noqa: E402 (what is imported next needs tensorflow-datasets)
import pathlib
import shutil
import sys
from typing import ClassVar

import numpy as np
import pytest
from small_films import smooth

tfds = pytest.importorskip("tensorflow_datasets")

from videolstm_jax import artifacts
from videolstm_jax.annotations import ucf24
from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.config import DataConfig, RunConfig, change
from videolstm_jax.dataset import scan
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.lists.list_files import ListWarning
from videolstm_jax.dataset.tfds import export as tfds_export
from videolstm_jax.dataset.tfds import hmdb51 as hmdb51_classes
from videolstm_jax.dataset.tfds.export import export_tfds
from videolstm_jax.errors import FileError
from videolstm_jax.stages import prepare
from videolstm_jax.types import Detection, Tube
from videolstm_jax.video import decode, encode

SIZE = (24, 33)  # H, W
KINDS = {
    "png": tfds.features.Video((None, None, None, 3), encoding_format="png"),
    "jpeg": tfds.features.Video((None, None, None, 3), encoding_format="jpeg"),
    "images": tfds.features.Sequence(tfds.features.Image(encoding_format="png")),
    "raw": tfds.features.Tensor(shape=(None, None, None, 3), dtype=np.uint8, encoding="zlib"),
    "grey": tfds.features.Tensor(shape=(None, *SIZE, 1), dtype=np.uint8),
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def frames(number):
    return smooth(4 + number % 3, *SIZE, seed=number)


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


def grey(rgb):
    return rgb @ np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("tensorflow_datasets"))


def config(name, data_dir="", **settings):
    return DataConfig(source=f"tfds:{name}", videos=str(data_dir), **settings)


def written(folder):
    folder = pathlib.Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---- any set -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_frame_of_a_set_becomes_a_frame_of_a_video(data_dir, tmp_path, kind):
    root = export_tfds(config(f"small_set/{kind}", data_dir), tmp_path / "out")
    choice = list_videos(DataConfig(videos=str(root)))
    assert choice.classes == ("run_jog", "a walk")  # in the set's order
    assert sorted(video.part for video in choice.videos) == ["test"] * 2 + ["train"] * 3
    decoded = {}
    for video in choice.videos:
        video_frames = decode.read(video.path)
        assert decode.probe(video.path).fps == 25.0 and video_frames.shape[1:] == (*SIZE, 3)
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
        tfds_export.pictures, "write_pictures", lambda *_: 1 / 0
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
    assert {decode.probe(video.path).fps for video in choice.videos} == {12.5}


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
    dataset = artifacts.load_dataset(artifacts.Workdir(cfg.workdir).dataset)
    assert dataset.classes == ("run_jog", "a walk") and len(dataset.videos) == 5
    assert all(
        video.path.startswith(str(tmp_path / "work" / "tfds" / "videos"))
        for video in dataset.videos
    )


# ---- hmdb51 and ucf101_24 ------------------------------------------------------------------------


def hmdb51(manual, classes=("wave", "chew", "flic_flac")):
    """A manual directory of a few clips: the videos as a zip, the lists as a folder."""
    lines = {}
    for at, label in enumerate(classes):
        for clip in range(4):
            name = f"Clip_#{clip}!_({at})_{label}_f_cm_np1_fr_med_0.avi"
            encode.write(
                manual / "hmdb51_org" / label / name, frames(4 * at + clip), 30.0, codec="mpeg4"
            )
            lines.setdefault(label, []).append(f"{name} {(1, 2, 1, 0)[clip]} ")
    (manual / "testTrainMulti_7030_splits").mkdir()
    for label, rows in lines.items():
        (manual / "testTrainMulti_7030_splits" / f"{label}_test_split2.txt").write_text(
            "\n".join(rows) + "\n"
        )
    shutil.make_archive(str(manual / "hmdb51_org"), "zip", manual, "hmdb51_org")
    shutil.rmtree(manual / "hmdb51_org")
    return manual


def test_hmdb51_from_its_archives(tmp_path):
    hmdb51(tmp_path / "data" / "downloads" / "manual")
    root = export_tfds(config("hmdb51/hmdb51_2", tmp_path / "data"), tmp_path / "out")
    builder = tfds.builder("hmdb51/hmdb51_2", data_dir=str(tmp_path / "data"))
    assert builder.info.features["label"].num_classes == 51
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 6,
        "test": 3,
    }
    choice = list_videos(DataConfig(videos=str(root)))
    assert choice.classes == ("chew", "flic_flac", "wave") and len(choice.videos) == 9
    assert {video.group for video in choice.videos if video.part == "test"} == {
        f"Clip_#1!_({at})_{label}" for at, label in enumerate(("wave", "chew", "flic_flac"))
    }
    video = next(
        listed
        for listed in choice.videos
        if listed.name == "wave/Clip_#2!_(0)_wave_f_cm_np1_fr_med_0"
    )
    assert decode.probe(video.path) == (6, 33, 24, 30.0)
    assert np.abs(grey(decode.read(video.path)) - grey(frames(2))).mean() < 3  # MPEG-4, then JPEG


def test_hmdb51_says_what_it_lacks(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    with pytest.raises(FileError, match=r"(?s)does not exist or is empty.*hmdb51_org"):
        export_tfds(config("hmdb51/hmdb51_1", tmp_path), tmp_path / "a")
    manual.mkdir(parents=True)
    (manual / "hmdb51_org.rar").touch()
    with pytest.raises(
        FileError, match=r"no hmdb51_org; .*Unpack hmdb51_org\.rar first \(unrar x or bsdtar -xf\)"
    ):
        export_tfds(config("hmdb51/hmdb51_1", tmp_path), tmp_path / "b")
    hmdb51(manual)
    with pytest.raises(FileError, match=r"lacks trainlist01\.txt"):
        export_tfds(config("hmdb51/hmdb51_1", tmp_path), tmp_path / "c")


def ucf101_24(manual, *, long=False):
    """A manual directory of two clips of each class; those of two classes have tubes."""
    for part, group in (("train", 8), ("test", 1)):
        names = []
        for at, label in enumerate(ucf24.UCF24_CLASSES):
            names.append(f"{label}/v_{label}_g{group:02}_c01.avi")
            encode.write(manual / "UCF-101" / names[-1], frames(at), codec="mpeg4")
        (manual / "ucfTrainTestlist").mkdir(exist_ok=True)
        (manual / "ucfTrainTestlist" / f"{part}list01.txt").write_text(
            "\n".join(names) + "\nArchery/x.avi\n"
        )
    boxes = np.array([[0, 0, 9, 9], [1, 0.5, 10, 9.25], [2, 1, 11, 10]])
    annotated = [
        Detection(
            f"{label}/v_{label}_g01_c01",
            ucf24.UCF24_CLASSES.index(label),
            1.0,
            Tube(start, boxes[: stop - start]),
        )
        for label, start, stop in (
            ("Biking", 0, 3),
            ("Biking", 2, 4),
            ("Surfing", 1, 90 if long else 3),
        )
    ]
    if long:
        annotated[2] = annotated[2]._replace(tube=Tube(1, np.tile(boxes[:1], (90, 1))))
    save_truth(
        manual / "truth.jsonl",
        check_ground_truth("made", GroundTruth(ucf24.UCF24_CLASSES, {}, {}, annotated)),
    )
    return annotated


def test_ucf101_24_brings_its_tubes(tmp_path):
    annotated = ucf101_24(tmp_path / "data" / "downloads" / "manual")
    root = export_tfds(config("ucf101_24/ucf101_24_1", tmp_path / "data"), tmp_path / "out")
    cfg = DataConfig(videos=str(root))
    dataset, bad = scan.scan_videos(cfg)
    assert dataset.classes == ucf24.UCF24_CLASSES and len(dataset.videos) == 48 and not bad
    assert {video.group for video in dataset.videos if video.part == "test"} == {"g01"}
    detections = scan.read_dataset_tubes(cfg, dataset)
    assert [
        (detection.video, detection.label, detection.tube.start) for detection in detections
    ] == [
        (detection.video, detection.label, detection.tube.start)
        for detection in sorted(
            annotated, key=lambda detection: (detection.video, detection.tube.start)
        )
    ]
    for detection in detections:
        (same,) = [
            other
            for other in annotated
            if other.video == detection.video and other.tube.start == detection.tube.start
        ]
        np.testing.assert_allclose(detection.tube.boxes, same.tube.boxes, atol=1e-3)


def test_ucf101_24_refuses_tubes_of_other_videos(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    ucf101_24(manual, long=True)
    with pytest.raises(
        (FileError, FileError), match="v_Surfing_g01_c01 reaches frame 90; expected at most"
    ):
        export_tfds(config("ucf101_24/ucf101_24_1", tmp_path), tmp_path / "a")
    (manual / "truth.jsonl").unlink()
    with pytest.raises(
        FileError, match=r"no tubes; expected pyannot\.pkl, finalAnnots\.mat, truth\.jsonl"
    ):
        export_tfds(config("ucf101_24/ucf101_24_1", tmp_path), tmp_path / "b")


def test_the_classes_of_hmdb51_are_those_of_its_lists(real_data):
    lists = real_data / "splits" / "hmdb51_testTrainMulti_7030_splits"
    named = {path.name.removesuffix("_test_split1.txt") for path in lists.glob("*_test_split1.txt")}
    assert set(hmdb51_classes.HMDB51_CLASSES) == named and len(hmdb51_classes.HMDB51_CLASSES) == 51
