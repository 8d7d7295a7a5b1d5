"""The flags of `videolstm measure`, and the options that they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags

from videolstm_jax.errors import ConfigError
from videolstm_jax.measure.overlap import STYLES
from videolstm_jax.measure.tube_summary import FRAME_THRESHOLDS, VIDEO_THRESHOLDS

_FRAMES = ("all", "truth")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what is read, which videos count, the thresholds, and what is written."""
    _define_files(flag_values)
    _define_measures(flag_values)


def _define_files(flag_values: flags.FlagValues) -> None:
    # In the order in which --help lists them: what is measured, against what, and which part of it.
    descriptions = {
        "detections": "Detections: a tubes.jsonl, a folder of ACT's or MOC's *_tubes.pkl, their "
        "frame_detections.pkl, or a .mat of the evaluation of UCF101-24.",
        "truth": "True tubes: any file that the command annotations reads, or a boxes.json with "
        "--dataset.",
        "list": 'File that lists the measured videos, "Class/name" a line; else the test list of '
        "the truth or of --dataset, else every video of the truth.",
        "dataset": "The dataset.json of a work folder: its test list, classes, frames and sizes.",
        "classes": "A classInd.txt that names the classes of the detections, where their numbers "
        "are not those of the truth.",
        "json": "Also write every number to this file.",
    }
    for name, description in descriptions.items():
        flags.DEFINE_string(name, None, description, flag_values=flag_values)
    # The first, on which the boxes of UCF101-24 are measured in the literature.
    flags.DEFINE_integer(
        "split", 1, "Test list of the truth, where it has several.", flag_values=flag_values
    )


def _define_measures(flag_values: flags.FlagValues) -> None:
    # absl writes the default of a list into --help, and joins strings only.
    thresholds = list(map(str, VIDEO_THRESHOLDS))
    frame_thresholds = list(map(str, FRAME_THRESHOLDS))
    lists_of = {
        "style": (list(STYLES), "voc, act or both; classes, recall and errors are of the first."),
        "iou": (thresholds, "Thresholds of video-mAP."),
        "frame_iou": (frame_thresholds, "Thresholds of frame-mAP."),
        "class_iou": (frame_thresholds, "Thresholds of each class and of errors."),
        "frames": (list(_FRAMES), "Frame-mAP over all frames, those with truth only, or both."),
    }
    for name, (default, description) in lists_of.items():
        flags.DEFINE_list(name, default, description, flag_values=flag_values)
    # No default of our own: ACT and MOC suppress before they are measured, other detections may
    # have been suppressed already, and a second time would change their numbers.
    flags.DEFINE_float(
        "nms",
        None,
        "First drop tubes that overlap a better one of their class by more: ACT and MOC take .3.",
        flag_values=flag_values,
    )


class Options(NamedTuple):
    """The values of the flags. Paths are None where a flag is not given."""

    detections: str
    truth: str
    list: str | None
    dataset: str | None
    classes: str | None
    split: int
    styles: tuple[str, ...]
    thresholds: list[float]
    frame_thresholds: list[float]
    class_thresholds: list[float]
    frames: tuple[str, ...]
    nms: float | None


def measure_options_of_flags(flag_values: flags.FlagValues) -> Options:
    """Reads and checks the flags.

    Raises:
      ConfigError: a file is not named, or a value cannot be used.
    """
    if not flag_values["detections"].value or not flag_values["truth"].value:
        raise ConfigError("expected --detections=FILE --truth=FILE")
    nms = flag_values["nms"].value
    # Not `if nms`: 0 is a threshold too.
    if nms is not None:
        (nms,) = _shares("nms", [nms])
    return Options(
        detections=flag_values["detections"].value,
        truth=flag_values["truth"].value,
        list=flag_values["list"].value,
        dataset=flag_values["dataset"].value,
        classes=flag_values["classes"].value,
        split=flag_values["split"].value,
        styles=_names("style", flag_values["style"].value, tuple(STYLES)),
        thresholds=_shares("iou", flag_values["iou"].value),
        frame_thresholds=_shares("frame_iou", flag_values["frame_iou"].value),
        class_thresholds=_shares("class_iou", flag_values["class_iou"].value),
        frames=_names("frames", flag_values["frames"].value, _FRAMES),
        nms=nms,
    )


def _names(flag: str, names: Sequence[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    if not names or set(names) - set(allowed):
        raise ConfigError(
            f"--{flag}={','.join(names)}; expected one or more of {', '.join(allowed)}"
        )
    return tuple(names)


def _shares(flag: str, thresholds: Sequence[Any]) -> list[float]:
    """The IoU thresholds of a flag, each once."""
    # As the user wrote it, so that the message can be compared with the command line.
    assignment = f"--{flag}={','.join(map(str, thresholds))}"
    try:
        # A dictionary keeps the order of the flag; a threshold given twice is one column.
        shares = list(dict.fromkeys(map(float, thresholds)))
    except ValueError as error:
        raise ConfigError(f"{assignment}: {error}") from error
    # So written that a NaN, which any comparison refuses, is refused too.
    if not shares or not all(0 <= share <= 1 for share in shares):
        raise ConfigError(f"{assignment}; expected IoU thresholds from 0 to 1")
    return shares
