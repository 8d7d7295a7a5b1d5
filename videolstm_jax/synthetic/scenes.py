"""The random actors, backgrounds and scenes of stick actions, drawn before a clip is made."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np

from videolstm_jax.synthetic.shapes import Colour
from videolstm_jax.synthetic.skeleton import Body

TEXTURES = ("plain", "clouds", "stripes", "checks")


class Difficulty(NamedTuple):
    """The ranges that a difficulty draws from; lengths are shares of the picture's side.

    Attributes:
      stature: of the actor.
      limb: thickness of the limbs as a share of the stature.
      centre: the largest distance of the actor from the middle.
      headroom: the least and the most space between the feet and the lower edge.
      turn: degrees of yaw to either side of the usual view.
      jitter: the camera's steps.
      texture: the contrast of the background.
      clutter: the number of shapes in the background.
      distractor: the opacity of the object that moves behind the actor.
      distractor_size: its length.
      noise: grey levels.
      sway: degrees of slow changes of every angle.
      frames: the length of a clip.
    """

    stature: tuple[float, float]
    limb: tuple[float, float]
    centre: float
    headroom: tuple[float, float]
    turn: float
    jitter: float
    texture: float
    clutter: tuple[int, int]
    distractor: float
    distractor_size: tuple[float, float]
    noise: int
    sway: float
    frames: tuple[int, int] = (32, 40)


# `hard` takes away what makes `easy` easy: size, place, a still camera, a plain wall, one colour
# that moves.
DIFFICULTIES = {
    "easy": Difficulty(
        stature=(0.68, 0.78),
        limb=(0.095, 0.115),
        centre=0.05,
        headroom=(0.02, 0.06),
        turn=15.0,
        jitter=0.002,
        texture=0.06,
        clutter=(1, 3),
        distractor=0.25,
        distractor_size=(0.10, 0.16),
        noise=0,
        sway=2.5,
    ),
    "hard": Difficulty(
        stature=(0.45, 0.72),
        limb=(0.065, 0.105),
        centre=0.25,
        headroom=(0.02, 0.25),
        turn=30.0,
        jitter=0.012,
        texture=0.35,
        clutter=(4, 9),
        distractor=1.0,
        distractor_size=(0.15, 0.30),
        noise=6,
        sway=5.0,
    ),
}


class Actor(NamedTuple):
    """One person: lengths, clothes, and habits of moving."""

    body: Body
    skin: Colour
    hair: Colour
    shirt: Colour
    sleeves: bool
    trousers: Colour
    shoes: Colour
    tempo: float
    reach: float
    lag: float


class Background(NamedTuple):
    """The wall and floor: `texture` names a pattern, `floor` its height, `seed` draws the rest."""

    texture: str
    hue: float
    saturation: float
    value: float
    contrast: float
    floor: float
    clutter: int
    seed: int


class Distractor(NamedTuple):
    """A bar with a ball at its end that passes behind the actor.

    Lengths are shares of the side, times are frames.
    """

    colour: Colour
    opacity: float
    length: float
    thickness: float
    start: tuple[float, float]
    velocity: tuple[float, float]
    angle: float
    spin: float


class Scene(NamedTuple):
    """Everything of one clip that does not depend on its action."""

    frames: int
    stature: float
    centre: float
    feet: float
    mirrored: bool
    turn: float
    tempo: float
    start: float
    sway: float
    jitter: float
    noise: int
    seed: int
    background: Background
    distractor: Distractor


def sample_actor(draw: np.random.Generator, level: Difficulty) -> Actor:
    """Draws a person."""
    shirt_hue = draw.uniform()
    # At least a quarter of the circle apart, so that legs show before the trunk.
    trousers_hue = shirt_hue + draw.uniform(0.25, 0.75)
    # One number for both: darker skin is more saturated.
    tan = draw.uniform()
    body = Body(
        torso=draw.uniform(0.28, 0.33),
        arm=draw.uniform(0.175, 0.21),
        thigh=draw.uniform(0.225, 0.255),
        foot=draw.uniform(0.08, 0.10),
        head=draw.uniform(0.085, 0.10),
        limb=draw.uniform(*level.limb),
        trunk=draw.uniform(0.15, 0.20),
    )
    return Actor(
        body=body,
        skin=_colour(draw.uniform(0.04, 0.09), 0.35 + 0.25 * tan, 0.98 - 0.4 * tan),
        hair=_colour(draw.uniform(0.02, 0.12), draw.uniform(0.3, 0.8), draw.uniform(0.1, 0.5)),
        shirt=_colour(shirt_hue, draw.uniform(0.65, 1.0), draw.uniform(0.8, 1.0)),
        sleeves=bool(draw.uniform() < 0.5),
        trousers=_colour(trousers_hue, draw.uniform(0.5, 1.0), draw.uniform(0.2, 0.55)),
        shoes=_colour(draw.uniform(), draw.uniform(0.0, 0.8), draw.choice([0.15, 0.95])),
        tempo=draw.uniform(0.9, 1.1),
        reach=draw.uniform(0.94, 1.06),
        lag=draw.uniform(-0.02, 0.02),
    )


def sample_scene_background(draw: np.random.Generator, level: Difficulty) -> Background:
    """Draws a background."""
    # The draws below are made in the order of the fields. In another order, the same seed would
    # give another set; this is true of every function here.
    muted = level.texture < 0.2  # true of `easy` only
    return Background(
        texture=TEXTURES[draw.integers(len(TEXTURES))],
        hue=draw.uniform(),
        saturation=draw.uniform(0.03, 0.2 if muted else 0.6),
        value=draw.uniform(0.5, 0.75) if muted else draw.uniform(0.3, 0.85),
        contrast=level.texture * draw.uniform(0.6, 1.0),
        floor=draw.uniform(0.7, 0.9),
        clutter=int(draw.integers(*level.clutter, endpoint=True)),
        seed=int(draw.integers(2**31)),
    )


def sample_scene(draw: np.random.Generator, level: Difficulty, actor: Actor) -> Scene:
    """Draws where and how an actor is filmed, the same for every action."""
    stature = draw.uniform(*level.stature)
    corner = draw.uniform(0.05, 0.95, 2)
    # Towards a point in the middle of the picture, so that it crosses in front of the actor.
    path = draw.uniform(0.2, 0.8, 2) - corner
    # A distractor in a colour of the actor cannot be distinguished by colour alone.
    worn = (actor.shirt, actor.trousers, actor.skin)[draw.integers(3)]
    distractor = Distractor(
        colour=worn if level.distractor == 1.0 else _colour(draw.uniform(), 0.5, 0.7),
        opacity=level.distractor,
        length=draw.uniform(*level.distractor_size),
        thickness=draw.uniform(0.05, 0.08),
        start=tuple(corner.tolist()),
        velocity=tuple((path / 30 * draw.uniform(0.5, 1.5)).tolist()),
        angle=draw.uniform(0, 2 * np.pi),
        spin=draw.uniform(-0.15, 0.15),
    )
    return Scene(
        frames=int(draw.integers(*level.frames, endpoint=True)),
        stature=stature,
        centre=0.5 + draw.uniform(-1, 1) * level.centre,
        feet=1.0 - draw.uniform(*level.headroom),
        mirrored=bool(draw.uniform() < 0.5),
        turn=draw.uniform(-1, 1) * level.turn,
        tempo=draw.uniform(0.93, 1.07),
        start=draw.uniform(),
        sway=level.sway,
        jitter=level.jitter,
        noise=level.noise,
        seed=int(draw.integers(2**31)),
        background=sample_scene_background(draw, level),
        distractor=distractor,
    )


def _colour(hue: float, saturation: float, value: float) -> Colour:
    """RGB in [0, 255]."""
    channels = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return tuple(round(255 * channel) for channel in channels)
