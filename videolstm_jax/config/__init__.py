"""Every setting of the project: one frozen dataclass a subject, checked where it is made.

The defaults are the `paper` preset: the text to the letter, silent points filled plainly (see
docs/decisions.md).
"""

from videolstm_jax.config.cluster import ClusterConfig
from videolstm_jax.config.commands import BundleConfig, OverlayConfig, PredictConfig
from videolstm_jax.config.convnet import ConvNetConfig
from videolstm_jax.config.inputs import FITS, STREAMS, DataConfig, FlowConfig
from videolstm_jax.config.results import EvalConfig, FuseConfig, LocalizeConfig, ReportConfig
from videolstm_jax.config.run import PipelineConfig, RunConfig, change, flat_settings, setting_text
from videolstm_jax.config.shallow import IdtConfig, ObjectsConfig
from videolstm_jax.config.training import ModelConfig, OptimConfig, TrainConfig
from videolstm_jax.errors import ConfigError

__all__ = [
    "BundleConfig",
    "FITS",
    "STREAMS",
    "ClusterConfig",
    "ConfigError",
    "ConvNetConfig",
    "DataConfig",
    "EvalConfig",
    "FlowConfig",
    "FuseConfig",
    "IdtConfig",
    "LocalizeConfig",
    "ModelConfig",
    "ObjectsConfig",
    "OptimConfig",
    "OverlayConfig",
    "PipelineConfig",
    "PredictConfig",
    "ReportConfig",
    "RunConfig",
    "TrainConfig",
    "setting_text",
    "change",
    "flat_settings",
]
