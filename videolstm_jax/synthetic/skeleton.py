"""The bones of a stick figure: from the angles of a pose to joints in the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# The order of every array of joints.
JOINTS = (
    "head",
    "neck",
    "pelvis",
    "left_shoulder",
    "left_elbow",
    "left_hand",
    "right_shoulder",
    "right_elbow",
    "right_hand",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_toe",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_toe",
)

# Neck length, half the width of shoulders and of hips, as shares of the stature.
NECK = 0.05
SHOULDERS = 0.115
HIPS = 0.06


class Body(NamedTuple):
    """Lengths and thicknesses of an actor, as shares of the stature.

    `arm` and `thigh` are the lengths of one of their two equal bones, `head` is a radius, `limb`
    and `trunk` widths.
    """

    torso: float
    arm: float
    thigh: float
    foot: float
    head: float
    limb: float
    trunk: float


class Pose(NamedTuple):
    """Angles in degrees over L frames; those of limbs are [L, 2], left then right.

    `arm` and `leg` swing forward from hanging straight down, `arm_side` and `leg_side` swing
    outward, `elbow` and `knee` bend. `lean` [L] bows the torso forward, `hop` [L] lifts the feet,
    as a share of the stature. `planted` is whether the feet or the pelvis stay above one spot of
    the floor.
    """

    lean: np.ndarray
    arm: np.ndarray
    arm_side: np.ndarray
    elbow: np.ndarray
    leg: np.ndarray
    leg_side: np.ndarray
    knee: np.ndarray
    hop: np.ndarray
    planted: bool = True


def figure_joints(pose: Pose, body: Body) -> np.ndarray:
    """Joints in the actor's own space: x to the left hand, y up from the floor, z forward.

    Args:
      pose: L frames of angles.
      body: the actor's lengths.

    Returns:
      [L, J, 3] in shares of the stature, in the order of `JOINTS`.
    """
    frames = len(pose.lean)
    lean = np.radians(pose.lean)
    spine = np.stack([np.zeros(frames), np.cos(lean), np.sin(lean)], -1)
    # The pelvis is the origin at first; the feet are put on the floor when all joints are known.
    pelvis = np.zeros((frames, 3))
    neck = pelvis + body.torso * spine
    head = neck + (NECK + body.head) * spine
    limbs: dict[str, list[np.ndarray]] = {"arms": [], "legs": []}
    for side, sign in enumerate((1.0, -1.0)):
        # x points to the actor's own left, so the right side has the sign -1.
        across = np.array([[sign, 0.0, 0.0]])
        shoulder = neck - 0.03 * spine + SHOULDERS * across
        arm, arm_side = pose.arm[:, side], pose.arm_side[:, side]
        elbow = shoulder + body.arm * _bone(arm, arm_side, sign)
        hand = elbow + body.arm * _bone(arm + pose.elbow[:, side], arm_side, sign)
        hip = pelvis + HIPS * across
        leg, leg_side = pose.leg[:, side], pose.leg_side[:, side]
        knee = hip + body.thigh * _bone(leg, leg_side, sign)
        shin = leg - pose.knee[:, side]
        ankle = knee + body.thigh * _bone(shin, leg_side, sign)
        # The toe drops when the heel is up behind.
        pitch = np.radians(np.clip(-shin - 25.0, 0.0, 70.0))
        outward = np.full(frames, 0.35 * sign)
        toe = ankle + body.foot * np.stack([outward, -np.sin(pitch), np.cos(pitch)], -1)
        limbs["arms"] += [shoulder, elbow, hand]
        limbs["legs"] += [hip, knee, ankle, toe]
    points = np.stack([head, neck, pelvis, *limbs["arms"], *limbs["legs"]], 1)
    return points + _standing_shift(points, pose)[:, None]


def project_joints(points: np.ndarray, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Turns the actor about the vertical and looks at it from far away.

    Args:
      points: [.., 3] in the actor's own space.
      yaw: degrees; 0 faces the camera, 90 faces the right edge of the picture, -90 the left.

    Returns:
      [.., 2] to the right and up, and the nearness to the camera [..].
    """
    turn = np.radians(yaw)
    across = points[..., 0] * np.cos(turn) + points[..., 2] * np.sin(turn)
    near = points[..., 2] * np.cos(turn) - points[..., 0] * np.sin(turn)
    return np.stack([across, points[..., 1]], -1), near


def _bone(forward: np.ndarray, outward: np.ndarray, sign: float) -> np.ndarray:
    """The direction [L, 3] of a bone that swung from straight down by two angles in degrees."""
    f, o = np.radians(forward), np.radians(outward)
    return np.stack([sign * np.sin(o), -np.cos(o) * np.cos(f), np.cos(o) * np.sin(f)], -1)


def _standing_shift(points: np.ndarray, pose: Pose) -> np.ndarray:
    """The shift [L, 3] that puts the lowest foot on the floor, or a hop above it."""
    ankles = points[:, [JOINTS.index("left_ankle"), JOINTS.index("right_ankle")]]
    toes = points[:, [JOINTS.index("left_toe"), JOINTS.index("right_toe")]]
    # The lowest of both feet: in a step only one of them stands.
    lift = pose.hop - np.minimum(ankles[..., 1], toes[..., 1]).min(1)
    spot = -ankles.mean(1) if pose.planted else np.zeros((len(lift), 3))
    return np.stack([spot[:, 0], lift, spot[:, 2]], -1)
