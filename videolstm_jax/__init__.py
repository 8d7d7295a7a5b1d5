"""VideoLSTM in JAX: recurrent networks that convolve, attend and flow for action recognition.

The names below are the public ones. Each is imported when it is first used: localisation and
measurement need no JAX, so importing the package must not start it.
"""

import importlib
from typing import Any

_NAMES = {  # module: its public names
    "errors": ("ConfigError", "FileError", "VideoError"),
    "config": (
        "ModelConfig",
        "DataConfig",
        "FlowConfig",
        "ConvNetConfig",
        "OptimConfig",
        "TrainConfig",
        "EvalConfig",
        "LocalizeConfig",
        "FuseConfig",
        "PredictConfig",
        "PipelineConfig",
        "RunConfig",
        "change",
    ),
    "presets": ("PRESETS", "Settings", "configured"),
    "types": (
        "Inputs",
        "Clip",
        "Batch",
        "LSTMState",
        "Carry",
        "CellOut",
        "Output",
        "LSTMParams",
        "AttentionParams",
        "CellParams",
        "HeadParams",
        "Params",
        "TrainState",
        "Scores",
        "Tube",
        "Detection",
    ),
    "core.model": ("Model", "make_model"),
    "core.cell": ("Cell", "Drive", "Layers", "bind"),
    "core.cells": ("CELLS", "find_cell"),
    "core.ops": ("lstm", "attention", "weigh", "expect"),
    "core.unroll": ("unroll",),
    "testing": ("check_cell",),
    "train.losses": ("sequence_xent",),
    "train.optim": ("rmsprop",),
    "train.step": ("make_step",),
    "train.graft": ("graft",),
    "clips.snippets": ("segment_starts",),
    "features.writer": ("FeatureWriter",),
    "features.store": ("FeatureStore",),
    "measure.scores": ("video_scores",),
    "measure.fusion.rules": ("product_fusion",),
    "measure.video_ap": ("video_map",),
    "measure.tube_summary": ("tube_summary",),
    "annotations.truth": ("read_truth",),
    "localize.saliency": ("saliency",),
    "localize.boxes": ("frame_boxes", "moment_box"),
    "localize.linking": ("link", "link_all"),
    "localize.tubes": ("video_tube", "video_tracks"),
    "localize.smooth": ("smooth_tube",),
    "flow.tvl1": ("tvl1",),
    "trained.model": ("TrainedModel",),
    "trained.predictor": ("Predictor", "Prediction"),
}
_MODULE = {}
for _module, _public in _NAMES.items():
    _MODULE |= dict.fromkeys(_public, f"{__name__}.{_module}")
__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return __all__
