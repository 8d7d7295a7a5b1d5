"""Draws the actor of a stick action: limbs, trunk and head, from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from videolstm_jax.synthetic.scenes import Actor
from videolstm_jax.synthetic.shapes import draw_capsule
from videolstm_jax.synthetic.skeleton import JOINTS

_JOINT = {name: index for index, name in enumerate(JOINTS)}
_PARTS = ("skin", "hair", "shirt", "trousers", "shoes")
# Numbers in the palette: 0 is no actor, each part has an odd one, and the next is its outline.
_INK = {part: 2 * index + 1 for index, part in enumerate(_PARTS)}
# Width of an outline, as a share of the stature.
_EDGE = 0.012


def draw_figure(
    at: np.ndarray,
    near: np.ndarray,
    facing: tuple[float, float],
    actor: Actor,
    stature: float,
    side: int,
) -> Image.Image:
    """Draws the actor as palette numbers, 0 where there is none; see `figure_palette`.

    Args:
      at: [J, 2] joints in pixels.
      near: [J] nearness to the camera.
      facing: where the nose points, to the right and towards the camera.
      actor: who is drawn.
      stature: in pixels.
      side: of the picture in pixels.
    """
    figure = Image.new("L", (side, side))
    draw = ImageDraw.Draw(figure)
    limb = actor.body.limb * stature
    sleeve = "shirt" if actor.sleeves else "skin"
    # Each part with its nearness; nearer parts are painted over farther ones.
    parts: list[tuple[float, Callable[[], None]]] = []

    def add_chain(nearness: float, joints: list[int], inks: tuple[str, ...], width: float) -> None:
        parts.append((nearness, lambda: _draw_chain(draw, at[joints], inks, width, stature)))

    for side_name in ("left", "right"):
        arm = _joints(side_name, "shoulder", "elbow", "hand")
        leg = _joints(side_name, "hip", "knee", "ankle", "toe")
        add_chain(near[arm[1:]].mean(), arm, (sleeve, "skin"), 0.85 * limb)
        # A little farther away, so that a leg beside the trunk is painted behind it.
        leg_near = near[leg[1:3]].mean() - 0.02
        add_chain(leg_near, leg, ("trousers", "trousers", "shoes"), limb)
    trunk_near = near[[_JOINT["neck"], _JOINT["pelvis"]]].mean()
    parts.append((trunk_near, lambda: _draw_trunk(draw, at, actor, stature)))
    # A little nearer, so that the neck never lies over the face.
    head_near = near[_JOINT["head"]] + 0.01
    parts.append((head_near, lambda: _draw_head(draw, at, facing, actor, stature)))
    for _, paint in sorted(parts, key=lambda part: part[0]):
        paint()
    return figure


def _joints(side_name: str, *names: str) -> list[int]:
    return [_JOINT[f"{side_name}_{name}"] for name in names]


def figure_palette(actor: Actor) -> list[int]:
    """RGB of each palette number: black for none, then each part's colour and its outline's."""
    channels = [0, 0, 0]
    for part in _PARTS:
        colour = getattr(actor, part)
        channels += colour
        # An outline is darker than its part, so that a limb shows before a trunk of its colour.
        for channel in colour:
            channels.append(round(0.55 * channel))
    return channels


def _draw_chain(
    draw: ImageDraw.ImageDraw, at: np.ndarray, inks: tuple[str, ...], width: float, stature: float
) -> None:
    """Draws bones end to end, with one outline around all of them."""
    edge = _EDGE * stature
    bones = list(zip(at[:-1], at[1:], inks, strict=True))
    # All outlines first: the outline of one bone must not cross the bone before it.
    for a, b, ink in bones:
        draw_capsule(draw, a, b, width + 2 * edge, _INK[ink] + 1)
    for a, b, ink in bones:
        draw_capsule(draw, a, b, width, _INK[ink])


def _draw_trunk(draw: ImageDraw.ImageDraw, at: np.ndarray, actor: Actor, stature: float) -> None:
    """Draws neck, shirt and hips."""
    width, edge = actor.body.trunk * stature, _EDGE * stature
    neck, pelvis, head = at[_JOINT["neck"]], at[_JOINT["pelvis"]], at[_JOINT["head"]]
    length = max(1.0, float(np.hypot(*(pelvis - neck))))
    # A little below the neck, so that the round end of the chest does not reach the chin. A trunk
    # that leans towards the camera is short, and its chest must stay inside it.
    chest = neck + (pelvis - neck) * min(0.45, 0.45 * width / length)
    draw_capsule(draw, neck, head, 0.7 * actor.body.limb * stature, _INK["skin"])
    shoulders = at[_JOINT["left_shoulder"]], at[_JOINT["right_shoulder"]]
    hips = at[_JOINT["left_hip"]], at[_JOINT["right_hip"]]
    corners = [tuple(corner) for corner in (*shoulders, hips[1], hips[0])]
    # Each outline is the same shape, wider and in the next palette number, painted first.
    for grow, shade in ((2 * edge, 1), (0.0, 0)):
        ink = _INK["shirt"] + shade
        draw_capsule(draw, chest, pelvis, 0.9 * width + grow, ink)
        draw.polygon(corners, fill=ink)
        draw_capsule(draw, *shoulders, 0.55 * width + grow, ink)
    for grow, shade in ((2 * edge, 1), (0.0, 0)):
        draw_capsule(draw, *hips, 0.75 * width + grow, _INK["trousers"] + shade)


def _draw_head(
    draw: ImageDraw.ImageDraw,
    at: np.ndarray,
    facing: tuple[float, float],
    actor: Actor,
    stature: float,
) -> None:
    """Draws hair all round, and a face on the side where the actor looks."""
    head, radius = at[_JOINT["head"]], actor.body.head * stature
    # y points down: the face lies below the middle of the head, under the hair.
    face = head + radius * np.array([0.38 * facing[0], 0.25])
    nose = head + radius * np.array([1.0 * facing[0], 0.2])
    draw_capsule(draw, head, head, 2 * radius, _INK["hair"])
    draw_capsule(draw, face, face, 1.5 * radius, _INK["skin"])
    # Seen from the front the nose lies inside the face, so it is drawn in the outline's colour.
    is_frontal = abs(facing[0]) < 0.6
    draw_capsule(draw, nose, nose, 0.4 * radius, _INK["skin"] + is_frontal)
