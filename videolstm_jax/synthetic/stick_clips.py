"""One clip of the stick actions: a random actor and scene, the motion, and the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from videolstm_jax.synthetic import drawing, keyframes, scenery, scenes, skeleton
from videolstm_jax.synthetic.keyframes import ACTIONS

STICK_CLASSES = tuple(ACTIONS)
CLIPS_PER_ACTOR = 2
# What random numbers are drawn for; the position in this list is part of their seed.
_PURPOSES = ("actor", "scene", "context")


class ClipSpec(NamedTuple):
    """All that a clip depends on; `number` counts the clips of its class and list from 0."""

    action: str
    number: int
    test: bool = False
    difficulty: str = "easy"
    context: float = 0.0
    seed: int = 0
    size: int = 64

    @property
    def group(self) -> int:
        """The actor's number.

        Actors with odd numbers train, those with even numbers are tested, so the length of one list
        does not change the actors of the other.
        """
        return 2 * (self.number // CLIPS_PER_ACTOR) + 1 + self.test

    @property
    def name(self) -> str:
        """Class/stem, as UCF101 names its clips."""
        clip_number = self.number % CLIPS_PER_ACTOR + 1
        return f"{self.action}/v_{self.action}_g{self.group:02d}_c{clip_number:02d}"


def make_stick_clip(spec: ClipSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Makes one clip.

    Returns:
      Frames uint8 [L, H, W, 3], the actor's boxes int32 [L, 4] (half-open pixels), and joints [L,
      J, 2] in pixels.
    """
    actor, scene = sample_stick_clip(spec)
    joints, near, facing = move_actor(spec, actor, scene)
    frames, boxes = drawing.draw_stick_clip(joints, near, facing, actor, scene, spec.size)
    return frames, boxes, joints + scenery.camera_sway(scene, spec.size)[:, None]


def stick_clip_joints(spec: ClipSpec) -> np.ndarray:
    """The joints [L, J, 2] of a clip in pixels, as `make_stick_clip` gives them; draws nothing."""
    actor, scene = sample_stick_clip(spec)
    joints, _, _ = move_actor(spec, actor, scene)
    return joints + scenery.camera_sway(scene, spec.size)[:, None]


def sample_stick_clip(spec: ClipSpec) -> tuple[scenes.Actor, scenes.Scene]:
    """Draws the actor and the scene of a clip.

    The action only decides the background, and only with the chance `context`.
    """
    level = scenes.DIFFICULTIES[spec.difficulty]
    label = STICK_CLASSES.index(spec.action)
    # The actor depends on the group alone, so it is the same person in all classes.
    actor = scenes.sample_actor(_random(spec, "actor", spec.group), level)
    draw = _random(spec, "scene", label, spec.test, spec.number)
    scene = scenes.sample_scene(draw, level, actor)
    if draw.uniform() < spec.context:
        background = scenes.sample_scene_background(_random(spec, "context", label), level)
        scene = scene._replace(background=background)
    return actor, scene


def move_actor(
    spec: ClipSpec, actor: scenes.Actor, scene: scenes.Scene
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Moves the actor through the action.

    Returns:
      Joints [L, J, 2] in pixels before the camera sways, nearness [L, J], and where the nose
      points: to the right and towards the camera.
    """
    style = keyframes.MotionStyle(
        tempo=actor.tempo * scene.tempo,
        start=scene.start,
        reach=actor.reach,
        lag=actor.lag,
        sway=scene.sway,
        unsteady=0.02,
        seed=scene.seed,
    )
    pose, yaw = keyframes.actor_pose(spec.action, style, scene.frames)
    yaw = yaw + scene.turn
    # The actor turns round, and not the picture: walls and distractors are drawn by their own seed.
    if scene.mirrored:
        yaw = -yaw
    points, near = skeleton.project_joints(skeleton.figure_joints(pose, actor.body), yaw)
    scale = scene.stature * spec.size
    feet = np.array([scene.centre, scene.feet]) * spec.size
    # The skeleton's y axis points up, that of a picture down.
    joints = feet + points * scale * np.array([1.0, -1.0])
    facing = (float(np.sin(np.radians(yaw))), float(np.cos(np.radians(yaw))))
    return joints, near, facing


def _random(spec: ClipSpec, purpose: str, *numbers: int) -> np.random.Generator:
    """Random numbers that depend only on the seed, their purpose and `numbers`."""
    return np.random.default_rng([spec.seed, _PURPOSES.index(purpose), *map(int, numbers)])
