"""Each preset's column of docs/decisions.md, row by row."""

import pytest

from videolstm_jax.config import RunConfig, change, flatten
from videolstm_jax.core import CELLS
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import PRESETS, Settings, configured

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
    found = tuple(
        flatten(configured(name, "videolstm"))[setting] for name in ("paper", "authors", "modern")
    )
    assert found == COLUMNS[setting]


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


def other_values(preset, cell):
    """For every setting a value that differs from the configuration of this preset and cell.

    Yields `section__field: value` in the smallest groups that make a valid configuration.
    """
    cfg = configured(preset, cell)
    words = {
        "data__source": "tfds:ucf101/ucf101_1",
        "pipeline__cells": ("convlstm", "alstm"),
        "convnet__depths": tuple(depth + 1 for depth in cfg.convnet.depths),
        "convnet__image_size": cfg.convnet.image_size * 2,
        "convnet__preprocessing": "torch",
        "localize__evidence": "moving",
        "localize__trim": "saliency",
        "model__cell": "convalstm" if cell == "lstm" else "lstm",
        "pipeline__flow_cell": "motion_alstm",
    }
    others = {
        "data__stream": ("rgb", "flow"),
        "data__order": ("iid", "epochs"),
        "data__short_clips": ("mask", "count"),
        "data__feature_scale": ("raw", "std"),
        "data__feature_dtype": ("float16", "uint8"),
        "data__difficulty": ("easy", "hard"),
        "data__on_bad_video": ("fail", "skip"),
        "flow__method": ("tvl1", "dis"),
        "flow__image": ("jpeg", "png"),
        "convnet__head": ("flatten", "pooled"),
        "convnet__norm": ("none", "group"),
        "convnet__optimizer": ("sgd", "adam"),
        "convnet__schedule": ("cosine", "steps"),
        "convnet__train_layers": ("all", "last"),
        "model__start": ("zeros", "mean"),
        "model__init": ("glorot", "fan_in"),
        "model__engine": ("auto", "native"),
        "model__dtype": ("float32", "bfloat16"),
        "optim__name": ("rmsprop", "adam"),
        "optim__schedule": ("constant", "cosine"),
        "eval__segment_rule": ("paper", "authors"),
        "eval__states": ("hidden", "cell"),
        "localize__normalise": ("frame", "video"),
        "localize__box": ("region", "moments"),
        "train__keep": ("last", "best"),
    }
    for path, value in flatten(cfg).items():
        if path in words:
            other = words[path]
        elif path in others:
            first, second = others[path]
            other = second if value == first else first
        elif isinstance(value, bool):
            other = not value
        elif path in ("model__kernel", "model__motion_kernel"):
            other = value + 2
        elif isinstance(value, int):
            other = value + 1
        elif isinstance(value, float):
            other = 0.25 if value != 0.25 else 0.5
        elif isinstance(value, tuple):
            words_expected = path == "fuse__runs" or not value or isinstance(value[0], str)
            other = ("a", "b") if words_expected else tuple(item + 1 for item in value)
            other = (1.0, 0.5) if path == "fuse__weights" else other
        else:
            other = f"{value}x"
        yield path, other, value


TOGETHER = {  # settings that are only valid with another one
    "train__keep": {"data__validation": 0.2},
    "data__validation": {"data__validation": 0.25},
    "localize__tubes": {"localize__box": "region"},
    "localize__box": {"localize__tubes": 1},
    "flow__width": {"flow__height": 7},
    "flow__height": {"flow__width": 7},
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("cell", CELLS)
def test_an_override_reaches_every_run(preset, cell):
    """Every setting, with another value than the preset's and with the default of the project."""
    defaults = flatten(RunConfig())
    for path, other, value in other_values(preset, cell):
        assert other != value, path
        for wanted in (other, defaults[path]):
            overrides = {**TOGETHER.get(path, {}), path: wanted}
            if path == "data__validation" and wanted == 0.0:
                overrides["train__keep"] = "last"  # "best" needs validation videos
            if path in ("flow__width", "flow__height") and wanted == other:
                overrides |= {"flow__width": 7, "flow__height": 7, path: wanted}
            if path in ("convnet__widths", "convnet__depths") and wanted == defaults[path]:
                blocks = ("convnet__widths", "convnet__depths", "convnet__image_size")
                overrides |= {name: defaults[name] for name in blocks}
            settings = Settings(preset, overrides)
            expected = dict(overrides)
            if path not in ("model__cell", "data__stream"):
                for stream in ("rgb", "flow"):
                    found = flatten(settings.for_cell(cell, stream))
                    assert {name: found[name] for name in expected} == expected
                    assert (found["model__cell"], found["data__stream"]) == (cell, stream)
            found = flatten(settings.config())
            assert {name: found[name] for name in expected} == expected
            assert Settings.of(settings.config()) == settings


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
