"""Draws a clip of a stick action: from joints and a scene to frames and the actor's boxes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from videolstm_jax.synthetic import figure, scenery
from videolstm_jax.synthetic.scenes import Actor, Scene

# Maps a share of a pixel, 0 to 255, to whether at least half of it is covered.
_COVERS_HALF = [0] * 128 + [255] * 128
# Maps a palette number to whether there is an actor.
_IS_ACTOR = [0] + [255] * 255


def draw_stick_clip(
    joints: np.ndarray,
    near: np.ndarray,
    facing: tuple[float, float],
    actor: Actor,
    scene: Scene,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the frames of a clip.

    Args:
      joints: [L, J, 2] in pixels, without the camera's sway.
      near: [L, J] nearness to the camera.
      facing: where the actor's nose points, to the right and towards the camera.
      actor: who is drawn.
      scene: where.
      size: side of the picture, pixels.

    Returns:
      Frames uint8 [L, size, size, 3], and half-open boxes int32 [L, 4] of the pixels that the actor
      covers by half or more.

    Raises:
      ValueError: a frame without the actor.
    """
    # Pictures are drawn finer and reduced, since Pillow does not smooth the edges of shapes.
    # Small pictures need it more and cost less.
    fine = 3 if size <= 96 else 2
    side = size * fine
    sway = scenery.camera_sway(scene, size)
    wall = scenery.draw_scene_background(scene.background, side, round(scenery.MARGIN * side))
    palette = figure.figure_palette(actor)
    frames = []
    boxes = []
    for t in range(len(joints)):
        canvas = scenery.visible_scene_part(wall, sway[t] * fine, side)
        scenery.draw_scene_distractor(canvas, scene, t, sway[t] / size)
        at = (joints[t] + sway[t]) * fine
        person = figure.draw_figure(at, near[t], facing, actor, scene.stature * side, side)
        mask = _paste_actor(canvas, person, palette)
        frames.append(np.asarray(canvas.reduce(fine)))
        # From the mask and not from the joints: the box must hold limbs and head with their
        # thickness.
        boxes.append(_box(mask.reduce(fine), t, joints[t]))
    return scenery.add_scene_noise(np.stack(frames), scene), np.array(boxes, np.int32)


def _paste_actor(canvas: Image.Image, person: Image.Image, palette: list[int]) -> Image.Image:
    """Paints the actor over the scene, and returns which pixels are the actor's."""
    # From palette numbers, not colours: the actor may have the colour of the wall.
    mask = person.point(_IS_ACTOR)
    person.putpalette(palette)
    canvas.paste(person.convert("RGB"), mask=mask)
    return mask


def _box(mask: Image.Image, t: int, joints: np.ndarray) -> tuple[int, int, int, int]:
    """The box of the pixels that are covered by half or more."""
    box = mask.point(_COVERS_HALF).getbbox()
    # Only where a caller chooses sizes by hand: the ranges of both difficulties keep the actor
    # inside.
    if box is None:
        low, high = joints.min(0).round(), joints.max(0).round()
        raise ValueError(
            f"frame {t} shows nothing of the actor, whose joints lie at {low} to {high} in a "
            f"picture of {mask.width} x {mask.height}"
        )
    return box
