"""A trained model that reads one frame after another, in memory that does not grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.localize import causal
from videolstm_jax.localize.foreground import foreground_maps
from videolstm_jax.localize.inputs import (
    localizer_flow_without_camera,
    localizer_input,
    localizer_input_of_features,
)
from videolstm_jax.measure.scores import softmax
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.stream import stream_functions

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


class Prediction(NamedTuple):
    """The prediction of one frame.

    `frame` counts from 0; `scores` [C] are this frame's class probabilities and `mean` [C] their
    mean so far; `attention` [N, N] sums to one and `box` [4] is x0 y0 x1 y1 in pixels, both None
    for cells that do not attend; `seconds` has the time of each step.
    """

    frame: int
    scores: np.ndarray
    mean: np.ndarray
    attention: np.ndarray | None
    box: np.ndarray | None
    seconds: Mapping[str, float]


class Predictor:
    """Reads a stream one frame at a time: `prediction = predictor(frame)`.

    The flow of a frame leads to the frame after it. So a model that reads flow predicts each frame
    when the next one has come, and its first call returns None. Its scores and attention are those
    of `evaluate` on the whole video, and its boxes those of `localize` with `localize.causal`, from
    the same first carry.
    """

    def __init__(
        self, model: TrainedModel | PathLike, *, flow: str = "", carry: PyTree | None = None
    ):
        """Loads a model with its backbones.

        Args:
          model: a model, or the folder of one: a run, `<work>/runs/<name>`, or a bundle.
          flow: another method of flow than the model was trained on.
          carry: what the first frame begins from; None takes the model's own start. A `mean` start
            is then that of the first frame alone, since no other is known.

        Raises:
          FileError: something is missing, damaged or does not belong to the model.
          ConfigError: an unknown method of flow.
        """
        if not isinstance(model, TrainedModel):
            model = TrainedModel.load(model)
        self.model = model
        self.functions = stream_functions(self.model, flow)
        self.restart(carry)

    @property
    def classes(self) -> tuple[str, ...]:
        """The C class names."""
        return self.model.classes

    @property
    def warning(self) -> str:
        """Where the stream differs from the stages; empty where it does not."""
        return "; ".join(self.functions.warnings)

    @property
    def delay(self) -> int:
        """Frames that must follow a frame before it is predicted: 1 with flow, else 0."""
        # The flow of a frame leads to the frame after it.
        return int(self.functions.flow is not None)

    def restart(self, carry: PyTree | None = None) -> None:
        """Begins another stream: the next frame is its first one, and starts from this carry."""
        self.carry = carry
        # The last frame, RGB and grey.
        self._previous: tuple[np.ndarray, np.ndarray] | None = None
        self._size: tuple[int, ...] | None = None
        self._trail = causal.START
        self._total = np.zeros(len(self.classes))
        self._count = 0

    def __call__(self, frame: np.ndarray) -> Prediction | None:
        """Takes the next frame.

        Args:
          frame: [H, W, 3] uint8 RGB, all of one size; it may be overwritten afterwards.

        Returns:
          The prediction of this frame, or, for a model that reads flow, of the one before; then
          None at first.

        Raises:
          VideoError: another dtype, shape or size than expected.
        """
        self._check(frame)
        # From here, so that the steps sum to the time of the call.
        lap = _timer()
        images = self._images(frame)
        if images is None:
            return None
        seconds = {}
        if self.delay:
            seconds["flow"] = lap()
        x, motion = self._features(images)
        seconds["convnets"] = lap()
        out = self.model.step(x, motion, self.carry)
        attention, self.carry = out.attention, out.carry
        # In NumPy: a second program on the device would cost more than these few numbers.
        scores = softmax(out.logits)
        seconds["step"] = lap()

        box = None
        if attention is not None:
            box = self._next_box(attention, out.x, images, frame.shape[:2])
            seconds["localize"] = lap()
        # In float64, so that the mean of a long stream does not drift.
        self._total += scores
        self._count += 1
        mean = self._total / self._count
        return Prediction(self._count - 1, scores.astype(np.float32), mean, attention, box, seconds)

    def _images(self, frame: np.ndarray) -> dict[str, np.ndarray] | None:
        """The images of the frame that can be predicted now, by stream; None while none can."""
        flow = self.functions.flow
        if flow is None:
            return {"rgb": frame}
        # Copied, since the caller may overwrite the frame before the next call.
        previous = self._previous
        self._previous = (frame.copy(), flow.grey(frame))
        if previous is None:
            return None
        return {"rgb": previous[0], "flow": flow.image(previous[1], self._previous[1])}

    def _features(self, images: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """The features of the frame that the model reads: x, and motion or None."""
        features = {}
        for stream, features_of in self.functions.features.items():
            features[stream] = features_of(images[stream])
        layers = self.model.layers
        x = features[self.model.stream][layers.x]
        if not layers.motion:
            return x, None
        # The motion input always comes from flow, whichever stream x comes from.
        return x, features["flow"][layers.motion]

    def _next_box(
        self,
        attention: np.ndarray,
        x: np.ndarray,
        images: Mapping[str, np.ndarray],
        size: tuple[int, int],
    ) -> np.ndarray | None:
        """Goes on with the tube by one frame of H, W = `size`."""
        settings, fit = self.functions.settings, self.functions.fit
        flow = foreground = None
        # As `localize` makes them of a whole video, with a batch of one frame.
        if settings.input == "motion":
            flow = localizer_flow_without_camera(images["flow"][None], len(attention), fit)
        if settings.input == "foreground":
            foreground = foreground_maps(x[None], self.model.foreground)
        maps = localizer_input(
            settings.input, attention[None], localizer_input_of_features(x[None]), flow, foreground
        )
        self._trail, box = causal.follow_causal_tube(
            self._trail, maps[0], size, settings=settings, fit=fit
        )
        return box

    def _check(self, frame: np.ndarray) -> None:
        shape = np.shape(frame)
        dtype = getattr(frame, "dtype", None)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or not all(shape):
            raise VideoError(f"a frame is {dtype} {list(shape)}; expected uint8 [H, W, 3]")
        # A camera or a pipe may change its size; boxes and flow of two sizes have nothing in
        # common.
        self._size = self._size or shape
        if shape != self._size:
            raise VideoError(
                f"a frame is {list(shape)}; expected {list(self._size)} as the first one was"
            )


def _timer() -> Callable[[], float]:
    """A function that gives the seconds since it was last called, at first since now."""
    lap_start = time.perf_counter()

    def lap() -> float:
        nonlocal lap_start
        lap_end = time.perf_counter()
        elapsed = lap_end - lap_start
        lap_start = lap_end
        return elapsed

    return lap
