"""The eight actions: keyframes of one cycle each, and the direction the cycle is played in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from videolstm_jax.synthetic.skeleton import Pose


class Cycle(NamedTuple):
    """One cycle of a motion.

    `keys` has one row a keyframe: its time (share of the cycle), then degrees of lean, arm,
    arm_side, elbow, leg, leg_side, knee, and the hop in hundredths of the stature. `turn` is added
    to arm_side over a cycle, for arms that go round. The right limbs are `lag` of a cycle behind
    the left ones. `frames` is the usual length of a cycle, and `yaw` the view: 0 from the front, 90
    from the side. `planted` is that of `skeleton.Pose`.
    """

    keys: tuple[tuple[float, ...], ...]
    frames: float
    yaw: float
    lag: float = 0.0
    turn: float = 0.0
    planted: bool = True


ARM_CIRCLES = Cycle(
    (
        # time, lean, arm, arm_side, elbow, leg, leg_side, knee, hop
        (0.00, 0, 22, 0, 8, 0, 11, 0, 0),
        (0.25, 0, 0, 0, 5, 3, 11, 6, 0),
        (0.50, 0, -22, 0, 5, 0, 11, 0, 0.5),
        (0.75, 0, 0, 0, 30, 6, 11, 12, 0),
    ),
    frames=30,
    yaw=0,
    turn=360,
)

SITTING = Cycle(
    (
        (0.00, 2, 5, 6, 12, 0, 5, 2, 0),
        (0.14, 4, 62, 6, 6, 8, 5, 14, 0),
        (0.40, 22, 88, 6, 4, 55, 5, 68, 0),
        (0.62, 34, 92, 6, 6, 98, 5, 116, 0),
        (0.72, 36, 50, 8, 10, 100, 5, 118, 0),
        (0.82, 32, -25, 10, 12, 78, 5, 94, 0),
        (0.92, 12, -38, 8, 8, 22, 5, 30, 0),
    ),
    frames=25,
    yaw=72,
)

CHOPPING = Cycle(
    (
        (0.00, 58, 30, -6, 8, 40, 7, 52, 0),
        (0.14, 46, -2, -4, 78, 34, 7, 46, 0),
        (0.30, 16, 18, -2, 128, 14, 7, 20, 0),
        (0.45, -8, 150, -4, 72, 2, 7, 4, 0),
        (0.57, -8, 176, -6, 22, 2, 7, 2, 0.5),
        (0.72, 14, 116, -6, 6, 12, 7, 16, 0),
        (0.87, 44, 66, -6, 4, 30, 7, 40, 0),
    ),
    frames=27,
    yaw=72,
)

JUMPING = Cycle(
    (
        (0.00, 2, 4, 8, 10, 6, 2, 12, 0),
        (0.25, 0, 2, 85, 6, 0, 14, 0, 5),
        (0.50, 2, 0, 162, 6, 5, 27, 10, 0),
        (0.75, 0, 2, 85, 6, 0, 14, 0, 5),
    ),
    frames=21,
    yaw=0,
)

KNEES = Cycle(
    (
        (0.00, -2, -38, 6, 70, 100, 4, 112, 0),
        (0.25, 2, 5, 6, 85, 40, 4, 62, 2),
        (0.50, -2, 48, 6, 95, -4, 4, 4, 0),
        (0.75, 2, 5, 6, 85, 22, 4, 62, 2),
    ),
    frames=19,
    yaw=72,
    lag=0.5,
    planted=False,
)

# Each class with its motion, and whether that plays forwards (1) or backwards (-1).
ACTIONS: dict[str, tuple[Cycle, int]] = {
    "ArmCirclesIn": (ARM_CIRCLES, -1),
    "ArmCirclesOut": (ARM_CIRCLES, 1),
    "Chop": (CHOPPING, 1),
    "HighKnees": (KNEES, 1),
    "JumpingJack": (JUMPING, 1),
    "SitDown": (SITTING, 1),
    "StandUp": (SITTING, -1),
    "Toss": (CHOPPING, -1),
}
# Pairs of classes that are one motion played forwards and backwards, so no single frame tells them
# apart.
REVERSED_PAIRS = (("ArmCirclesOut", "ArmCirclesIn"), ("SitDown", "StandUp"), ("Chop", "Toss"))


class MotionStyle(NamedTuple):
    """The manner in which one clip performs its action, the same for every action.

    `tempo` multiplies the speed; `start` is the first phase in cycles; `reach` multiplies the range
    of every angle; `lag` delays the right limbs, in cycles; `sway` is the amplitude in degrees of
    slow changes of every angle, and `unsteady` that of the tempo in cycles, both drawn from `seed`.
    """

    tempo: float
    start: float
    reach: float
    lag: float
    sway: float
    unsteady: float
    seed: int


def actor_pose(action: str, style: MotionStyle, frames: int) -> tuple[Pose, float]:
    """The angles of one clip, and the yaw its action is usually seen from.

    A clip played backwards has the same phases in the opposite order, and nothing else differs.
    Since first phases are uniform, single frames of a pair of classes have one distribution.

    Args:
      action: a key of `ACTIONS`.
      style: how it is performed.
      frames: L.
    """
    cycle, direction = ACTIONS[action]
    draw = np.random.default_rng(style.seed)
    # In cycles a frame.
    speed = style.tempo / cycle.frames
    # Slow waves of the tempo and of each angle, so that no two cycles are equal.
    slow = _slow(draw, frames, 9)
    phase = style.start + direction * (speed * np.arange(frames) + style.unsteady * slow[:, 0])
    left = _angles(cycle, style, phase)
    right = _angles(cycle, style, phase + cycle.lag + style.lag)
    left[:, 1:7] += style.sway * slow[:, 1:7]
    right[:, 1:7] += style.sway * _slow(draw, frames, 6)
    both = np.stack([left, right], -1)
    arm, arm_side, elbow, leg, leg_side, knee = np.moveaxis(both[:, 1:7], 1, 0)
    angles = Pose(
        lean=both[:, 0].mean(-1) + style.sway * slow[:, 7],
        arm=arm,
        arm_side=arm_side,
        elbow=np.maximum(elbow, 0.0),  # splines overshoot; elbows and knees bend one way only
        leg=leg,
        leg_side=leg_side,
        knee=np.maximum(knee, 0.0),
        hop=np.maximum(both[:, 7].mean(-1) / 100, 0.0),
        planted=cycle.planted,
    )
    return angles, cycle.yaw


def _angles(cycle: Cycle, style: MotionStyle, phase: np.ndarray) -> np.ndarray:
    """The eight tracks of the keyframes at each phase [L, 8]; `reach` stretches their range."""
    # A periodic spline needs the first keyframe again at the end of the cycle.
    keys = np.array(cycle.keys + ((1.0, *cycle.keys[0][1:]),))
    # Stretched about the mean, so that a larger reach does not move the whole figure.
    mean = keys[:-1, 1:].mean(0)
    spline = CubicSpline(keys[:, 0], keys[:, 1:], bc_type="periodic")
    tracks = mean + style.reach * (spline(phase) - mean)
    tracks[:, 2] += cycle.turn * phase
    return tracks


def _slow(draw: np.random.Generator, frames: int, tracks: int) -> np.ndarray:
    """Slow waves of about unit size [L, tracks], as likely as their reverse."""
    # A wave a clip, about: clips have 32 to 40 frames. Two of them with random phases are as likely
    # backwards.
    rate = draw.uniform(0.5, 1.5, (2, tracks)) * 2 * np.pi / 40
    wave = np.sin(rate * np.arange(frames)[:, None, None] + draw.uniform(0, 2 * np.pi, (2, tracks)))
    return wave.mean(1)
