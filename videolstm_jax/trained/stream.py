"""What a trained model needs to read a stream, as functions of one frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax

from videolstm_jax.clips.images import square_images
from videolstm_jax.features import records
from videolstm_jax.flow import image
from videolstm_jax.flow_images import flow_file, flow_methods
from videolstm_jax.video import decode

if TYPE_CHECKING:
    from videolstm_jax.backbone.convnet import Backbone, TrainedBackbone
    from videolstm_jax.config import LocalizeConfig
    from videolstm_jax.flow_images.online import FlowSettings
    from videolstm_jax.trained.model import TrainedModel
    from videolstm_jax.types import NDArray, PyTree

ImageFeatures = Callable[["NDArray"], dict[str, "NDArray"]]
"""An image [H, W, ch] uint8 to the features of each layer."""


class FlowFunctions(NamedTuple):
    """Flow images of a stream.

    `grey` brings a frame [H, W, 3] to luma at the size of flow; `image` makes the flow image
    [H', W', 2] uint8 of two of those.
    """

    grey: Callable[[NDArray], NDArray]
    image: Callable[[NDArray, NDArray], NDArray]


class StreamFunctions(NamedTuple):
    """The functions of one frame that a model's stream is made of.

    `features` makes them by stream. `flow` is None for a model that reads RGB alone. `settings`
    are those of the boxes, as a stream can follow them, and `fit` says how the attention lies on
    the frame. `warnings` say where the stream differs from the stages.
    """

    features: Mapping[str, ImageFeatures]
    flow: FlowFunctions | None
    settings: LocalizeConfig
    fit: str
    warnings: tuple[str, ...]


def stream_functions(model: TrainedModel, flow_method: str = "") -> StreamFunctions:
    """Reads the backbones of a model and how its flow was made.

    Args:
      model: one that was read from a run or a bundle.
      flow_method: another method of flow than the model was trained on; empty keeps that.

    Raises:
      FileError: something is missing, damaged or does not belong to the model.
      ConfigError: an unknown method of flow.
    """
    streams = model.layers_by_stream()
    features = {}
    for stream in streams:
        features[stream] = _image_features(model.backbone(stream))
    # Warnings and no errors: the stream works, but not quite as the stages did.
    flow, warnings = None, []
    if "flow" in streams:
        trained_on = model.place.flow_settings()
        flow = _flow_functions(trained_on._replace(method=flow_method or trained_on.method))
        if flow_method and flow_method != trained_on.method:
            warnings.append(
                f"the model was trained on {trained_on.method} flow and reads {flow_method} flow"
            )
    if model.config.start == "mean":
        warnings.append(
            "the first carry comes from the mean of a whole video in training, from the first "
            "frame in a stream"
        )
    settings, of_boxes = stream_settings(
        model.place.localize_settings(), flow is not None, model.foreground is not None
    )
    warnings += of_boxes
    return StreamFunctions(features, flow, settings, model.place.fit, tuple(warnings))


def stream_settings(
    settings: LocalizeConfig, reads_flow: bool, has_foreground: bool
) -> tuple[LocalizeConfig, list[str]]:
    """The settings of boxes that a stream can follow, and where they differ from the stages.

    Args:
      settings: those of the stage `localize`.
      reads_flow: whether the model reads flow.
      has_foreground: whether the model has the axis of the foreground.
    """
    warnings = []
    # The stages made flow for every video; a stream makes it only for a model that reads it.
    if settings.input == "motion" and not reads_flow:
        settings = dataclasses.replace(settings, input="weighted_features")
        warnings.append(
            "the model does not read flow, so boxes are made of the weighted features without "
            "motion"
        )
    # The axis is found in the features of the training list, which a stream does not have.
    if settings.input == "foreground" and not has_foreground:
        settings = dataclasses.replace(settings, input="weighted_features")
        warnings.append(
            "the model has no foreground axis, so boxes are made of the weighted features; "
            "`videolstm train` with the settings of the run takes no step and adds the axis"
        )
    if settings.normalise == "video":
        warnings.append(
            "boxes are scaled by the largest saliency so far, not by that of the whole video; the "
            "film's heat is scaled frame by frame"
        )
    return settings, warnings


def _image_features(backbone: Backbone) -> ImageFeatures:
    """The features of one image by layer, as the store would give them back."""
    trained = backbone.trained
    network = trained.network
    layers = sorted(backbone.dtypes)

    @jax.jit
    def apply(params: PyTree, x: jax.Array) -> dict[str, jax.Array]:
        features = network.apply(params, x)
        # The first of the copies. They are equal, so any would do.
        return {layer: features[layer][:1] for layer in layers}

    def features(picture: NDArray) -> dict[str, NDArray]:
        square = _fitted(picture, backbone.stream, trained)
        # Fewer images may be summed in another order, and differ from the stages' in the last bit.
        x = network.prepare(square[None]).repeat(network.least_batch, axis=0)
        values = jax.device_get(apply(trained.params, x))
        return {layer: _rounded(value, backbone.dtypes[layer]) for layer, value in values.items()}

    return features


def _fitted(picture: NDArray, stream: str, trained: TrainedBackbone) -> NDArray:
    side, fit = trained.config.image_size, trained.picture_fit
    # Three channels at once and two channels one by one, as the stage `extract` does it.
    if stream == "rgb":
        return decode.fitted_video_frame(picture, side, fit)
    return square_images(picture[None], side, fit)[0]


def _rounded(features: NDArray, dtype: str) -> NDArray:
    """One frame's features [1, ..] as they come back from a store of that dtype."""
    return records.decode_features(
        records.encode_features(features, dtype), features.shape[1:], dtype
    )[0]


def _flow_functions(settings: FlowSettings) -> FlowFunctions:
    """The flow of two frames as it would be stored and read again.

    Raises:
      ConfigError: an unknown method of flow.
    """
    displacement = flow_methods.flow_method(settings.method)
    bound = image.flow_limit(settings.bound, scaled=settings.scaled)

    def grey(frame: NDArray) -> NDArray:
        height, width = frame.shape[:2]
        # A fixed size, or one that keeps the shape of the frames.
        size = settings.frame_format.size_of(width, height)
        return image.grey_frames_for_flow(decode.squashed_video_frame(frame, size))

    # The bound may depend on the size of the frames, which is known with the first pair only.
    def flow_image(before: NDArray, after: NDArray) -> NDArray:
        height, width = before.shape
        moved = displacement(before[None], after[None])
        images = image.flow_to_image(moved, bound(width, height))
        return flow_file.as_stored_flow(images, settings.image)[0]

    return FlowFunctions(grey, flow_image)
