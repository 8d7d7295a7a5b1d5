"""Each preset's column of docs/decisions.md, row by row."""

import dataclasses

import pytest

from videolstm_jax.config import ConvNetConfig, RunConfig, change, flat_settings
from videolstm_jax.core import CELLS
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import PRESETS, Settings, configured, convnet_of

COLUMNS = {  # setting: (paper, authors, modern), for VideoLSTM
    "pipeline__flow_cell": ("videolstm", "convalstm", "videolstm"),
    "model__attention_scale": (1.0, 1.0, 1.0),
    "data__feature_scale": ("raw", "raw", "std"),
    "model__start": ("zeros", "mean", "zeros"),
    "model__kernel": (3, 3, 3),
    "model__motion_kernel": (3, 1, 3),
    "model__head": (1024, 1024, 1024),
    "model__dropout": (0.7, 0.7, 0.5),
    "model__hidden_dropout": (0.0, 0.0, 0.0),
    "optim__name": ("rmsprop", "rmsprop", "adam"),
    "optim__learning_rate": (1e-3, 1e-3, 1e-3),
    "optim__decay": (0.9, 0.9, 0.9),
    "optim__eps": (1e-6, 1e-6, 1e-6),
    "optim__clip": (0.0, 0.0, 1.0),
    "optim__weight_decay": (0.0, 0.0, 0.0),
    "model__init": ("glorot", "fan_in", "glorot"),
    "model__forget_bias": (0.0, 0.0, 1.0),
    "data__batch": (128, 128, 128),
    "data__order": ("iid", "epochs", "epochs"),
    "train__steps": (20_000, 22_500, 20_000),
    "data__frames": (30, 30, 30),
    "data__short_clips": ("mask", "count", "mask"),
    "eval__segments": (25, 25, 25),
    "eval__segment_rule": ("paper", "authors", "paper"),
    "data__validation": (0.0, 0.0, 0.1),
    "train__keep": ("last", "last", "best"),
    "train__graft": (
        (),
        ("convlstm-flow:cell.motion", "convalstm-rgb:cell.top", "convalstm-rgb:cell.attend"),
        (),
    ),
    "convnet__image_size": (224, 224, 224),
    "flow__bound": (20.0, 20.0, 20.0),
    "flow__percentile": (0.0, 0.0, 99.0),
    "flow__width": (340, 340, 340),
    "flow__height": (256, 256, 256),
    "localize__sigma": (20.0, 20.0, 0.0),
    "localize__box": ("region", "region", "moments"),
    "localize__input": ("attention", "attention", "weighted_features"),
    "localize__theta": (100.0, 100.0, 100.0),
    "localize__normalise": ("frame", "frame", "frame"),
    "localize__span": (15, 15, 15),
}


@pytest.mark.parametrize("setting", COLUMNS)
def test_the_columns(setting):
    values = tuple(
        flat_settings(configured(name, "videolstm"))[setting]
        for name in ("paper", "authors", "modern")
    )
    assert values == COLUMNS[setting]


def test_authors_start_and_dropout_of_each_cell():
    column = {cell: configured("authors", cell).model for cell in CELLS}
    assert {cell: model.start for cell, model in column.items()} == {
        "lstm": "zeros",
        "convlstm": "zeros",
        "alstm": "mean",
        "convalstm": "mean",
        "motion_alstm": "mean",
        "videolstm": "mean",
    }
    assert {
        cell
        for cell, model in column.items()
        if (model.dropout, model.hidden_dropout) == (0.5, 0.5)
    } == {"lstm", "alstm", "motion_alstm"}


def test_paper_is_the_default():
    assert configured("paper") == RunConfig()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_preset_serves_every_cell(preset, cell):
    cfg = configured(preset, cell)
    assert (cfg.preset, cfg.model.cell, cfg.overrides) == (preset, cell, {"model__cell": cell})
    assert Settings.of(cfg).config() == cfg


def test_for_cell_takes_the_other_column_and_keeps_the_overrides():
    settings = Settings.of(configured("authors", "videolstm", train__steps=7, seed=2))
    cfg = settings.for_cell("alstm", "flow")
    assert (cfg.model.cell, cfg.data.stream, cfg.train.steps, cfg.seed) == ("alstm", "flow", 7, 2)
    assert (cfg.model.hidden_dropout, cfg.train.graft) == (0.5, ())


OTHERS = {  # values that are different and valid, where none can be derived from the type
    "data__group_pattern": "(x)",
    "data__source": "tfds:ucf101/ucf101_1",
    "pipeline__cells": ("convlstm", "alstm"),
    "pipeline__flow_cell": "motion_alstm",
    "pipeline__flow_backbone": "lite0",
    "convnet__backbone": "a.b:C",
    "convnet__train_layers": "block1",
    "fuse__weights": (1.0, 0.5),
    "train__backbone_from": "block3",
}


def other_value(path, value):
    """A value of the setting that differs from this one."""
    section, _, name = path.rpartition("__")
    owner = getattr(RunConfig(), section) if section else RunConfig()
    (field,) = [field for field in dataclasses.fields(owner) if field.name == name]
    if path in OTHERS:
        return OTHERS[path]
    if field.metadata["choices"]:
        return next(choice for choice in field.metadata["choices"] if choice != value)
    if isinstance(value, bool):
        return not value
    if path in ("model__kernel", "model__motion_kernel"):
        return value + 2
    if path == "convnet__image_size":
        return value * 2
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return 0.25 if value != 0.25 else 0.5
    if isinstance(value, tuple) and value and isinstance(value[0], int):
        return tuple(size + 1 for size in value)
    return ("a", "b") if isinstance(value, tuple) else f"{value}x"


def other_values(cfg):
    """Every setting but the cell and the stream, with a value that the configuration lacks."""
    for path, value in flat_settings(cfg).items():
        if path not in ("model__cell", "data__stream"):
            yield path, other_value(path, value), value


TOGETHER = {  # settings that are only valid with another one
    "train__keep": {"data__validation": 0.2},
    "data__validation": {"data__validation": 0.25},
    "localize__tubes": {"localize__box": "region"},
    "localize__box": {"localize__tubes": 1},
    "convnet__pixel_scale": {"convnet__backbone": "vgg"},
    "convnet__preprocessing": {"convnet__backbone": "vgg"},
    "fuse__validation": {"fuse__search": True},
    "flow__width": {"flow__height": 7},
    "flow__height": {"flow__width": 7},
}


def valid_with(path, wanted, defaults):
    """The overrides that give this setting this value, and those that it is only valid with."""
    overrides = {**TOGETHER.get(path, {}), path: wanted}
    if path == "data__validation" and wanted == 0.0:
        overrides["train__keep"] = "last"
    if path in ("convnet__widths", "convnet__depths") and wanted == defaults[path]:
        for name in ("convnet__widths", "convnet__depths", "convnet__image_size"):
            overrides[name] = defaults[name]
    return overrides


# The smaller presets are columns of the same table.
QUICK_PRESETS = ("paper", "authors", "modern", "small")


# All cells with one preset, and two cells with the others; the rest is slow.
QUICK_CELLS = ("lstm", "videolstm")


def presets_and_cells():
    for preset in PRESETS:
        for cell in CELLS:
            is_quick = preset in QUICK_PRESETS and (preset == "paper" or cell in QUICK_CELLS)
            yield pytest.param(preset, cell, marks=() if is_quick else pytest.mark.slow)


@pytest.mark.parametrize(("preset", "cell"), list(presets_and_cells()))
def test_an_override_reaches_every_run(preset, cell):
    """Every setting: with another value than the preset's, and with the default of the project."""
    defaults = flat_settings(RunConfig())
    for path, other, value in other_values(configured(preset, cell)):
        assert other != value, path
        for wanted in (other, defaults[path]):
            overrides = valid_with(path, wanted, defaults)
            settings = Settings(preset, overrides)
            assert Settings.of(settings.config()) == settings
            for stream in ("rgb", "flow"):
                if path == "convnet__backbone" and stream == "flow":
                    continue  # that of a pipeline is the RGB stream's
                run = settings.for_cell(cell, stream)
                values = flat_settings(run)
                assert {name: values[name] for name in overrides} == overrides
                assert (run.model.cell, run.data.stream) == (cell, stream)


def test_settings_that_nobody_gave_are_not_lost_silently():
    with pytest.raises(ConfigError, match=r"workdir is 'x', which neither the preset 'paper' nor"):
        Settings.of(RunConfig(workdir="x"))
    with pytest.raises(ConfigError, match=r"model.dropout is 0.7, which neither"):
        Settings.of(change(configured("authors"), model__cell="lstm"))


def test_unknown_names():
    with pytest.raises(ConfigError, match="no preset 'papper'"):
        configured("papper")
    with pytest.raises(ConfigError, match="'a gru'"):
        configured("paper", "a gru")


def test_each_stream_has_its_backbone():
    def backbones(**overrides):
        settings = Settings("small", overrides)
        convnets = [settings.for_stream(stream).config().convnet for stream in ("rgb", "flow")]
        cfg = settings.config()
        assert [convnet_of(cfg, stream) for stream in ("rgb", "flow")] == convnets
        return [(convnet.backbone, convnet.image_size) for convnet in convnets]

    toy, lite0 = ("vgg", 56), ("lite0", 224)
    assert backbones() == [lite0, toy]
    # A function of the user's own reads frames, so it does not reach the flow stream.
    assert backbones(convnet__backbone="a.b:C") == [("a.b:C", 224), toy]
    assert backbones(convnet__backbone="vgg") == [toy, toy]
    assert backbones(pipeline__flow_backbone="lite0") == [lite0, lite0]
    assert backbones(convnet__image_size=112) == [("lite0", 112), ("vgg", 112)]
    # One stage alone is given the backbone of its own stream.
    flow = configured("small", data__stream="flow", convnet__backbone="lite0")
    assert flow.convnet.backbone == "lite0"
    by_hand = RunConfig(convnet=ConvNetConfig(image_size=32))
    assert convnet_of(by_hand, "flow") is by_hand.convnet
    # The paper's networks stay, and another backbone in their place is frozen.
    assert configured("paper").convnet.backbone == "vgg"
    assert configured("paper", convnet__backbone="lite0").convnet.train_layers == "last"
