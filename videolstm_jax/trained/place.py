"""What is stored of a trained model, and the protocol of the places where a model can lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from videolstm_jax.config import ModelConfig
from videolstm_jax.trained.functions import Scales

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.backbone.block import TrainedBlock
    from videolstm_jax.backbone.convnet import TrainedBackbone
    from videolstm_jax.config import LocalizeConfig
    from videolstm_jax.flow_images.online import FlowSettings
    from videolstm_jax.localize.foreground import ForegroundAxis
    from videolstm_jax.types import Params


class StoredModel(NamedTuple):
    """The recurrent model itself, as a run folder or a bundle stores it.

    `config` has the sizes of the features. `stream` is the one that `x` comes from. `extractors`
    records what made the features of `x` and `motion`, where that is known; see
    `backbone.convnet.extractor_of`. `trained_on` is its `training_list`; empty where that is not
    known. `block` is the part of the backbone that was trained with the cell; None without one.
    `foreground` is the axis of the features of `x`, see `trained.foreground`; None where there is
    none.
    """

    config: ModelConfig
    params: Params
    scales: Scales
    classes: tuple[str, ...]
    stream: str
    extractors: Mapping[str, Mapping[str, Any]]
    trained_on: tuple[str, ...] = ()
    block: TrainedBlock | None = None
    foreground: ForegroundAxis | None = None


class Place(Protocol):
    """The place a model was read from: a run in a work folder, or a bundle.

    A stream and a bundle need more than the recurrent model. What they need is read when it is
    asked for, since a run of imported features has no backbone beside it.
    """

    @property
    def folder(self) -> epath.Path:
        """The folder that was loaded."""

    @property
    def fps(self) -> float:
        """The rate in frames a second that videos were resampled to; 0 is their own."""

    @property
    def fit(self) -> str:
        """How frames are brought to a square: the setting `data.fit`."""

    def backbone(self, stream: str) -> tuple[epath.Path, TrainedBackbone]:
        """The backbone of a stream and where it lies."""

    def feature_dtype(self, stream: str, layer: str) -> str:
        """The dtype that the features of a layer are rounded to."""

    def flow_settings(self) -> FlowSettings:
        """The settings of the flow images that the model was trained on."""

    def localize_settings(self) -> LocalizeConfig:
        """The settings that boxes are made with."""

    def provenance(self) -> dict[str, Any]:
        """How the model came about: run, preset, settings, seed, training list."""

    def results(self) -> dict[str, Any]:
        """The measured results, by name; empty where the model was not evaluated."""
