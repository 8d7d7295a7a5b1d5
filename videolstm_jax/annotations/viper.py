"""Reads the annotations of THUMOS13 into tubes of 24 classes: one ViPER file (.xgtf) a video."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from etils import epath

from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.annotations.ucf24 import UCF24_CLASSES
from videolstm_jax.annotations.viper_file import read_viper_file
from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers.xml_file import XML_ERRORS
from videolstm_jax.types import Detection

XGTF_SUFFIX = ".xgtf"


def read_viper(path: str) -> GroundTruth:
    """Reads `Class/stem.xgtf`, or a folder of them.

    Frames count from 1 and spans include their last frame; x and y count from 0. A tube is a run of
    frames on which a person has a box and the action of the file's folder is marked. Where a file
    marks the action for nobody, every person acts. Boxes are clipped to the frame, and frames
    behind NUMFRAMES are left out: `notes` counts both.

    Raises:
      FileError: no files, a file that is cut short or no ViPER file, one with a document type
        (which could define entities), a class that is none of the 24, or a span or box that is not
        numbers.
    """
    frames: dict[str, int] = {}
    sizes: dict[str, tuple[int, int]] = {}
    tubes: list[Detection] = []
    changes: Counter[str] = Counter()
    for file in _find_files(path):
        action = file.parent.name
        # One video of UCF101 is spelled in two ways: v_RopeClimbing_g02_C01.
        stem = re.sub(r"_C(\d+)$", r"_c\1", file.name.removesuffix(XGTF_SUFFIX))
        name = f"{action}/{stem}"
        # Before it is read: the folder says which action of the file is looked for.
        problem = _place_problem(action, name, frames)
        if problem:
            raise FileError(f"{file}: {problem}")
        with reading(file, "not a whole ViPER file", *XML_ERRORS):
            video = read_viper_file(file.read_bytes(), action, stem, changes)
        frames[name], sizes[name] = video.frames, video.size
        # A video of this set shows one action, that of its folder.
        for tube in video.tubes:
            tubes.append(Detection(name, UCF24_CLASSES.index(action), 1.0, tube))
    notes = []
    for change, count in sorted(changes.items()):
        notes.append(f"{count} {change}")
    ground_truth = GroundTruth(UCF24_CLASSES, frames, sizes, tubes, notes=tuple(notes))
    return check_ground_truth(path, ground_truth)


def _find_files(path: str) -> list[epath.Path]:
    place = epath.Path(path)
    if not place.is_dir():
        return [place]
    # The folder of one class, or that of all classes.
    paths = sorted([*place.glob(f"*{XGTF_SUFFIX}"), *place.glob(f"*/*{XGTF_SUFFIX}")])
    if not paths:
        raise FileError(f"{path}: holds no *{XGTF_SUFFIX}")
    return paths


def _place_problem(action: str, name: str, earlier_names: Collection[str]) -> str:
    """What is wrong with the folder or the name of a file; empty where nothing is."""
    if action not in UCF24_CLASSES:
        return f"lies in the folder {action}; expected one of the 24 classes"
    # Two spellings of a stem may give one name, see `read_viper`.
    if name in earlier_names:
        return f"{name} is there twice; expected one file a video"
    return ""
