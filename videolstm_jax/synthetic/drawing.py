"""Stick actions on canvas: from joints and a scene to frames and the actor's boxes."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from videolstm_jax.synthetic.scenes import Actor, Background, Colour, Distractor, Scene
from videolstm_jax.synthetic.skeleton import JOINTS

MARGIN = 0.08
"""How much of the background, as a share of the side, lies outside the picture on each side for the
camera to sway.
"""

_J = {name: index for index, name in enumerate(JOINTS)}
_PARTS = ("skin", "hair", "shirt", "trousers", "shoes")
_INK = {
    part: 2 * index + 1 for index, part in enumerate(_PARTS)
}  # the colour after it is the part's outline
_HALF = [0] * 128 + [255] * 128  # covers at least half a pixel


def draw_clip(
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
      Frames uint8 [L, size, size, 3], and boxes int32 [L, 4]: pixels that the actor covers by half
      or more, half open.

    Raises:
      ValueError: a frame without the actor.
    """
    fine = 3 if size <= 96 else 2
    sway = camera(scene, size)
    wall = _background(scene.background, size * fine, round(MARGIN * size * fine))
    inks = _inks(actor)
    frames, boxes = [], []
    for t in range(len(joints)):
        canvas = _seen(wall, sway[t] * fine, size * fine)
        _draw_distractor(canvas, scene.distractor, t, sway[t] / size, scene.background)
        figure = _figure(
            (joints[t] + sway[t]) * fine,
            near[t],
            facing,
            actor,
            scene.stature * size * fine,
            size * fine,
        )
        mask = figure.point([0] + [255] * 255)
        figure.putpalette(inks)
        canvas.paste(figure.convert("RGB"), mask=mask)
        frames.append(np.asarray(canvas.reduce(fine)))
        box = mask.reduce(fine).point(_HALF).getbbox()
        if box is None:
            raise ValueError(
                f"frame {t} shows nothing of the actor, whose joints lie at {joints[t].min(0).round()} to "
                f"{joints[t].max(0).round()} in a picture of {size} x {size}"
            )
        boxes.append(box)
    return _noisy(np.stack(frames), scene), np.array(boxes, np.int32)


def camera(scene: Scene, size: int) -> np.ndarray:
    """The shift of all that is seen, in pixels [L, 2]: small unsteady steps that come back."""
    draw = np.random.default_rng([scene.seed, 0])
    steps, path = draw.normal(size=(scene.frames, 2)), np.zeros((scene.frames, 2))
    for t in range(1, scene.frames):
        path[t] = 0.85 * path[t - 1] + steps[t]
    limit = MARGIN * size * 0.9
    return np.clip(path * scene.jitter * size, -limit, limit)


# ---- the actor -----------------------------------------------------------------------------------


def _figure(
    at: np.ndarray,
    near: np.ndarray,
    facing: tuple[float, float],
    actor: Actor,
    stature: float,
    side: int,
) -> Image.Image:
    """The actor as colour numbers, 0 where there is none: limbs, trunk and head from the farthest
    to the nearest.
    """
    figure = Image.new("L", (side, side))
    draw = ImageDraw.Draw(figure)
    limb = actor.body.limb * stature
    sleeve = "shirt" if actor.sleeves else "skin"
    parts: list[tuple[float, Callable[[], None]]] = []
    for name in ("left", "right"):
        arm = [_J[f"{name}_{part}"] for part in ("shoulder", "elbow", "hand")]
        leg = [_J[f"{name}_{part}"] for part in ("hip", "knee", "ankle", "toe")]
        parts.append(
            (
                near[arm[1:]].mean(),
                lambda a=arm: _chain(draw, at[a], (sleeve, "skin"), 0.85 * limb, stature),
            )
        )
        parts.append(
            (
                near[leg[1:3]].mean() - 0.02,
                lambda g=leg: _chain(draw, at[g], ("trousers", "trousers", "shoes"), limb, stature),
            )
        )
    parts.append(
        (near[[_J["neck"], _J["pelvis"]]].mean(), lambda: _trunk(draw, at, actor, stature))
    )
    parts.append((near[_J["head"]] + 0.01, lambda: _head(draw, at, facing, actor, stature)))
    for _, paint in sorted(parts, key=lambda part: part[0]):
        paint()
    return figure


def _chain(
    draw: ImageDraw.ImageDraw, at: np.ndarray, parts: tuple[str, ...], width: float, stature: float
) -> None:
    """Bones end to end, outlined as one."""
    edge = 0.012 * stature
    bones = list(zip(at[:-1], at[1:], parts, strict=True))
    for a, b, part in bones:
        _capsule(draw, a, b, width + 2 * edge, _INK[part] + 1)
    for a, b, part in bones:
        _capsule(draw, a, b, width, _INK[part])


def _trunk(draw: ImageDraw.ImageDraw, at: np.ndarray, actor: Actor, stature: float) -> None:
    """Neck, shirt and hips."""
    width, edge = actor.body.trunk * stature, 0.012 * stature
    neck, pelvis, head = at[_J["neck"]], at[_J["pelvis"]], at[_J["head"]]
    chest = neck + (pelvis - neck) * min(
        0.45, 0.45 * width / max(1.0, float(np.hypot(*(pelvis - neck))))
    )
    _capsule(draw, neck, head, 0.7 * actor.body.limb * stature, _INK["skin"])
    corners = [
        tuple(at[_J[name]]) for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    ]
    for grow, shade in ((2 * edge, 1), (0.0, 0)):
        _capsule(draw, chest, pelvis, 0.9 * width + grow, _INK["shirt"] + shade)
        draw.polygon(corners, fill=_INK["shirt"] + shade)
        _capsule(
            draw,
            at[_J["left_shoulder"]],
            at[_J["right_shoulder"]],
            0.55 * width + grow,
            _INK["shirt"] + shade,
        )
    for grow, shade in ((2 * edge, 1), (0.0, 0)):
        _capsule(
            draw,
            at[_J["left_hip"]],
            at[_J["right_hip"]],
            0.75 * width + grow,
            _INK["trousers"] + shade,
        )


def _head(
    draw: ImageDraw.ImageDraw,
    at: np.ndarray,
    facing: tuple[float, float],
    actor: Actor,
    stature: float,
) -> None:
    """Hair all round, and a face where the actor looks."""
    head, radius = at[_J["head"]], actor.body.head * stature
    face = head + radius * np.array([0.38 * facing[0], 0.25])
    nose = head + radius * np.array([1.0 * facing[0], 0.2])
    _capsule(draw, head, head, 2 * radius, _INK["hair"])
    _capsule(draw, face, face, 1.5 * radius, _INK["skin"])
    _capsule(draw, nose, nose, 0.4 * radius, _INK["skin"] + (abs(facing[0]) < 0.6))


def _capsule(
    draw: ImageDraw.ImageDraw, a: np.ndarray, b: np.ndarray, width: float, fill: int | Colour
) -> None:
    """A bar with round ends."""
    (ax, ay), (bx, by), r = a, b, width / 2
    draw.ellipse((ax - r, ay - r, ax + r, ay + r), fill=fill)
    if ax != bx or ay != by:
        draw.ellipse((bx - r, by - r, bx + r, by + r), fill=fill)
        draw.line((ax, ay, bx, by), fill=fill, width=max(1, round(width)))


def _inks(actor: Actor) -> list[int]:
    """The palette: black for none, then each part's colour and the darker colour of its outline."""
    inks = [0, 0, 0]
    for part in _PARTS:
        colour = getattr(actor, part)
        inks += [*colour, *(round(0.55 * channel) for channel in colour)]
    return inks


# ---- what is around the actor --------------------------------------------------------------------


def _background(about: Background, side: int, margin: int) -> Image.Image:
    """The wall, the floor and what stands before them, with `margin` pixels more on each side."""
    draw = np.random.default_rng(about.seed)
    wide = side + 2 * margin
    shade = about.value * (1 + about.contrast * _pattern(about.texture, draw, wide))
    shade[round(margin + about.floor * side) :] *= 0.82
    hue = np.array(colorsys.hsv_to_rgb(about.hue, about.saturation, 1.0))
    picture = Image.fromarray((np.clip(shade[..., None] * hue, 0, 1) * 255).astype(np.uint8))
    brush = ImageDraw.Draw(picture)
    for _ in range(about.clutter):
        value = np.clip(about.value * (1 + 2.5 * about.contrast * draw.uniform(-1, 1)), 0.05, 1)
        saturation = about.saturation * draw.uniform(0.5, 1.5)
        colour = colorsys.hsv_to_rgb(
            (about.hue + about.contrast * draw.uniform(-1, 1)) % 1, min(1, saturation), value
        )
        fill = tuple(round(255 * part) for part in colour)
        (x, y), (w, h) = draw.uniform(0, wide, 2), draw.uniform(0.08, 0.4, 2) * side
        shape = draw.integers(3)
        if shape == 2:
            _capsule(
                brush,
                np.array([x, y]),
                np.array([x + w, y + h * draw.choice([-1, 1])]),
                0.06 * side,
                fill,
            )
        else:
            (brush.rectangle, brush.ellipse)[shape](
                (x - w / 2, y - h / 2, x + w / 2, y + h / 2), fill=fill
            )
    return picture


def _pattern(texture: str, draw: np.random.Generator, wide: int) -> np.ndarray:
    """A texture of about -1 to 1, [wide, wide]."""
    if texture == "clouds":
        cells = draw.uniform(-1, 1, (int(draw.integers(5, 14)),) * 2).astype(np.float32)
        return np.asarray(
            Image.fromarray(cells).resize((wide, wide), Image.Resampling.BICUBIC), np.float64
        )
    y, x = np.mgrid[:wide, :wide] / wide
    angle, waves = draw.uniform(0, np.pi), draw.uniform(4, 10) * 2 * np.pi
    along = waves * (x * np.cos(angle) + y * np.sin(angle))
    if texture == "stripes":
        return np.sin(along)
    if texture == "checks":
        return np.sin(along) * np.sin(waves * (y * np.cos(angle) - x * np.sin(angle)))
    return 2 * (x * np.cos(angle) + y * np.sin(angle)) - 1


def _seen(wall: Image.Image, sway: np.ndarray, side: int) -> Image.Image:
    """The part of the background that the camera sees."""
    margin = (wall.width - side) / 2
    left, top = (round(margin - shift) for shift in sway)
    return wall.crop((left, top, left + side, top + side))


def _draw_distractor(
    canvas: Image.Image, about: Distractor, t: int, sway: np.ndarray, behind: Background
) -> None:
    """The thing that passes, mixed with the wall's colour where it is faint."""
    wall = np.array(colorsys.hsv_to_rgb(behind.hue, behind.saturation, behind.value)) * 255
    mixed = about.opacity * np.array(about.colour) + (1 - about.opacity) * wall
    fill, side = tuple(int(channel) for channel in mixed), canvas.width
    brush = ImageDraw.Draw(canvas)
    a = (np.array(about.start) + t * np.array(about.velocity) + sway) * side
    angle = about.angle + about.spin * t
    b = a + about.length * side * np.array([np.cos(angle), np.sin(angle)])
    _capsule(brush, a, b, about.thickness * side, fill)
    _capsule(brush, b, b, 1.7 * about.thickness * side, fill)


def _noisy(frames: np.ndarray, scene: Scene) -> np.ndarray:
    """The frames with the sensor's noise, a few grey levels up or down."""
    if not scene.noise:
        return frames
    draw = np.random.default_rng([scene.seed, 1])
    grain = draw.integers(-scene.noise, scene.noise, frames.shape, np.int16, endpoint=True)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)
