"""The flags of `videolstm measure`, and the options that they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags

from videolstm_jax.errors import ConfigError
from videolstm_jax.measure.overlap import STYLES
from videolstm_jax.measure.tube_summary import FRAME_THRESHOLDS, VIDEO_THRESHOLDS

_FRAMES = ("all", "truth")


def define_flags(values: flags.FlagValues) -> None:
    """Defines what is read, which videos count, the thresholds, and what is written."""
    _define_files(values)
    _define_measures(values)


def _define_files(values: flags.FlagValues) -> None:
    texts = {
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
    for name, text in texts.items():
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.DEFINE_integer(
        "split", 1, "Test list of the truth, where it has several.", flag_values=values
    )


def _define_measures(values: flags.FlagValues) -> None:
    # absl writes the default of a list into --help, and joins texts only.
    thresholds = list(map(str, VIDEO_THRESHOLDS))
    frame_thresholds = list(map(str, FRAME_THRESHOLDS))
    lists_of = {
        "style": (list(STYLES), "voc, act or both; classes, recall and errors are of the first."),
        "iou": (thresholds, "Thresholds of video-mAP."),
        "frame_iou": (frame_thresholds, "Thresholds of frame-mAP."),
        "class_iou": (frame_thresholds, "Thresholds of each class and of errors."),
        "frames": (list(_FRAMES), "Frame-mAP over all frames, those with truth only, or both."),
    }
    for name, (default, text) in lists_of.items():
        flags.DEFINE_list(name, default, text, flag_values=values)
    flags.DEFINE_float(
        "nms",
        None,
        "First drop tubes that overlap a better one of their class by more: ACT and MOC take .3.",
        flag_values=values,
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


def options_of(values: flags.FlagValues) -> Options:
    """Reads and checks the flags.

    Raises:
      ConfigError: a file is not named, or a value cannot be used.
    """
    if not values["detections"].value or not values["truth"].value:
        raise ConfigError("expected --detections=FILE --truth=FILE")
    nms = values["nms"].value
    if nms is not None:
        (nms,) = _shares("nms", [nms])
    return Options(
        detections=values["detections"].value,
        truth=values["truth"].value,
        list=values["list"].value,
        dataset=values["dataset"].value,
        classes=values["classes"].value,
        split=values["split"].value,
        styles=_names("style", values["style"].value, tuple(STYLES)),
        thresholds=_shares("iou", values["iou"].value),
        frame_thresholds=_shares("frame_iou", values["frame_iou"].value),
        class_thresholds=_shares("class_iou", values["class_iou"].value),
        frames=_names("frames", values["frames"].value, _FRAMES),
        nms=nms,
    )


def _names(flag: str, names: Sequence[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    if not names or set(names) - set(allowed):
        raise ConfigError(
            f"--{flag}={','.join(names)}; expected one or more of {', '.join(allowed)}"
        )
    return tuple(names)


def _shares(flag: str, texts: Sequence[Any]) -> list[float]:
    """The IoU thresholds of a flag, each once."""
    assignment = f"--{flag}={','.join(map(str, texts))}"
    try:
        # A dictionary keeps the order of the flag; a threshold given twice is one column.
        shares = list(dict.fromkeys(map(float, texts)))
    except ValueError as error:
        raise ConfigError(f"{assignment}: {error}") from error
    if not shares or not all(0 <= share <= 1 for share in shares):
        raise ConfigError(f"{assignment}; expected IoU thresholds from 0 to 1")
    return shares
