"""Draws what is around the actor: wall and floor, the distractor, the camera's sway and noise."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from videolstm_jax.synthetic.scenes import Background, Scene
from videolstm_jax.synthetic.shapes import draw_capsule

# How much of the background lies outside the picture on each side, as a share of the side. The
# camera sways inside it.
MARGIN = 0.08


def camera_sway(scene: Scene, size: int) -> np.ndarray:
    """The shift of the whole picture in pixels [L, 2]: small unsteady steps that come back."""
    draw = np.random.default_rng([scene.seed, 0])
    steps = draw.normal(size=(scene.frames, 2))
    path = np.zeros((scene.frames, 2))
    for t in range(1, scene.frames):
        path[t] = 0.85 * path[t - 1] + steps[t]  # below 1, so the camera comes back
    # A little less than the margin, because the visible part is cut at whole pixels.
    limit = MARGIN * size * 0.9
    return np.clip(path * scene.jitter * size, -limit, limit)


def draw_scene_background(background: Background, side: int, margin: int) -> Image.Image:
    """Draws the wall, the floor and the shapes before them, with `margin` more on each side."""
    draw = np.random.default_rng(background.seed)
    # Drawn once for the clip, with all that the camera will ever show.
    wide = side + 2 * margin
    pattern = _pattern(background.texture, draw, wide)
    shade = background.value * (1 + background.contrast * pattern)
    shade[round(margin + background.floor * side) :] *= 0.82  # the floor is darker
    hue = np.array(colorsys.hsv_to_rgb(background.hue, background.saturation, 1.0))
    picture = Image.fromarray((np.clip(shade[..., None] * hue, 0, 1) * 255).astype(np.uint8))
    brush = ImageDraw.Draw(picture)
    for _ in range(background.clutter):
        _draw_clutter(brush, background, draw, side, wide)
    return picture


def _draw_clutter(
    brush: ImageDraw.ImageDraw,
    background: Background,
    draw: np.random.Generator,
    side: int,
    wide: int,
) -> None:
    """Draws one random shape; the order of the random numbers is part of the set's version."""
    contrast = background.contrast
    value = np.clip(background.value * (1 + 2.5 * contrast * draw.uniform(-1, 1)), 0.05, 1)
    saturation = background.saturation * draw.uniform(0.5, 1.5)
    hue = (background.hue + contrast * draw.uniform(-1, 1)) % 1
    colour = colorsys.hsv_to_rgb(hue, min(1, saturation), value)
    fill = tuple(round(255 * channel) for channel in colour)
    (x, y), (w, h) = draw.uniform(0, wide, 2), draw.uniform(0.08, 0.4, 2) * side
    shape = draw.integers(3)
    if shape == 2:
        end = np.array([x + w, y + h * draw.choice([-1, 1])])
        draw_capsule(brush, np.array([x, y]), end, 0.06 * side, fill)
    else:
        box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        (brush.rectangle, brush.ellipse)[shape](box, fill=fill)


def _pattern(texture: str, draw: np.random.Generator, wide: int) -> np.ndarray:
    """A texture of about -1 to 1, [wide, wide]."""
    if texture == "clouds":
        cells = draw.uniform(-1, 1, (int(draw.integers(5, 14)),) * 2).astype(np.float32)
        clouds = Image.fromarray(cells).resize((wide, wide), Image.Resampling.BICUBIC)
        return np.asarray(clouds, np.float64)
    y, x = np.mgrid[:wide, :wide] / wide
    # Drawn for `plain` too, which needs no waves: the numbers behind them would change.
    angle = draw.uniform(0, np.pi)
    waves = draw.uniform(4, 10) * 2 * np.pi
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    if texture == "stripes":
        return np.sin(waves * along)
    if texture == "checks":
        return np.sin(waves * along) * np.sin(waves * across)
    return 2 * along - 1  # `plain`: a gradient


def visible_scene_part(wall: Image.Image, sway: np.ndarray, side: int) -> Image.Image:
    """The part of the background that the camera shows, a square of `side` pixels."""
    margin = (wall.width - side) / 2
    left, top = round(margin - sway[0]), round(margin - sway[1])
    return wall.crop((left, top, left + side, top + side))


def draw_scene_distractor(canvas: Image.Image, scene: Scene, t: int, sway: np.ndarray) -> None:
    """Draws the object that passes on frame t, mixed with the wall's colour where it is faint.

    `sway` [2] is the camera's, as a share of the side.
    """
    distractor = scene.distractor
    behind = scene.background
    # Pillow's drawing has no opacity, so the colours are mixed by hand.
    wall = np.array(colorsys.hsv_to_rgb(behind.hue, behind.saturation, behind.value)) * 255
    mixed = distractor.opacity * np.array(distractor.colour) + (1 - distractor.opacity) * wall
    fill = tuple(int(channel) for channel in mixed)
    side = canvas.width
    brush = ImageDraw.Draw(canvas)
    a = (np.array(distractor.start) + t * np.array(distractor.velocity) + sway) * side
    angle = distractor.angle + distractor.spin * t
    b = a + distractor.length * side * np.array([np.cos(angle), np.sin(angle)])
    draw_capsule(brush, a, b, distractor.thickness * side, fill)
    draw_capsule(brush, b, b, 1.7 * distractor.thickness * side, fill)


def add_scene_noise(frames: np.ndarray, scene: Scene) -> np.ndarray:
    """The frames uint8 with the sensor's noise, a few grey levels up or down."""
    if not scene.noise:
        return frames
    draw = np.random.default_rng([scene.seed, 1])
    # Int16, because a byte below 0 or above 255 would wrap around before it is clipped.
    grain = draw.integers(-scene.noise, scene.noise, frames.shape, np.int16, endpoint=True)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)
