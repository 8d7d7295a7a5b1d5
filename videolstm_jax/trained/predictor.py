"""A trained run as a function of one frame after another, in memory that does not grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.files import PathLike
from videolstm_jax.localize import causal
from videolstm_jax.localize.inputs import camera_free_flow, feature_size, localizer_input
from videolstm_jax.measure.scores import softmax
from videolstm_jax.trained.parts import load
from videolstm_jax.types import Carry


class Prediction(NamedTuple):
    """What is known once a frame has been seen.

    `frame` counts from 0; `scores` [C] are this frame's class probabilities and `mean` [C] their
    mean so far; `attention` [N, N] sums to one and `box` [4] is x0 y0 x1 y1 in pixels, both None
    for cells that do not attend; `seconds` says what each stage took.
    """

    frame: int
    scores: np.ndarray
    mean: np.ndarray
    attention: np.ndarray | None
    box: np.ndarray | None
    seconds: Mapping[str, float]


class Predictor:
    """Reads a stream one frame at a time: `found = predictor(frame)`.

    A frame's flow leads to the frame after it, so a run that looks at flow speaks of each frame
    when the next one has come, and its first call gives None. What it says is what `evaluate` says
    of the whole video, and `localize` with `localize.causal`, from the same first carry.
    """

    def __init__(self, checkpoint: PathLike, *, flow: str = "", carry: Carry | None = None):
        """Loads a run with its ConvNets.

        Args:
          checkpoint: the folder of the run in its work folder, `<work>/runs/<name>`.
          flow: another method of flow than the run was trained on.
          carry: what the first frame begins from; None takes the model's own start. A `mean` start
            is then that of the first frame alone, since no other is known.

        Raises:
          FileError: something of the run is missing, damaged or does not belong to it.
          ConfigError: a method of flow that is not there.
        """
        self.parts = load(checkpoint, flow)
        self.restart(carry)

    @property
    def classes(self) -> tuple[str, ...]:
        """The C class names."""
        return self.parts.run.classes

    def restart(self, carry: Carry | None = None) -> None:
        """Forgets every frame: the next one is the first of another stream, from this carry."""
        self.carry = carry
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._size: tuple[int, ...] | None = None
        self._trail = causal.START
        self._total = np.zeros(len(self.classes))
        self._count = 0

    def __call__(self, frame: np.ndarray) -> Prediction | None:
        """Takes the next frame.

        Args:
          frame: [H, W, 3] uint8 RGB, all of one size; it may be overwritten afterwards.

        Returns:
          What is known of this frame, or, for a run that looks at flow, of the one before; then
          None at first.

        Raises:
          VideoError: another dtype, shape or size than expected.
        """
        self._check(frame)
        parts, lap = self.parts, _timer()
        images = self._images(frame)
        if images is None:
            return None
        seconds = {"flow": lap()} if parts.flow else {}
        seen = {stream: look(images[stream]) for stream, look in parts.look.items()}
        seconds["convnets"] = lap()
        motion = seen["flow"][parts.layers.motion] if parts.layers.motion else None
        logits, attention, self.carry = parts.step(
            seen[parts.stream][parts.layers.x], motion, self.carry
        )
        scores = softmax(logits)
        seconds["step"] = lap()
        box = None
        if attention is not None:
            how = parts.how
            features = feature_size(seen[parts.stream][parts.layers.x][None])
            against = (
                camera_free_flow(images["flow"][None], len(attention))
                if how.input == "motion"
                else None
            )
            maps = localizer_input(how.input, attention[None], features, against)[0]
            self._trail, box = causal.follow(
                self._trail,
                maps,
                frame.shape[:2],
                settings=how,
            )
            seconds["localize"] = lap()
        self._total += scores
        self._count += 1
        return Prediction(
            self._count - 1,
            scores.astype(np.float32),
            self._total / self._count,
            attention,
            box,
            seconds,
        )

    def _images(self, frame: np.ndarray) -> dict[str, np.ndarray] | None:
        """The RGB image and the flow image of the frame that can be spoken of; None while there is
        none.
        """
        if self.parts.flow is None or self.parts.grey is None:
            return {"rgb": frame}
        before, self._before = self._before, (frame.copy(), self.parts.grey(frame))
        return (
            None
            if before is None
            else {"rgb": before[0], "flow": self.parts.flow(before[1], self._before[1])}
        )

    def _check(self, frame: np.ndarray) -> None:
        shape, dtype = np.shape(frame), getattr(frame, "dtype", None)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or not all(shape):
            raise VideoError(f"a frame is {dtype} {list(shape)}; expected uint8 [H, W, 3]")
        self._size = self._size or shape
        if shape != self._size:
            raise VideoError(
                f"a frame is {list(shape)}; expected {list(self._size)} as the first one was"
            )


def _timer() -> Callable[[], float]:
    """A function that gives the seconds since it was last called, at first since now."""
    before = time.perf_counter()

    def lap() -> float:
        nonlocal before
        now = time.perf_counter()
        before, taken = now, now - before
        return taken

    return lap
