"""The built-in data set: stick figures that perform eight actions, made on first use.

videos/<Class>/v_<Class>_g01_c01.mp4    32-40 frames, 25 a second classInd.txt trainlist01.txt
testlist01.txt    as UCF101 has them boxes.json                              {"<Class>/<stem>":
[[x0, y0, x1, y1], ..]}, every frame, half-open pixels stick_actions.json                      the
settings, written last: the set is whole
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import ConfigError
from videolstm_jax.synthetic import drawing, keyframes, scenes, skeleton
from videolstm_jax.synthetic.keyframes import ACTIONS, PAIRS
from videolstm_jax.synthetic.skeleton import JOINTS
from videolstm_jax.video import encode

__all__ = ["CLASSES", "JOINTS", "PAIRS", "ClipSpec", "ConfigError", "clip", "generate", "specs"]

CLASSES = tuple(ACTIONS)
FPS = 25.0
CLIPS_PER_ACTOR = 2
VERSION = 1
"""Changes whenever the same settings make other pictures."""

_MARKER = "stick_actions.json"


class ClipSpec(NamedTuple):
    """One clip: `number` counts the clips of its class and list from 0. A clip depends on nothing
    but these fields.
    """

    action: str
    number: int
    test: bool = False
    difficulty: str = "easy"
    context: float = 0.0
    seed: int = 0
    size: int = 64

    @property
    def group(self) -> int:
        """The actor's number: odd ones train, even ones are tested, so that neither list renumbers
        the other.
        """
        return 2 * (self.number // CLIPS_PER_ACTOR) + 1 + self.test

    @property
    def name(self) -> str:
        """Class/stem, as UCF101 names its clips."""
        return f"{self.action}/v_{self.action}_g{self.group:02d}_c{self.number % CLIPS_PER_ACTOR + 1:02d}"


def clip(spec: ClipSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Makes one clip.

    Returns:
      Frames uint8 [L, H, W, 3], the actor's boxes int32 [L, 4] (half-open pixels), and joints [L,
      J, 2] in pixels.
    """
    actor, scene = cast(spec)
    seen, near, facing = perform(spec, actor, scene)
    frames, boxes = drawing.draw_clip(seen, near, facing, actor, scene, spec.size)
    return frames, boxes, seen + drawing.camera(scene, spec.size)[:, None]


def clip_joints(spec: ClipSpec) -> np.ndarray:
    """The joints [L, J, 2] of a clip in pixels, as `clip` returns them, without drawing it."""
    actor, scene = cast(spec)
    return perform(spec, actor, scene)[0] + drawing.camera(scene, spec.size)[:, None]


def cast(spec: ClipSpec) -> tuple[scenes.Actor, scenes.Scene]:
    """Who plays a clip and where, drawn from streams of its own; the action has a say in the
    background only.
    """
    level = scenes.DIFFICULTIES[spec.difficulty]
    label = CLASSES.index(spec.action)
    actor = scenes.sample_actor(_stream(spec, "actor", spec.group), level)
    draw = _stream(spec, "scene", label, spec.test, spec.number)
    scene = scenes.sample_scene(draw, level, actor)
    if draw.uniform() < spec.context:
        scene = scene._replace(
            background=scenes.sample_background(_stream(spec, "context", label), level)
        )
    return actor, scene


def perform(
    spec: ClipSpec, actor: scenes.Actor, scene: scenes.Scene
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Moves the actor: joints [L, J, 2] in pixels before the camera sways, nearness [L, J], where
    the nose points.
    """
    style = keyframes.Style(
        tempo=actor.tempo * scene.tempo,
        start=scene.start,
        reach=actor.reach,
        lag=actor.lag,
        sway=scene.sway,
        unsteady=0.02,
        seed=scene.seed,
    )
    pose, yaw = keyframes.pose(spec.action, style, scene.frames)
    yaw = (yaw + scene.turn) * (-1 if scene.mirrored else 1)
    seen, near = skeleton.project(skeleton.joints(pose, actor.body), yaw)
    across, towards = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    scale = scene.stature * spec.size
    at = np.array([scene.centre, scene.feet]) * spec.size + seen * scale * np.array([1.0, -1.0])
    return at, near, (float(across), float(towards))


def specs(
    *,
    classes: Sequence[str] = CLASSES,
    clips_per_class: int = 24,
    test_clips_per_class: int = 8,
    difficulty: str = "easy",
    context: float = 0.0,
    seed: int = 0,
    size: int = 64,
) -> list[ClipSpec]:
    """The clips of a set, training list first.

    Raises:
      ConfigError: a setting that cannot be used.
    """
    unknown = [name for name in classes if name not in CLASSES]
    if unknown or not classes or len(set(classes)) < len(classes):
        raise ConfigError(
            f"classes are {list(classes)}; expected different ones of {', '.join(CLASSES)}"
        )
    if difficulty not in scenes.DIFFICULTIES:
        raise ConfigError(
            f"difficulty is {difficulty!r}; expected {' or '.join(scenes.DIFFICULTIES)}"
        )
    if not 0 <= context <= 1:
        raise ConfigError(f"context is {context!r}; expected a chance, 0 to 1")
    lowest = {
        "clips_per_class": (clips_per_class, 1),
        "test_clips_per_class": (test_clips_per_class, 1),
        "seed": (seed, 0),
        "size": (size, 16),
    }
    for name, (found, least) in lowest.items():
        if found < least or found != int(found):
            raise ConfigError(f"{name} is {found!r}; expected a whole number from {least} up")
    return [
        ClipSpec(action, number, test, difficulty, context, seed, size)
        for test, count in ((False, clips_per_class), (True, test_clips_per_class))
        for action in classes
        for number in range(count)
    ]


def generate(
    folder: str | os.PathLike,
    *,
    classes: Sequence[str] = CLASSES,
    clips_per_class: int = 24,
    test_clips_per_class: int = 8,
    difficulty: str = "easy",
    context: float = 0.0,
    seed: int = 0,
    size: int = 64,
    workers: int = 2,
) -> epath.Path:
    """Writes a set, or finds that it is there already.

    Videos are written beside the others and moved into place when all are done, so an interrupted
    call leaves no set.

    Args:
      folder: where the set goes; made where absent.
      classes: which of `CLASSES`; their order numbers them.
      clips_per_class: clips of each class in the training list.
      test_clips_per_class: clips of each class in the test list, by other actors.
      difficulty: `easy` or `hard`, see `stick_scene.DIFFICULTIES`.
      context: the chance that a clip's background is its class's own.
      seed: another seed makes another set.
      size: side of the frames, pixels.
      workers: threads; any number makes the same set.

    Returns:
      The folder.

    Raises:
      ConfigError: a setting that cannot be used, or a folder that holds another set or other
        videos.
    """
    folder = epath.Path(folder)
    settings = {
        "classes": list(classes),
        "clips_per_class": clips_per_class,
        "test_clips_per_class": test_clips_per_class,
        "difficulty": difficulty,
        "context": float(context),
        "seed": seed,
        "size": size,
        "version": VERSION,
    }
    clips = specs(**{name: value for name, value in settings.items() if name != "version"})
    if _is_there(folder, settings):
        return folder
    part = folder / f".making-{os.getpid()}"
    try:
        with ThreadPoolExecutor(max(1, workers)) as pool:
            boxes = dict(pool.map(lambda spec: _write_clip(part, spec), clips))
        part.replace(folder / "videos")
    finally:
        if part.exists():
            part.rmtree()
    _write_lists(folder, list(classes), clips)
    files.write_json(folder / "boxes.json", boxes)
    files.write_json(folder / _MARKER, settings)
    return folder


def _is_there(folder: epath.Path, settings: dict) -> bool:
    """Whether the folder holds this very set.

    Raises:
      ConfigError: it holds another set, or videos without the settings they were made with.
    """
    if (folder / _MARKER).exists():
        found = files.read_json(folder / _MARKER)
        other = [
            f"{name} is {found.get(name)!r}, asked for {value!r}"
            for name, value in settings.items()
            if found.get(name) != value
        ]
        if other:
            raise ConfigError(
                f"{folder} holds another set of stick actions: {'; '.join(other)}; "
                "expected the same settings, or another folder"
            )
        return True
    if (folder / "videos").exists():
        raise ConfigError(
            f"{folder / 'videos'} exists but {_MARKER} does not: other videos, or a set that was "
            "interrupted; expected a folder without videos"
        )
    return False


def _stream(spec: ClipSpec, purpose: str, *numbers: int) -> np.random.Generator:
    """Random numbers that depend on the seed, what they are for and these numbers alone."""
    purposes = ("actor", "scene", "context")
    return np.random.default_rng([spec.seed, purposes.index(purpose), *map(int, numbers)])


def _write_clip(folder: epath.Path, spec: ClipSpec) -> tuple[str, list[list[int]]]:
    """Writes one video, and hands back its name and boxes."""
    frames, boxes, _ = clip(spec)
    encode.write(folder / f"{spec.name}.mp4", frames, FPS)
    return spec.name, boxes.tolist()


def _write_lists(folder: epath.Path, classes: list[str], clips: list[ClipSpec]) -> None:
    """Writes the classes and both lists in UCF101's format."""
    labels = {name: number for number, name in enumerate(classes, 1)}
    texts = {
        "classInd.txt": [f"{number} {name}" for name, number in labels.items()],
        "trainlist01.txt": [
            f"{spec.name}.mp4 {labels[spec.action]}" for spec in clips if not spec.test
        ],
        "testlist01.txt": [f"{spec.name}.mp4" for spec in clips if spec.test],
    }
    for name, lines in texts.items():
        files.write_bytes(folder / name, ("\n".join(lines) + "\n").encode())
