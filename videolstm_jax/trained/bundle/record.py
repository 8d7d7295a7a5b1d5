"""What every field of a bundle's model.json may hold, as typed records.

Records are open unless they say otherwise: a later version may write further fields, see
`writer.VERSIONS`. Whether fields agree with one another, and with the files, is checked by
`agreement`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from videolstm_jax.config import ConvNetConfig, LocalizeConfig, ModelConfig
from videolstm_jax.dataset.training_list import TrainingList
from videolstm_jax.json_records import json_record, value_text
from videolstm_jax.trained.foreground import ForegroundRecord

# JSON integers have no bounds. This one keeps out sizes that overflow a computation.
LARGEST_INT = 2**31 - 1

_Text = Annotated[str, MinLen(1)]
_Int = Annotated[int, Interval(ge=-LARGEST_INT, le=LARGEST_INT)]
_Count = Annotated[int, Interval(ge=0, le=LARGEST_INT)]
_Positive = Annotated[float, Gt(0)]
_FromZero = Annotated[float, Ge(0)]
_Share = Annotated[float, Interval(ge=0, le=1)]
_Numbers = Annotated[tuple[float, ...], MinLen(1)]


# ---- parts ---------------------------------------------------------------------------------------


@json_record(unknown="forbid")
@dataclass(frozen=True)
class ScalesRecord:
    """The divisors of the features; see `functions.Scales`."""

    x: _Positive
    motion: _Positive


@json_record(unknown="forbid")
@dataclass(frozen=True)
class LayersRecord:
    """The layers that the cell reads; see `core.cells.Layers`."""

    x: _Text
    motion: _Text | None


@json_record()
@dataclass(frozen=True)
class PreprocessingRecord:
    """How pixels are prepared: its name, and what is subtracted and multiplied, where known."""

    name: _Text
    # Null in the file is refused, while a default is not checked.
    mean: _Numbers = ()
    scale: _Numbers = ()
    fit: Literal["squash", "pad", "crop"] = "squash"


@json_record()
@dataclass(frozen=True)
class BackboneRecord:
    """The backbone of a stream, and the dtype that each of its layers is rounded to."""

    convnet: ConvNetConfig
    channels: Literal[2, 3]
    layers: Annotated[dict[str, Literal["float16", "uint8"]], MinLen(1)]
    sha256: _Text
    preprocessing: PreprocessingRecord
    # A bundle that was made before the field has a VGG.
    backbone: str = "vgg"


@json_record()
@dataclass(frozen=True)
class ExtractorRecord:
    """What made the features of an input; null where that was not known."""

    convnet: _Text | None
    preprocessing: PreprocessingRecord | None


@json_record()
@dataclass(frozen=True)
class FlowRecord:
    """The settings of flow images; see `flow_images.online.FlowSettings`."""

    method: Literal["tvl1", "tvl1_edges", "dis", "opencv_tvl1"]
    width: _Count
    height: _Count
    shorter_side: _Count
    bound: _Positive
    scaled: bool
    image: Literal["jpeg", "png"]
    fps: _FromZero
    max_frames: _Count
    fit: Literal["squash", "pad", "crop"] = "squash"

    def __post_init__(self) -> None:
        """Raises ValueError where only one side is given."""
        if (self.width == 0) != (self.height == 0):
            raise ValueError(f"flow is {self.width} x {self.height}; expected both sides, or 0 x 0")


@json_record()
@dataclass(frozen=True)
class ProvenanceRecord:
    """How the model came about."""

    run: str
    preset: str
    seed: _Int | None
    data_source: str
    overrides: dict[str, Any]
    training_list_sha256: _Text | None

    def __post_init__(self) -> None:
        """Raises ValueError for an override that no setting can have."""
        for name, setting in self.overrides.items():
            # A tuple of settings is a list in JSON.
            elements = [setting]
            if isinstance(setting, list):
                elements = setting
            for element in elements:
                if not isinstance(element, str | int | float):
                    raise ValueError(
                        f"overrides.{name} is {value_text(setting)}; expected text, a number, true "
                        "or false, or a list of those"
                    )


@json_record()
@dataclass(frozen=True)
class AccuracyRecord:
    """Test videos that were right, all of them, and those that the model was trained on."""

    right: _Count
    videos: _Count
    trained_on: _Count = 0


@json_record()
@dataclass(frozen=True)
class IntervalRecord:
    """A share and its confidence interval."""

    value: _Share
    low: _Share
    high: _Share


@json_record()
@dataclass(frozen=True)
class ResultsRecord:
    """The measured results; None where the model was not evaluated, which the file leaves out."""

    # No `| None`: null in the file is refused, while a default is not checked.
    accuracy: AccuracyRecord = None
    frame_iou: IntervalRecord = None


# ---- the whole record ----------------------------------------------------------------------------


@json_record()
@dataclass(frozen=True)
class BundleRecord:
    """The content of model.json but for its version and its sum, which are checked before."""

    format: Literal["videolstm-jax bundle"]  # `writer.BUNDLE_FORMAT`
    classes: Annotated[tuple[_Text, ...], MinLen(1)]
    model: ModelConfig
    layers: LayersRecord
    stream: Literal["rgb", "flow"]
    scales: ScalesRecord
    fps: _FromZero
    extractors: dict[str, ExtractorRecord]
    backbones: Annotated[dict[str, BackboneRecord], MinLen(1)]
    flow: FlowRecord | None
    localize: LocalizeConfig
    provenance: ProvenanceRecord
    results: ResultsRecord
    versions: dict[str, str]
    files: Annotated[dict[str, _Text], MinLen(1)]
    # Absent where frames are squashed, as in version 1.
    fit: Literal["squash", "pad", "crop"] = "squash"
    # The first block of the backbone that was trained with the cell; absent without one.
    backbone_from: str = ""
    # Absent or null for a model whose training list was not recorded.
    trained_on: TrainingList | None = None
    # Absent for a cell without attention, for vectors and where part of the backbone was trained.
    foreground: ForegroundRecord | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for two classes of one name."""
        if len(set(self.classes)) != len(self.classes):
            text = value_text(self.classes)
            raise ValueError(f"classes is {text}; expected different names")


def bundle_settings_problem(record: Mapping[str, Any]) -> str:
    """What is wrong with the settings in model.json, before they are decoded.

    A setting that is absent would become the default of this version, which may be another one
    than that of the version that wrote the file. One that is unknown may change the model.
    """
    # The records of settings have defaults, so a decoder would not miss a field.
    settings = {"model": (record.get("model"), ModelConfig)}
    settings["localize"] = (record.get("localize"), LocalizeConfig)
    backbones = record.get("backbones")
    if isinstance(backbones, dict):
        for stream, row in backbones.items():
            if isinstance(row, dict):
                settings[f"backbones.{stream}.convnet"] = (row.get("convnet"), ConvNetConfig)
    for name, (config, kind) in settings.items():
        # Settings that are no object are refused where they are decoded.
        if not isinstance(config, dict):
            continue
        problem = _fields_problem(name, config, kind)
        if problem:
            return problem
    return ""


def _fields_problem(name: str, config: dict[str, Any], kind: type) -> str:
    # Of this version: another version may have renamed a field, and both are then named here.
    fields = {field.name for field in dataclasses.fields(kind)}
    missing = sorted(fields - config.keys())
    if missing:
        return f"{name}.{missing[0]} is missing"
    unknown = sorted(config.keys() - fields)
    if unknown:
        return f"{name} has the unknown fields {', '.join(unknown)}"
    for field, setting in config.items():
        if isinstance(setting, int) and abs(setting) > LARGEST_INT:
            return f"{name}.{field} is {value_text(setting)}; expected at most {LARGEST_INT}"
    return ""
