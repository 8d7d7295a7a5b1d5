"""Compares two sets of annotations of the same videos."""

from __future__ import annotations

import numpy as np

from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.types import Detection


def compare_ground_truth(a: GroundTruth, b: GroundTruth) -> list[str]:
    """The differences of two ground truths, one line each; none where they are the same.

    Tubes of a video are compared in the order of their frames.
    """
    lines = []
    if a.classes != b.classes:
        lines.append(f"classes: {a.classes} and {b.classes}")
    tubes_of_a, tubes_of_b = _by_video(a), _by_video(b)
    # Of either side: a video that one of them lacks is a difference too.
    for name in sorted(a.videos | b.videos):
        frames_a, frames_b = a.frames.get(name), b.frames.get(name)
        if frames_a != frames_b:
            lines.append(f"{name}: {frames_a} and {frames_b} frames")
        lines += _compare_tubes(name, tubes_of_a.get(name, []), tubes_of_b.get(name, []))
    return lines


def _by_video(ground_truth: GroundTruth) -> dict[str, list[Detection]]:
    """The tubes of each video in one order that does not depend on the file's order."""
    tubes: dict[str, list[Detection]] = {}
    for tube in ground_truth.tubes:
        tubes.setdefault(tube.video, []).append(tube)
    for of_video in tubes.values():
        of_video.sort(key=_order)
    return tubes


def _order(tube: Detection) -> tuple:
    # Boxes last: two actors may start together in tubes of one length.
    return tube.tube.start, len(tube.tube.boxes), tube.label, tube.tube.boxes.tolist()


def _compare_tubes(name: str, a: list[Detection], b: list[Detection]) -> list[str]:
    """The differences of one video's tubes."""
    # With another number of tubes, those in one place of both lists need not be the same one.
    if len(a) != len(b):
        return [f"{name}: {len(a)} and {len(b)} tubes"]
    lines = []
    for number, (first, second) in enumerate(zip(a, b, strict=True)):
        difference = _compare_tube(first, second)
        if difference:
            lines.append(f"{name} tube {number}: {difference}")
    return lines


def _compare_tube(a: Detection, b: Detection) -> str:
    """The difference of two tubes, empty where there is none."""
    length_a, length_b = len(a.tube.boxes), len(b.tube.boxes)
    if (a.label, a.tube.start, length_a) != (b.label, b.tube.start, length_b):
        return (
            f"label {a.label} and {b.label}, frames from {a.tube.start} and {b.tube.start}, "
            f"{length_a} and {length_b} of them"
        )
    # The frames are the same here, so every box has its partner.
    if np.array_equal(a.tube.boxes, b.tube.boxes):
        return ""
    distance = np.abs(a.tube.boxes - b.tube.boxes).max(axis=1)
    different = int((distance > 0).sum())
    return f"{different} of {len(distance)} boxes differ, by up to {distance.max():g} pixels"
