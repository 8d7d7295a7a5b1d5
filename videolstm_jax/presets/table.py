"""The presets: the paper, its authors' code, our own best guess, and small sizes for a laptop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Settings by name.

    `settings` are for every run, `cells` for those cells that differ, and `streams` for those
    streams that differ. `frozen` are for a backbone other than the VGG: such a network is used as
    it is, and only the layer of the classes is trained. `lite0_rgb` are for boxes of runs that read
    RGB frames through Lite0, unless the user chooses another `localize.input`.
    """

    about: str
    settings: Mapping[str, Any]
    cells: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    streams: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    frozen: Mapping[str, Any] = MappingProxyType({"convnet__train_layers": "last"})
    lite0_rgb: Mapping[str, Any] = MappingProxyType({})


# Where the paper is silent, docs/decisions.md compares these columns row by row.
_MEAN_START = {"model__start": "mean"}
# The released code has dropout .5 before and after the LSTM and the ALSTM, .7 elsewhere.
_TWO_DROPOUTS = {"model__dropout": 0.5, "model__hidden_dropout": 0.5}
# The authors copy parts of networks that were trained before into VideoLSTM.
_GRAFTS = {
    "train__graft": (
        "convlstm-flow:cell.motion",
        "convalstm-rgb:cell.top",
        "convalstm-rgb:cell.attend",
    )
}

_AUTHORS = {
    "model__init": "fan_in",
    "model__motion_kernel": 1,
    "data__order": "epochs",
    "data__short_clips": "count",
    "data__validation": 0.0,
    "eval__segment_rule": "authors",
    # The middle of their 200 to 400 epochs of one snippet a video: 15,000 to 30,000 updates.
    "train__steps": 22_500,
    "pipeline__flow_cell": "convalstm",
}

_MODERN = {
    # All of the frame is read, and undistorted, as an ImageNet network expects it. What the other
    # values are worth was measured on one set only (docs/experiments/aspect_ratio.md).
    "data__fit": "pad",
    "data__feature_scale": "std",
    "data__mirrored": True,
    "data__order": "epochs",
    "data__validation": 0.1,
    "model__forget_bias": 1.0,
    "model__dropout": 0.5,
    "optim__name": "adam",
    "optim__learning_rate": 1e-3,
    "optim__clip": 1.0,
    "train__keep": "best",
    # The paper's 20 pixels waste most of the 256 levels on small, slow videos.
    "flow__percentile": 99.0,
    "localize__box": "moments",
    "localize__input": "weighted_features",
    "localize__sigma": 0.0,  # the Gaussian would only add its own variance to the moments
}

# Measured on three sets (docs/results/localisation.md): above the mean training box on each, where
# maps of attention are below it. On hard stick actions regions are better than moments by .03. It
# was measured with Lite0 on RGB frames alone.
_FOREGROUND = {"localize__input": "foreground", "localize__box": "region"}

_SMALL = _MODERN | {
    # A tenth of a few hundred clips says little about a checkpoint, so all of them are trained on.
    "data__validation": 0.0,
    "train__keep": "last",
    "eval__states": "hidden",
    "data__frames": 16,
    "data__batch": 16,
    "flow__width": 0,
    "flow__height": 0,
    # Flow of twice the network's 56 pixels: finer motion is lost when the network squashes it.
    "flow__convnet_sides": 2.0,
    "flow__image": "png",
    "convnet__image_size": 56,
    "convnet__widths": (16, 32, 64),
    "convnet__depths": (1, 1, 2),
    "convnet__dense": (128,),
    "convnet__head": "pooled",
    "convnet__norm": "group",
    "convnet__optimizer": "adam",
    "convnet__learning_rate": 2e-3,
    "convnet__batch": 32,
    "convnet__steps": 500,
    "convnet__shift": 0.1,
    "convnet__pixel_scale": 1 / 58,  # pixels to unit deviation; there are no published weights
    "model__hidden": 48,
    "model__attention": 48,
    "model__head": 128,
    "optim__schedule": "cosine",
    "train__steps": 150,
    "train__save_every": 50,
    "train__log_every": 10,
}

# The published results of the built-in stick actions are from before there were mirrored features,
# and stay comparable. Half of the actors are drawn turned round anyway, and on hard stick actions
# mirrored features made no difference beyond chance (docs/decisions.md).
_STICK_ACTIONS = {"data__source": "stick_actions", "data__mirrored": False}

# Settings of the small presets that suit a network trained from nothing, as a frozen ImageNet
# network needs them: ImageNet's size and range of pixels. The last layer alone learns quickly.
_SMALL_FROZEN = {
    "convnet__train_layers": "last",
    "convnet__image_size": 224,
    "convnet__pixel_scale": 1.0,
    "convnet__steps": 150,
}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": Preset("the text to the letter; silent points filled causally and plainly", {}),
        "authors": Preset(
            "what the authors' released code does, where it differs from the text",
            _AUTHORS,
            {
                "lstm": _TWO_DROPOUTS,
                "alstm": _MEAN_START | _TWO_DROPOUTS,
                "convalstm": _MEAN_START,
                "motion_alstm": _MEAN_START | _TWO_DROPOUTS,
                "videolstm": _MEAN_START | _GRAFTS,
            },
        ),
        "modern": Preset(
            "our best guess until measured, at the paper's size", _MODERN, lite0_rgb=_FOREGROUND
        ),
        "small": Preset(
            "modern with 48 hidden channels, on frozen ImageNet features of frames at 224 x 224 "
            "pixels and a network at 56 x 56 that learns flow from nothing: for own videos, on a "
            "laptop",
            _SMALL,
            streams={"rgb": {"convnet__backbone": "lite0"}},
            frozen=_SMALL_FROZEN,
            lite0_rgb=_FOREGROUND,
        ),
        "demo": Preset(
            "small at 56 x 56 for both streams, on the built-in stick actions, without mirrored "
            "features",
            _SMALL
            | _STICK_ACTIONS
            | {
                "data__difficulty": "easy",
                "pipeline__cells": ("alstm", "videolstm"),
            },
            frozen=_SMALL_FROZEN,
            lite0_rgb=_FOREGROUND,
        ),
        "research": Preset(
            "demo, on a larger and harder set of stick actions",
            _SMALL
            | _STICK_ACTIONS
            | {
                "data__difficulty": "hard",
                "data__clips_per_class": 100,
                "data__test_clips_per_class": 25,
                "convnet__steps": 1000,
                "train__steps": 300,
                "pipeline__cells": ("alstm", "convalstm", "videolstm"),
            },
            frozen=_SMALL_FROZEN,
            lite0_rgb=_FOREGROUND,
        ),
    }
)
