"""A trained run as a function of one frame after another, in memory that does not grow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax import artifacts
from videolstm_jax.artifacts import ArtifactError, PathLike, Workdir
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.core.cells import CELLS, Layers
from videolstm_jax.core.model import make_model
from videolstm_jax.data import records
from videolstm_jax.data.images import pixels, preprocess, squashed
from videolstm_jax.data.store import FeatureStore
from videolstm_jax.flow import image
from videolstm_jax.localize import causal
from videolstm_jax.measure.scores import softmax
from videolstm_jax.nn.vgg import make_convnet, needed
from videolstm_jax.train.runs import Run, as_inputs, load_convnet, load_run, same_extractor
from videolstm_jax.types import Carry, Clip, Inputs
from videolstm_jax.video import decode, flow_file, flow_methods
from videolstm_jax.video.online import FlowSettings

TOGETHER = 4
"""Copies of a picture that a group-normalised ConvNet sees at once. For fewer XLA adds up a group in another order; its
features would round to other neighbours now and then, and scores would differ from those of whole videos by 1e-5."""


class StreamError(ValueError):
    """A frame that does not belong to the stream: the message says what it is and what was expected."""


class Prediction(NamedTuple):
    """What is known once a frame has been seen.

    `frame` counts from 0; `scores` [C] are this frame's class probabilities and `mean` [C] their mean so far;
    `attention` [N, N] sums to one and `box` [4] is x0 y0 x1 y1 in pixels, both None for cells that do not attend;
    `seconds` says what each stage took.
    """

    frame: int
    scores: np.ndarray
    mean: np.ndarray
    attention: np.ndarray | None
    box: np.ndarray | None
    seconds: Mapping[str, float]


class Parts(NamedTuple):
    """What a run needs to read frames: `look` by stream, and functions of one frame; see `load`."""

    run: Run
    stream: str
    layers: Layers
    how: LocalizeConfig
    fps: float
    look: Mapping[str, Callable[[np.ndarray], dict[str, np.ndarray]]]
    grey: Callable[[np.ndarray], np.ndarray] | None
    flow: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
    step: Callable[..., tuple[np.ndarray, np.ndarray | None, Carry]]
    note: str


class Predictor:
    """Reads a stream one frame at a time: `found = predictor(frame)`.

    A frame's flow leads to the frame after it, so a run that looks at flow speaks of each frame when the next one has
    come, and its first call gives None. What it says is what `evaluate` says of the whole video, and `localize` with
    `localize.causal`, from the same first carry.
    """

    def __init__(self, checkpoint: PathLike, *, flow: str = "", carry: Carry | None = None):
        """Loads a run with its ConvNets.

        Args:
          checkpoint: the folder of the run in its work folder, `<work>/runs/<name>`.
          flow: another method of flow than the run was trained on.
          carry: what the first frame begins from; None takes the model's own start. A `mean` start is then that of
            the first frame alone, since no other is known.

        Raises:
          ArtifactError: something of the run is missing, damaged or does not belong to it.
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
          What is known of this frame, or, for a run that looks at flow, of the one before; then None at first.

        Raises:
          StreamError: another dtype, shape or size than expected.
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
        logits, attention, self.carry = parts.step(seen[parts.stream][parts.layers.x], motion, self.carry)
        scores = softmax(logits)
        seconds["step"] = lap()
        box = None
        if attention is not None:
            how = parts.how
            self._trail, box = causal.follow(self._trail, attention, frame.shape[:2], sigma=how.sigma, box=how.box,
                                             theta=how.theta, normalise=how.normalise, span=how.span)
            seconds["localize"] = lap()
        self._total += scores
        self._count += 1
        return Prediction(self._count - 1, scores.astype(np.float32), self._total / self._count, attention, box,
                          seconds)

    def _images(self, frame: np.ndarray) -> dict[str, np.ndarray] | None:
        """The RGB image and the flow image of the frame that can be spoken of; None while there is none."""
        if self.parts.flow is None or self.parts.grey is None:
            return {"rgb": frame}
        before, self._before = self._before, (frame.copy(), self.parts.grey(frame))
        return None if before is None else {"rgb": before[0], "flow": self.parts.flow(before[1], self._before[1])}

    def _check(self, frame: np.ndarray) -> None:
        shape, dtype = np.shape(frame), getattr(frame, "dtype", None)
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or not all(shape):
            raise StreamError(f"a frame is {dtype} {list(shape)}; expected uint8 [H, W, 3]")
        self._size = self._size or shape
        if shape != self._size:
            raise StreamError(f"a frame is {list(shape)}; expected {list(self._size)} as the first one was")


def _timer() -> Callable[[], float]:
    """A function that gives the seconds since it was last called, at first since now."""
    before = time.perf_counter()

    def lap() -> float:
        nonlocal before
        now = time.perf_counter()
        before, taken = now, now - before
        return taken

    return lap


# ---- what a run consists of -------------------------------------------------------------------------------------


def load(checkpoint: PathLike, flow: str = "") -> Parts:
    """Reads a run, the ConvNets its features came from and how its flow was made; see `Predictor`."""
    work, name = artifacts.of_run(checkpoint)
    run = load_run(work.root, name)
    said = artifacts.read_json(work.run(name) / "config.json")["config"]
    layers, stream = CELLS[run.model.cell].layers, said["data"]["stream"]
    wanted: dict[str, dict[str, str]] = {stream: {"x": layers.x}}
    if layers.motion:
        wanted.setdefault("flow", {})["motion"] = layers.motion
    kept = said["data"].get("feature_dtype", "float16")
    look = {eye: _look(work, eye, inputs, run, kept) for eye, inputs in wanted.items()}
    grey, pair, note = _flow(work, flow) if "flow" in wanted else (None, None, "")
    known = {field.name for field in dataclasses.fields(LocalizeConfig)}
    how = LocalizeConfig(**{name: value for name, value in said.get("localize", {}).items() if name in known})
    if run.model.start == "mean":
        note += "; " * bool(note) + "the run starts from the mean of a whole video, a stream from its first frame"
    return Parts(run, stream, layers, how, said["data"].get("fps", 0.0), look, grey, pair, _step(run), note)


def _look(work: Workdir, stream: str, inputs: Mapping[str, str], run: Run,
          dtype: str) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The features of an image [H, W, ch] uint8 by layer, as the store would give them back.

    Args:
      work: where the ConvNet lies.
      stream: of the ConvNet.
      inputs: the inputs of the run, `x` and `motion`, that it makes, and which layer each is.
      run: the run.
      dtype: that features are stored in, where the store itself does not say.
    """
    folder = work.convnet(stream)
    trained = load_convnet(folder)
    if trained.classes != run.classes:
        raise ArtifactError(f"{folder}: the ConvNet knows {', '.join(trained.classes)}; the run knows "
                            f"{', '.join(run.classes)}; expected the same")
    net, cfg = make_convnet(trained.config, trained.channels, len(trained.classes)), trained.config
    mean, scale = map(list, pixels(stream, cfg.preprocessing, cfg.pixel_scale))
    about = {"sha256": trained.sha256,
             "preprocessing": {"name": cfg.preprocessing, "mean": mean, "scale": scale}}
    for name in inputs:
        same_extractor(run, name, about, folder)
    layers = sorted(set(inputs.values()))
    stored = {layer: _stored(work.features(stream, layer), dtype) for layer in layers}
    params = needed(trained.params, layers)
    apply = jax.jit(lambda params, x: {layer: getattr(net.apply(params, x), layer)[:1] for layer in layers})
    copies = TOGETHER if cfg.norm == "group" else 1

    def look(picture: np.ndarray) -> dict[str, np.ndarray]:
        side = cfg.image_size
        small = decode.squashed_to(picture, (side, side)) if stream == "rgb" else squashed(picture[None], side)[0]
        x = preprocess(small[None], stream, preprocessing=cfg.preprocessing, pixel_scale=cfg.pixel_scale)
        taps = jax.device_get(apply(params, x.repeat(copies, axis=0)))
        return {layer: records.decode(records.encode(tap, stored[layer]), tap.shape[1:], stored[layer])[0]
                for layer, tap in taps.items()}

    return look


def _stored(features: epath.Path, dtype: str) -> str:
    return FeatureStore.open(features).dtype if (features / "index.json").exists() else dtype


def _flow(work: Workdir, method: str) -> tuple[Callable, Callable, str]:
    """What makes a frame grey, what makes a flow image of two of those, and a word of warning."""
    path = work.flow / "settings.json"
    said = FlowSettings.of(artifacts.read_json(path, made_by="prepare"), path)
    limit, displacement = image.limit(said.bound, scaled=said.scaled), flow_methods.method(method or said.method)

    def grey(frame: np.ndarray) -> np.ndarray:
        return image.grey(decode.squashed_to(frame, said.view.size))

    def flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        found = image.to_image(displacement(a[None], b[None]), limit(*a.shape[::-1]))
        return flow_file.as_stored(found, said.image)[0]

    other = method and method != said.method
    return grey, flow, f"the run was trained on {said.method} flow and sees {method}" if other else ""


def _step(run: Run) -> Callable[..., tuple[np.ndarray, np.ndarray | None, Carry]]:
    """(x, motion, carry) of one frame to logits [C], attention [N, N] or None, and the next carry."""
    model = make_model(run.model)

    def clip(inputs: Inputs) -> Clip:
        return Clip(as_inputs(inputs, run.scales), np.ones((1, 1), bool))

    start = jax.jit(lambda params, inputs: model.start(params, clip(inputs)))
    apply = jax.jit(lambda params, inputs, carry: model.apply(params, clip(inputs), carry))

    def step(x: np.ndarray, motion: np.ndarray | None, carry: Carry | None) -> tuple:
        inputs = Inputs(x[None, None], None if motion is None else motion[None, None])
        out = apply(run.params, inputs, start(run.params, inputs) if carry is None else carry)
        attention = None if out.attention is None else np.asarray(out.attention)[0, 0]
        return np.asarray(out.logits)[0, 0], attention, out.carry

    return step
