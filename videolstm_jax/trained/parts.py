"""What a trained run consists of, as functions of one frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.clips.images import pixels, preprocess, squashed
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.core.cells import Layers, find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import FileError
from videolstm_jax.features import records
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import PathLike
from videolstm_jax.flow import image
from videolstm_jax.nn.vgg import make_convnet, params_for_taps
from videolstm_jax.train.runs import Run, as_inputs, load_convnet, load_run, same_extractor
from videolstm_jax.trained.evaluated import localize_settings
from videolstm_jax.types import Carry, Clip, Inputs
from videolstm_jax.video import decode, flow_file, flow_methods
from videolstm_jax.video.online import FlowSettings

TOGETHER = 4
"""Copies of a picture that a group-normalised ConvNet sees at once. For fewer XLA adds up a group
in another order; its features would round to other neighbours now and then, and scores would differ
from those of whole videos by 1e-5."""


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


def load(checkpoint: PathLike, flow: str = "") -> Parts:
    """Reads a run, the ConvNets its features came from and how its flow was made; see `Predictor`."""
    work, name = artifacts.of_run(checkpoint)
    run = load_run(work.root, name)
    said = artifacts.load_config(work.run(name), made_by="train")["config"]
    layers, stream = find_cell(run.model.cell).layers, said["data"]["stream"]
    wanted: dict[str, dict[str, str]] = {stream: {"x": layers.x}}
    if layers.motion:
        wanted.setdefault("flow", {})["motion"] = layers.motion
    kept = said["data"].get("feature_dtype", "float16")
    look = {eye: _look(work, eye, inputs, run, kept) for eye, inputs in wanted.items()}
    grey, pair, note = _flow(work, flow) if "flow" in wanted else (None, None, "")
    how = localize_settings(work, name)
    notes = [note] * bool(note)
    if run.model.start == "mean":
        notes.append("the run starts from the mean of a whole video, a stream from its first frame")
    if how.input == "motion" and grey is None:
        how = dataclasses.replace(how, input="weighted_features")
        notes.append(
            "the run does not look at flow, so boxes are made of the weighted features without motion"
        )
    if how.normalise == "video":
        notes.append(
            "the run's boxes go by the largest saliency of a video, here the largest so far; a film's heat by "
            "that of each frame"
        )
    return Parts(
        run,
        stream,
        layers,
        how,
        said["data"].get("fps", 0.0),
        look,
        grey,
        pair,
        _step(run),
        "; ".join(notes),
    )


def _look(
    work: Workdir, stream: str, inputs: Mapping[str, str], run: Run, dtype: str
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
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
        raise FileError(
            f"{folder}: the ConvNet knows {', '.join(trained.classes)}; the run knows "
            f"{', '.join(run.classes)}; expected the same"
        )
    net, cfg = make_convnet(trained.config, trained.channels, len(trained.classes)), trained.config
    mean, scale = map(list, pixels(stream, cfg.preprocessing, cfg.pixel_scale))
    about = {
        "sha256": trained.sha256,
        "preprocessing": {"name": cfg.preprocessing, "mean": mean, "scale": scale},
    }
    for name in inputs:
        same_extractor(run, name, about, folder)
    layers = sorted(set(inputs.values()))
    stored = {layer: _stored(work.features(stream, layer), dtype) for layer in layers}
    params = params_for_taps(trained.params, layers)
    apply = jax.jit(
        lambda params, x: {layer: getattr(net.apply(params, x), layer)[:1] for layer in layers}
    )
    copies = TOGETHER if cfg.norm == "group" else 1

    def look(picture: np.ndarray) -> dict[str, np.ndarray]:
        side = cfg.image_size
        small = (
            decode.squashed_to(picture, (side, side))
            if stream == "rgb"
            else squashed(picture[None], side)[0]
        )
        x = preprocess(
            small[None], stream, preprocessing=cfg.preprocessing, pixel_scale=cfg.pixel_scale
        )
        taps = jax.device_get(apply(params, x.repeat(copies, axis=0)))
        return {
            layer: records.decode(records.encode(tap, stored[layer]), tap.shape[1:], stored[layer])[
                0
            ]
            for layer, tap in taps.items()
        }

    return look


def _stored(features: epath.Path, dtype: str) -> str:
    return FeatureStore.open(features).dtype if (features / "index.json").exists() else dtype


def _flow(work: Workdir, method: str) -> tuple[Callable, Callable, str]:
    """What makes a frame grey, what makes a flow image of two of those, and a word of warning."""
    path = work.flow / "settings.json"
    said = FlowSettings.of(files.read_json(path, made_by="prepare"), path)
    limit, displacement = (
        image.limit(said.bound, scaled=said.scaled),
        flow_methods.method(method or said.method),
    )

    def grey(frame: np.ndarray) -> np.ndarray:
        return image.grey(decode.squashed_to(frame, said.view.size))

    def flow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        found = image.to_image(displacement(a[None], b[None]), limit(*a.shape[::-1]))
        return flow_file.as_stored(found, said.image)[0]

    other = method and method != said.method
    return (
        grey,
        flow,
        f"the run was trained on {said.method} flow and sees {method}" if other else "",
    )


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
