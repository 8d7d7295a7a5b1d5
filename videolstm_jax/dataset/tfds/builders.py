"""Builders of the sets that tensorflow-datasets lacks: `hmdb51`, and `ucf101_24` with tubes.

Importing this module makes both known to `tfds.load`. It needs tensorflow-datasets (the extra
`tfds`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from videolstm_jax.annotations import ucf24
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.listing import list_videos
from videolstm_jax.dataset.lists import official_lists
from videolstm_jax.dataset.splits.parts import ListedVideo, videos_of_part
from videolstm_jax.dataset.tfds import hmdb51
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.types import Tube, names_of
from videolstm_jax.video import decode, guard

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
TUBE_FILES = ("pyannot.pkl", "finalAnnots.mat", "truth.jsonl")


class SplitConfig(tfds.core.BuilderConfig):
    """One of the three official splits."""

    def __init__(self, *, split: int, **settings: Any):
        """Sets the number of the split, from 1."""
        super().__init__(version=tfds.core.Version("1.0.0"), **settings)
        self.split = split

    @classmethod
    def three(cls, name: str) -> list[SplitConfig]:
        """`name`_1 to `name`_3."""
        configs = []
        for split in (1, 2, 3):
            description = f"Split {split}."
            configs.append(cls(name=f"{name}_{split}", split=split, description=description))
        return configs


class Hmdb51(tfds.core.GeneratorBasedBuilder):
    """HMDB51: 51 actions, 70 training and 30 test clips of each in every split.

    The configurations are hmdb51_1 to hmdb51_3.
    """

    BUILDER_CONFIGS: ClassVar[list[SplitConfig]] = SplitConfig.three("hmdb51")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The manual directory must hold
      `hmdb51_org` (or hmdb51_org.zip): a folder of videos for each of the 51 classes; unpack
        hmdb51_org.rar, then each of the 51 .rar files in it (`unrar x FILE` or `bsdtar -xf FILE`);
      `testTrainMulti_7030_splits` (or testTrainMulti_7030_splits.zip): the folder that
        test_train_splits.rar unpacks to.
    Both archives are at
      https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return _dataset_info(self, "51 actions from films and the web.", hmdb51.HMDB51_CLASSES)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        videos = _find_unpacked(dl_manager, "hmdb51_org", "hmdb51", "HMDB51")
        # The second and third of these folders are HMDB51's.
        list_names = (*official_lists.LIST_FOLDERS[1:3], "test_train_splits")
        lists = _find_unpacked(dl_manager, *list_names)
        by_part = _list_by_part(videos, lists, self.builder_config.split)
        return {
            "train": self._generate_examples(by_part["train"]),
            "test": self._generate_examples(by_part["test"]),
        }

    def _generate_examples(self, videos: Sequence[ListedVideo]) -> Iterator[tuple[str, dict]]:
        for video, frames in _decode_all(videos):
            yield video.name, _example(video, frames)


class Ucf101_24(tfds.core.GeneratorBasedBuilder):
    """UCF101-24: the 24 classes of UCF101 that have tubes (THUMOS13).

    The configurations are ucf101_24_1 to ucf101_24_3.
    """

    BUILDER_CONFIGS: ClassVar[list[SplitConfig]] = SplitConfig.three("ucf101_24")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The manual directory must hold
      `UCF-101` (or UCF-101.zip): class folders, those of the 24 classes at least, which UCF101.rar
        unpacks to;
      `ucfTrainTestlist` (or UCF101TrainTestSplits-RecognitionTask.zip): the lists of UCF101;
      `pyannot.pkl`, `finalAnnots.mat` or `truth.jsonl`: the tubes
        (https://github.com/gurkirt/corrected-UCF101-Annots, or a file that
        `python -m launch.annotations` wrote).
    The videos and lists are at https://www.crcv.ucf.edu/data/UCF101.php.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        row = {
            "tube": np.int32,
            "frame": np.int32,
            "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
        }
        return _dataset_info(
            self,
            "24 actions of UCF101 with tubes: one row a box, the frame counted from 0, x0 y0 x1 y1 "
            "in pixels, half open.",
            ucf24.UCF24_CLASSES,
            tubes=tfds.features.Sequence(row),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        videos = _find_unpacked(dl_manager, "UCF-101", "UCF101", "UCF101_videos")
        lists = _find_unpacked(
            dl_manager, "ucfTrainTestlist", "UCF101TrainTestSplits-RecognitionTask"
        )
        path = _find_tubes(dl_manager.manual_dir)
        tubes: dict[str, list[Tube]] = {}
        for detection in read_truth(path).tubes:
            tubes.setdefault(detection.video, []).append(detection.tube)
        by_part = _list_by_part(videos, lists, self.builder_config.split, classes=("ucf101_24",))
        # Tubes of another set, or names in another form, would give a set without any box.
        names = names_of([*by_part["train"], *by_part["test"]])
        if tubes.keys().isdisjoint(names):
            example = by_part["train"][0].name
            raise FileError(
                f"{path}: no tube of any listed video; expected names such as {example}"
            )
        return {
            "train": self._generate_examples(by_part["train"], str(path), tubes),
            "test": self._generate_examples(by_part["test"], str(path), tubes),
        }

    def _generate_examples(
        self, videos: Sequence[ListedVideo], path: str, tubes: dict[str, list[Tube]]
    ) -> Iterator[tuple[str, dict]]:
        for video, frames in _decode_all(videos):
            rows = _tube_rows(tubes.get(video.name, []))
            # A tube behind the end of a video would be of another cut of it, with other frames.
            last = 0
            for row in rows:
                last = max(last, row["frame"])
            if last >= len(frames):
                raise FileError(
                    f"{path}: a tube of {video.name} reaches frame {last}; expected at most "
                    f"{len(frames) - 1}"
                )
            yield video.name, {**_example(video, frames), "tubes": rows}


# ---- what both sets have -------------------------------------------------------------------------


def _dataset_info(
    builder: tfds.core.DatasetBuilder,
    description: str,
    classes: Sequence[str],
    **features: Any,
) -> tfds.core.DatasetInfo:
    """Frames as JPEG like those of tensorflow-datasets' own ucf101, class, name, group and fps."""
    all_features = {
        "video": tfds.features.Video((None, None, None, 3), encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(names=list(classes)),
        "name": tfds.features.Text(),
        "group": tfds.features.Text(),
        "fps": np.float32,
        **features,
    }
    return tfds.core.DatasetInfo(
        builder=builder,
        description=description,
        features=tfds.features.FeaturesDict(all_features),
    )


def _example(video: ListedVideo, frames: np.ndarray) -> dict[str, Any]:
    return {
        "video": frames,
        "label": video.label,
        "name": video.name,
        "group": video.group,
        # The frames have no times of their own; the export needs the speed to write a video again.
        "fps": decode.probe_video(video.path).fps,
    }


def _tube_rows(tubes: Sequence[Tube]) -> list[dict[str, Any]]:
    """One row for each box; the tubes of a video are counted from 0."""
    rows = []
    for number, tube in enumerate(tubes):
        for frame, box in enumerate(tube.boxes, tube.start):
            rows.append({"tube": number, "frame": frame, "box": box.astype(np.float32)})
    return rows


def _list_by_part(
    videos: epath.Path, lists: epath.Path, split: int, *, classes: tuple[str, ...] = ()
) -> dict[str, list[ListedVideo]]:
    """The videos of the training and the test list of one split."""
    # The code that lists folders for `prepare`, so that both give the same parts and groups.
    cfg = DataConfig(videos=str(videos), lists=str(lists), split=split, classes=classes)
    listing = list_videos(cfg)
    return {
        "train": videos_of_part(listing.videos, "train"),
        "test": videos_of_part(listing.videos, "test"),
    }


def _decode_all(videos: Sequence[ListedVideo]) -> Iterator[tuple[ListedVideo, np.ndarray]]:
    """Yields each video with its frames [L, H, W, 3], decoded in worker processes."""
    # In other processes: a damaged video may crash FFmpeg, and a build takes hours.
    decoded = guard.read_all_videos([video.path for video in videos])
    for video, frames in zip(videos, decoded, strict=True):
        if isinstance(frames, VideoError):
            # A set with a missing video would be another set under the same name.
            raise frames
        yield video, frames


# ---- the manual directory ------------------------------------------------------------------------


def _find_tubes(manual_dir: epath.Path) -> epath.Path:
    """The first file of tubes that exists."""
    # The corrected annotations first, which most published results are measured by.
    for name in TUBE_FILES:
        if (manual_dir / name).exists():
            return manual_dir / name
    raise FileError(f"{manual_dir}: no tubes; expected {', '.join(TUBE_FILES)}")


def _find_unpacked(dl_manager: tfds.download.DownloadManager, *names: str) -> epath.Path:
    """The first folder with one of these names, or the content of an archive with one."""
    manual_dir = dl_manager.manual_dir
    for name in names:
        if (manual_dir / name).is_dir():
            return _content_folder(manual_dir / name)
        for ending in ARCHIVES:
            archive = manual_dir / f"{name}{ending}"
            if archive.exists():
                return _content_folder(dl_manager.extract(archive))
    # tensorflow-datasets cannot unpack .rar, the form that both sets are published in.
    hint = ""
    rar_archives = sorted(manual_dir.glob("*.rar"))
    if rar_archives:
        hint = f". Unpack {rar_archives[0].name} first (unrar x or bsdtar -xf)"
    raise FileError(
        f"{manual_dir}: no {names[0]}; expected a folder or {' '.join(ARCHIVES)} of that name{hint}"
    )


def _content_folder(folder: epath.Path) -> epath.Path:
    """The folder itself, or the one that it wraps: archives hold a folder of their own name."""
    # macOS adds .DS_Store and __MACOSX to the archives that it makes.
    content = []
    for path in folder.iterdir():
        if not path.name.startswith((".", "__MACOSX")):
            content.append(path)
    if len(content) == 1 and content[0].is_dir():
        return _content_folder(content[0])
    return folder
