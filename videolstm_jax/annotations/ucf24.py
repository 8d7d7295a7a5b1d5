"""Reads the corrected UCF101-24 tubes, from their pickle or from their MATLAB file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.annotations.ground_truth import GroundTruth, check_ground_truth
from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers import matlab
from videolstm_jax.types import Detection, Tube

# The 24 classes of UCF101 that have boxes, in the order that their labels count.
UCF24_CLASSES = (
    "Basketball",
    "BasketballDunk",
    "Biking",
    "CliffDiving",
    "CricketBowling",
    "Diving",
    "Fencing",
    "FloorGymnastics",
    "GolfSwing",
    "HorseRiding",
    "IceDancing",
    "LongJump",
    "PoleVault",
    "RopeClimbing",
    "SalsaSpin",
    "SkateBoarding",
    "Skiing",
    "Skijet",
    "SoccerJuggling",
    "Surfing",
    "TennisSwing",
    "TrampolineJumping",
    "VolleyballSpiking",
    "WalkingWithDog",
)
# W, H of every UCF101 video, in pixels.
SIZE = (320, 240)

# Python raises these where the content of a file is not of the expected layout.
_LAYOUT_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


class _AnnotatedVideo(NamedTuple):
    """One video of the file: its name, its frames (L) and its true tubes."""

    name: str
    frames: int
    tubes: list[Detection]


def read_ucf24(path: str, annotations: Any) -> GroundTruth:
    """Converts `pyannot.pkl` or `finalAnnots.mat` of the corrected annotations.

    Boxes are stored as x, y, w, h and become x, y, x + w, y + h, as in the evaluation published
    with them. In the pickle `sf` counts from 0, `ef` is exclusive and labels count from 0. In the
    MATLAB file all three count from 1 and `ef` is inclusive.

    Args:
      path: names the file in messages.
      annotations: the pickle's dict by video, or the MATLAB file's dict by variable.

    Returns:
      Frames and size of each video, and tubes with boxes x0 y0 x1 y1 in pixels, half open.

    Raises:
      FileError: it is of another form, or a tube does not fit its video.
    """
    with reading(path, "not the corrected UCF101-24 annotations", *_LAYOUT_ERRORS):
        # The variable of the MATLAB file; the pickle has names of videos as its keys.
        if "annot" in annotations:
            videos = _read_matlab(annotations["annot"])
        else:
            videos = _read_pickle(annotations)
    frames = {}
    tubes = []
    for video in videos:
        frames[video.name] = video.frames
        tubes += video.tubes
    problem = ""
    if len(frames) != len(videos):
        problem = f"{len(videos)} entries for {len(frames)} videos; expected one each"
    for tube in tubes:
        problem = problem or _class_problem(tube)
    if problem:
        raise FileError(f"{path}: {problem}")
    # The files have no sizes: all videos of UCF101 have one.
    sizes = dict.fromkeys(frames, SIZE)
    return check_ground_truth(path, GroundTruth(UCF24_CLASSES, frames, sizes, tubes))


def _class_problem(tube: Detection) -> str:
    """How a label contradicts the video's name; empty where it agrees."""
    # `annotated_tube_fault` refuses labels of no class.
    if not 0 <= tube.label < len(UCF24_CLASSES):
        return ""
    name = UCF24_CLASSES[tube.label]
    if tube.video.split("/")[0] == name:
        return ""
    return (
        f"a tube of {tube.video} has label {tube.label}, {name}; expected the class its name "
        "begins with"
    )


def _read_pickle(videos: dict[str, dict]) -> list[_AnnotatedVideo]:
    annotated = []
    for name, video in videos.items():
        tubes = []
        for tube in video["annotations"]:
            label, start, stop = int(tube["label"]), int(tube["sf"]), int(tube["ef"])
            tubes.append(_detection(str(name), label, start, stop, tube["boxes"]))
        annotated.append(_AnnotatedVideo(str(name), int(video["numf"]), tubes))
    return annotated


def _read_matlab(videos: Any) -> list[_AnnotatedVideo]:
    annotated = []
    for video in matlab.matlab_list(videos):
        name = matlab.matlab_string(video["name"])
        frames = matlab.matlab_integer(video["num_imgs"])
        tubes = []
        for tube in matlab.matlab_list(video["tubes"]):
            label = matlab.matlab_integer(tube["class"]) - 1
            # Frames sf..ef from 1, both inclusive, are the half-open frames sf - 1..ef from 0.
            start = matlab.matlab_integer(tube["sf"]) - 1
            stop = matlab.matlab_integer(tube["ef"])
            tubes.append(_detection(name, label, start, stop, tube["boxes"]))
        annotated.append(_AnnotatedVideo(name, frames, tubes))
    return annotated


def _detection(name: str, label: int, start: int, stop: int, raw: np.ndarray) -> Detection:
    """A true tube of the frames start <= t < stop from its boxes x y w h."""
    if np.shape(raw) != (stop - start, 4) or np.asarray(raw).dtype.kind not in "uif":
        raise FileError(
            f"a tube of {name} has boxes {list(np.shape(raw))}; expected [{stop - start}, 4] "
            f"numbers for frames {start} to {stop - 1}"
        )
    # The file has one or two unsigned bytes a number; x + w would overflow without the cast.
    corner, side = raw[:, :2].astype(np.float64), raw[:, 2:].astype(np.float64)
    return Detection(name, label, 1.0, Tube(start, np.concatenate([corner, corner + side], axis=1)))
