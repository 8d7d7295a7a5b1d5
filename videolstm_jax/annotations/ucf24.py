"""Takes in the corrected UCF101-24 tubes, from their pickle or from the MATLAB file it was made
from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from videolstm_jax.annotations.records import Annotated, checked
from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers import matlab
from videolstm_jax.types import Detection, Tube

CLASSES = (
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
"""The 24 classes of UCF101 that have boxes, as their labels count them."""
SIZE = (320, 240)
"""W, H of every UCF101 video."""


def read_value(path: str, value: Any) -> Annotated:
    """Takes what `pyannot.pkl` or `finalAnnots.mat` of the corrected annotations holds into the
    record.

    Boxes are stored as x, y, w, h in one or two unsigned bytes and are cast before x + w, which
    would overflow. They become x, y, x + w, y + h, as the evaluation published with them has it. In
    the pickle `sf` counts from 0, `ef` is exclusive and labels count from 0; in the MATLAB file all
    three count from 1 and `ef` is inclusive.

    Args:
      path: names the file in messages.
      value: the pickle's dict by video, or the MATLAB file's dict by variable.

    Returns:
      Frames and size of each video, and tubes with boxes x0 y0 x1 y1 in pixels, half open.

    Raises:
      FileError: it is of another form, or a tube does not fit its video.
    """
    try:
        entries = list(_from_matlab(value["annot"]) if "annot" in value else _from_pickle(value))
        frames = {name: length for name, length, _ in entries}
        truth = [tube for _, _, tubes in entries for tube in tubes]
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileError(
            f"{path}: not the corrected UCF101-24 annotations: {type(error).__name__}: {error}"
        ) from error
    if len(frames) != len(entries):
        raise FileError(
            f"{path}: {len(entries)} entries for {len(frames)} videos; expected one each"
        )
    for one in truth:
        if 0 <= one.label < len(CLASSES) and one.video.split("/")[0] != CLASSES[one.label]:
            raise FileError(
                f"{path}: a tube of {one.video} has label {one.label}, {CLASSES[one.label]}; expected "
                "the class its name begins with"
            )
    return checked(path, Annotated(CLASSES, frames, dict.fromkeys(frames, SIZE), truth))


def _from_pickle(videos: dict[str, dict]) -> Iterator[tuple[str, int, list[Detection]]]:
    for name, entry in videos.items():
        yield (
            str(name),
            int(entry["numf"]),
            [
                _tube(
                    str(name), int(tube["label"]), int(tube["sf"]), int(tube["ef"]), tube["boxes"]
                )
                for tube in entry["annotations"]
            ],
        )


def _from_matlab(videos: Any) -> Iterator[tuple[str, int, list[Detection]]]:
    for entry in matlab.as_list(videos):
        name = matlab.as_text(entry["name"])
        yield (
            name,
            matlab.as_integer(entry["num_imgs"]),
            [
                _tube(
                    name,
                    matlab.as_integer(tube["class"]) - 1,
                    matlab.as_integer(tube["sf"]) - 1,
                    matlab.as_integer(tube["ef"]),
                    tube["boxes"],
                )
                for tube in matlab.as_list(entry["tubes"])
            ],
        )


def _tube(name: str, label: int, start: int, stop: int, raw: np.ndarray) -> Detection:
    if np.shape(raw) != (stop - start, 4) or np.asarray(raw).dtype.kind not in "uif":
        raise FileError(
            f"a tube of {name} has boxes {list(np.shape(raw))}; expected [{stop - start}, 4] numbers "
            f"for frames {start} to {stop - 1}"
        )
    corner, side = raw[:, :2].astype(np.float64), raw[:, 2:].astype(np.float64)
    return Detection(name, label, 1.0, Tube(start, np.concatenate([corner, corner + side], axis=1)))
