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

from videolstm_jax.annotations import truth, ucf24
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import folders, official
from videolstm_jax.dataset.splits import Listed
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.types import Tube
from videolstm_jax.video import decode, guard

HMDB51_CLASSES = (
    "brush_hair",
    "cartwheel",
    "catch",
    "chew",
    "clap",
    "climb",
    "climb_stairs",
    "dive",
    "draw_sword",
    "dribble",
    "drink",
    "eat",
    "fall_floor",
    "fencing",
    "flic_flac",
    "golf",
    "handstand",
    "hit",
    "hug",
    "jump",
    "kick",
    "kick_ball",
    "kiss",
    "laugh",
    "pick",
    "pour",
    "pullup",
    "punch",
    "push",
    "pushup",
    "ride_bike",
    "ride_horse",
    "run",
    "shake_hands",
    "shoot_ball",
    "shoot_bow",
    "shoot_gun",
    "sit",
    "situp",
    "smile",
    "smoke",
    "somersault",
    "stand",
    "swing_baseball",
    "sword",
    "sword_exercise",
    "talk",
    "throw",
    "turn",
    "walk",
    "wave",
)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


class SplitConfig(tfds.core.BuilderConfig):
    """One of the three official splits."""

    def __init__(self, *, split: int, **others: Any):
        """Sets the number of the split, from 1."""
        super().__init__(version=tfds.core.Version("1.0.0"), **others)
        self.split = split

    @classmethod
    def three(cls, name: str) -> list[SplitConfig]:
        """`name`_1 to `name`_3."""
        return [
            cls(name=f"{name}_{split}", split=split, description=f"Split {split}.")
            for split in (1, 2, 3)
        ]


class Hmdb51(tfds.core.GeneratorBasedBuilder):
    """HMDB51: 51 actions, 70 training and 30 test clips of each in every split; configurations
    hmdb51_1 to hmdb51_3.
    """

    BUILDER_CONFIGS: ClassVar[list[SplitConfig]] = SplitConfig.three("hmdb51")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The manual directory must hold
      `hmdb51_org` (or hmdb51_org.zip): a folder of videos for each of the 51 classes; unpack hmdb51_org.rar, then each
        of the 51 .rar files in it (`unrar x FILE` or `bsdtar -xf FILE`);
      `testTrainMulti_7030_splits` (or testTrainMulti_7030_splits.zip): what test_train_splits.rar unpacks to.
    Both archives are at https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return _info(self, "51 actions from films and the web.", HMDB51_CLASSES)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        videos = _unpacked(dl_manager, "hmdb51_org", "hmdb51", "HMDB51")
        rows = _unpacked(dl_manager, *official.FOLDERS[1:3], "test_train_splits")
        return {
            part: self._generate_examples(listed)
            for part, listed in _by_part(videos, rows, self.builder_config.split).items()
        }

    def _generate_examples(self, listed: Sequence[Listed]) -> Iterator[tuple[str, dict]]:
        for video, info, frames in _decoded(listed):
            yield video.name, _example(video, info, frames)


class Ucf101_24(tfds.core.GeneratorBasedBuilder):
    """UCF101-24: the 24 classes of UCF101 that have tubes (THUMOS13); configurations ucf101_24_1 to
    ucf101_24_3.
    """

    BUILDER_CONFIGS: ClassVar[list[SplitConfig]] = SplitConfig.three("ucf101_24")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The manual directory must hold
      `UCF-101` (or UCF-101.zip): class folders, those of the 24 classes at least; what UCF101.rar unpacks to;
      `ucfTrainTestlist` (or UCF101TrainTestSplits-RecognitionTask.zip): the lists of UCF101;
      `pyannot.pkl`, `finalAnnots.mat` or `truth.jsonl`: the tubes (https://github.com/gurkirt/corrected-UCF101-Annots,
        or a file that `python -m launch.annotations` wrote).
    The videos and lists are at https://www.crcv.ucf.edu/data/UCF101.php.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        row = {
            "tube": np.int32,
            "frame": np.int32,
            "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
        }
        return _info(
            self,
            "24 actions of UCF101 with tubes: one row a box, the frame counted from 0, x0 y0 x1 y1 in "
            "pixels, half open.",
            ucf24.CLASSES,
            tubes=tfds.features.Sequence(row),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        videos = _unpacked(dl_manager, "UCF-101", "UCF101", "UCF101_videos")
        rows = _unpacked(dl_manager, "ucfTrainTestlist", "UCF101TrainTestSplits-RecognitionTask")
        files = [
            dl_manager.manual_dir / name
            for name in ("pyannot.pkl", "finalAnnots.mat", "truth.jsonl")
        ]
        path = next((file for file in files if file.exists()), None)
        if path is None:
            raise FileError(
                f"{dl_manager.manual_dir}: no tubes; expected {', '.join(file.name for file in files)}"
            )
        tubes: dict[str, list[Tube]] = {}
        for one in truth.read_truth(path).tubes:
            tubes.setdefault(one.video, []).append(one.tube)
        parts = _by_part(videos, rows, self.builder_config.split, classes=("ucf101_24",))
        if not any(video.name in tubes for listed in parts.values() for video in listed):
            raise FileError(
                f"{path}: no tube of any listed video; expected names such as {parts['train'][0].name}"
            )
        return {
            part: self._generate_examples(listed, str(path), tubes)
            for part, listed in parts.items()
        }

    def _generate_examples(
        self, listed: Sequence[Listed], path: str, tubes: dict[str, list[Tube]]
    ) -> Iterator[tuple[str, dict]]:
        for video, info, frames in _decoded(listed):
            rows = [
                {"tube": number, "frame": tube.start + at, "box": box.astype(np.float32)}
                for number, tube in enumerate(tubes.get(video.name, []))
                for at, box in enumerate(tube.boxes)
            ]
            over = max((row["frame"] for row in rows), default=0)
            if over >= len(frames):
                raise FileError(
                    f"{path}: a tube of {video.name} reaches frame {over}; expected at most "
                    f"{len(frames) - 1}"
                )
            yield video.name, {**_example(video, info, frames), "tubes": rows}


def _info(
    builder: tfds.core.DatasetBuilder, about: str, classes: Sequence[str], **more: Any
) -> tfds.core.DatasetInfo:
    """What both sets have: frames as JPEG, as tensorflow-datasets' own ucf101, the class, the name
    and the group.
    """
    return tfds.core.DatasetInfo(
        builder=builder,
        description=about,
        features=tfds.features.FeaturesDict(
            {
                "video": tfds.features.Video((None, None, None, 3), encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=list(classes)),
                "name": tfds.features.Text(),
                "group": tfds.features.Text(),
                "fps": np.float32,
                **more,
            }
        ),
    )


def _unpacked(dl_manager: tfds.download.DownloadManager, *names: str) -> epath.Path:
    """The first folder of the manual directory with one of these names, or what an archive with one
    holds.
    """
    for name in names:
        folder = dl_manager.manual_dir / name
        archive = next(
            (
                path
                for path in (dl_manager.manual_dir / (name + end) for end in ARCHIVES)
                if path.exists()
            ),
            None,
        )
        if folder.is_dir() or archive:
            return _inside(folder if folder.is_dir() else dl_manager.extract(archive))
    rar = sorted(path.name for path in dl_manager.manual_dir.glob("*.rar"))
    raise FileError(
        f"{dl_manager.manual_dir}: no {names[0]}; expected a folder or {' '.join(ARCHIVES)} of that name"
        + (f". Unpack {rar[0]} first (unrar x or bsdtar -xf)" if rar else "")
    )


def _inside(folder: epath.Path) -> epath.Path:
    """The folder itself, or the one it wraps: archives hold a folder of their own name."""
    held = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return _inside(held[0]) if len(held) == 1 and held[0].is_dir() else folder


def _by_part(
    videos: epath.Path, rows: epath.Path, split: int, *, classes: tuple[str, ...] = ()
) -> dict[str, list[Listed]]:
    choice = folders.choose(
        DataConfig(videos=str(videos), lists=str(rows), split=split, classes=classes)
    )
    return {
        part: [video for video in choice.videos if video.part == part] for part in ("train", "test")
    }


def _decoded(listed: Sequence[Listed]) -> Iterator[tuple[Listed, decode.VideoInfo, np.ndarray]]:
    """Yields each video with its header and frames [L, H, W, 3], decoded in worker processes."""
    for video, frames in zip(listed, guard.read_all([video.path for video in listed]), strict=True):
        if isinstance(frames, VideoError):
            raise frames
        yield video, decode.probe(video.path), frames


def _example(video: Listed, info: decode.VideoInfo, frames: np.ndarray) -> dict[str, Any]:
    return {
        "video": frames,
        "label": video.label,
        "name": video.name,
        "group": video.group,
        "fps": info.fps,
    }
