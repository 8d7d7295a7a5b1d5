"""Each preset's column of docs/decisions.md, row by row."""

import pytest

from videolstm_jax.config import RunConfig
from videolstm_jax.core import CELLS
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import PRESETS, configured, differences, for_cell, settings

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
        dict(settings(configured(name, "videolstm")))[setting]
        for name in ("paper", "authors", "modern")
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
    assert (cfg.preset, cfg.model.cell, differences(cfg)) == (preset, cell, {})


def test_for_cell_takes_the_other_column_and_keeps_the_changes():
    cfg = for_cell(configured("authors", "videolstm", train__steps=7, seed=2), "alstm", "flow")
    assert (cfg.model.cell, cfg.data.stream, cfg.train.steps, cfg.seed) == ("alstm", "flow", 7, 2)
    assert (cfg.model.hidden_dropout, cfg.train.graft) == (0.5, ())


def test_unknown_names():
    with pytest.raises(ConfigError, match="no preset 'papper'"):
        configured("papper")
    with pytest.raises(ConfigError, match="'a gru'"):
        configured("paper", "a gru")
