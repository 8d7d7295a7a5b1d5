"""Settings are checked where they are made, and every complaint names the field."""

import dataclasses

import pytest

from videolstm_jax import config
from videolstm_jax.config import (
    ConvNetConfig,
    DataConfig,
    EvalConfig,
    FlowConfig,
    LocalizeConfig,
    ModelConfig,
    OptimConfig,
    PipelineConfig,
    PredictConfig,
    RunConfig,
    TrainConfig,
    change,
    flat_settings,
)
from videolstm_jax.config.setting import setting_name, setting_sentence
from videolstm_jax.errors import ConfigError

CONFIGS = tuple(getattr(config, name) for name in config.__all__ if name.endswith("Config"))


SECTIONS = {type(value): name for name, value in vars(RunConfig()).items()}


@pytest.mark.parametrize(
    "kind, field, value",
    [
        (ModelConfig, "cell", "a gru"),
        (ModelConfig, "start", "mena"),
        (ModelConfig, "kernel", 2),
        (ModelConfig, "dropout", 1.0),
        (ModelConfig, "hidden", 0),
        (ModelConfig, "dtype", "float16"),
        (ModelConfig, "motion_kernel", 0),
        (ModelConfig, "head", 8.0),
        (ModelConfig, "classes", True),
        (DataConfig, "stream", "depth"),
        (DataConfig, "frames", 0),
        (DataConfig, "order", "random"),
        (DataConfig, "fps", -1.0),
        (DataConfig, "test_fraction", 1.5),
        (DataConfig, "on_bad_video", "ignore"),
        (FlowConfig, "width", 0),
        (FlowConfig, "image", "gif"),
        (FlowConfig, "method", "tvl1_edge"),
        (FlowConfig, "percentile", 101.0),
        (ConvNetConfig, "image_size", 225),
        (ConvNetConfig, "widths", (64,)),
        (ConvNetConfig, "head", "max"),
        (ConvNetConfig, "preprocessing", "keras"),
        (ConvNetConfig, "train_layers", "some"),
        (ConvNetConfig, "crop", 0.0),
        (ConvNetConfig, "schedule", "linear"),
        (ConvNetConfig, "dense", ()),
        (ConvNetConfig, "widths", 5 * (0,)),
        (ConvNetConfig, "depths", (2, 2, 3, 3, 2**63)),
        (ConvNetConfig, "depths", (2, 2, 3, 3, 0)),
        (ConvNetConfig, "learning_rate", -1.0),
        (ConvNetConfig, "weight_decay", float("nan")),
        (ModelConfig, "attention_scale", float("nan")),
        (OptimConfig, "decay", 5.0),
        (OptimConfig, "eps", -1.0),
        (OptimConfig, "eps", 0.0),
        (DataConfig, "fps", float("inf")),
        (FlowConfig, "bound", float("inf")),
        (LocalizeConfig, "sigma", float("inf")),
        (OptimConfig, "name", "lion"),
        (OptimConfig, "learning_rate", -1.0),
        (OptimConfig, "schedule", "step"),
        (TrainConfig, "steps", 0),
        (TrainConfig, "keep", "first"),
        (EvalConfig, "segments", 0),
        (EvalConfig, "states", "motion"),
        (EvalConfig, "segment_rule", "random"),
        (LocalizeConfig, "theta", 256.0),
        (LocalizeConfig, "normalise", "clip"),
        (LocalizeConfig, "trim", "max"),
        (LocalizeConfig, "trim", "saliense"),
        (LocalizeConfig, "box", "circle"),
        (LocalizeConfig, "input", "felt"),
        (LocalizeConfig, "tubes", -1),
        (PipelineConfig, "cells", ("lstm", "lstm")),
        (ModelConfig, "cell", "package.module:"),
        (PipelineConfig, "cells", ("lstm", ":gru")),
        (PipelineConfig, "flow_cell", "package/gru:CELL"),
        (RunConfig, "seed", -1),
        (RunConfig, "workdir", ""),
    ],
)
def test_a_bad_value_is_named(kind, field, value):
    name = f"{SECTIONS[kind]}.{field}" if kind in SECTIONS else field
    patterns = {
        "flow.width": r"^flow\.width x flow\.height is 0 x 256; expected",
        "workdir": "^workdir is empty; expected",
        "convnet.widths": r"^convnet\.widths (is|has) ",
    }
    with pytest.raises(ConfigError, match=patterns.get(name, rf"^{name} is .*; expected ")):
        kind(**{field: value})


@pytest.mark.parametrize(
    "settings, message",
    [
        ({}, "^--model and --checkpoint are empty; expected"),
        ({"model": "a", "checkpoint": "b"}, "^--model and --checkpoint are both given; expected"),
        ({"model": "a"}, "^--video is empty; expected"),
        ({"model": "a", "video": "b", "side": 8}, "^--side is 8; expected 16 to 4096"),
        ({"model": "a", "video": "b", "flow": "c"}, "^--flow is 'c'; expected one of"),
    ],
)
def test_a_setting_of_a_command_is_named_as_its_flag(settings, message):
    with pytest.raises(ConfigError, match=message):
        PredictConfig(**settings)


def test_every_name_in_a_message_is_a_setting():
    names = {path.replace("__", ".") for path in flat_settings(RunConfig())}
    for owner, section in SECTIONS.items():
        if dataclasses.is_dataclass(owner):
            for field in dataclasses.fields(owner):
                assert setting_name(getattr(RunConfig(), section), field.name) in names


def test_nan_is_no_number():
    with pytest.raises(ConfigError, match="learning_rate"):
        OptimConfig(learning_rate=float("nan"))


def test_moments_make_one_tube():
    with pytest.raises(
        ConfigError,
        match=r"^localize\.tubes is 0 and localize\.box 'moments'.*expected tubes 1, or box",
    ):
        LocalizeConfig(box="moments", tubes=0)
    assert LocalizeConfig(tubes=3).tubes == 3


def test_best_needs_validation():
    with pytest.raises(ConfigError, match=r"train\.keep"):
        change(RunConfig(), train__keep="best")
    assert change(RunConfig(), train__keep="best", data__validation=0.2).train.keep == "best"


def test_change_replaces_only_what_it_names():
    cfg = change(RunConfig(), model__cell="alstm", seed=3)
    assert (cfg.model.cell, cfg.seed, cfg.data) == ("alstm", 3, RunConfig().data)
    assert dataclasses.replace(cfg, seed=0, model=RunConfig().model) == RunConfig()


@pytest.mark.parametrize("path", ["model__sell", "mode__cell", "cell", "seed__x"])
def test_change_names_an_unknown_setting(path):
    with pytest.raises(ConfigError, match=path.replace("__", ".")):
        change(RunConfig(), **{path: 1})


def test_run_name():
    assert RunConfig().run_name == "videolstm-rgb"
    assert change(RunConfig(), name="mine").run_name == "mine"


@pytest.mark.parametrize("owner", CONFIGS, ids=lambda owner: owner.__name__)
def test_every_setting_has_a_sentence_of_one_line(owner):
    for field in dataclasses.fields(owner):
        if field.name in ("preset", "overrides") or dataclasses.is_dataclass(
            field.default_factory if field.default is dataclasses.MISSING else field.default
        ):
            continue
        short = setting_sentence(field.metadata["help"])
        assert short[0].isupper() or not short[0].isalpha()
        assert short.endswith(".") and 6 <= len(short) <= 76, (field.name, short)


def test_a_sentence_does_not_end_at_an_abbreviation():
    assert setting_sentence("K (Sec. 5.2) of Eq. (7). More.") == "K (Sec. 5.2) of Eq. (7)."
    assert setting_sentence("One sentence.") == "One sentence."


def test_the_home_folder_in_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    cfg = change(
        RunConfig(),
        workdir="~/work",
        data__videos="~/videos",
        data__lists="~/lists",
        data__boxes="~/boxes.json",
        convnet__weights="~/{stream}",
        fuse__runs=("a", "~/b.npz"),
        localize__scores="~/scores.npz",
    )
    assert (cfg.workdir, cfg.data.videos) == ("/home/someone/work", "/home/someone/videos")
    assert (cfg.data.lists, cfg.data.boxes) == ("/home/someone/lists", "/home/someone/boxes.json")
    assert cfg.convnet.weights == "/home/someone/{stream}"
    assert cfg.fuse.runs == ("a", "/home/someone/b.npz")
    assert cfg.localize.scores == "/home/someone/scores.npz"
    assert change(RunConfig(), workdir="gs://bucket/~x").workdir == "gs://bucket/~x"


@pytest.mark.parametrize("address", ["http://host/x", "rtsp://host/x", "file:///x"])
def test_addresses_are_refused_where_a_path_is_expected(address):
    settings = {"workdir": address, "data__videos": address, "fuse__runs": ("a", address)}
    for name, value in settings.items():
        message = f"{name.replace('__', '.')} is {address!r}; expected a path, or a bucket"
        with pytest.raises(ConfigError, match=message):
            change(RunConfig(), **{name: value})
    assert change(RunConfig(), workdir="gs://bucket/x").workdir == "gs://bucket/x"
    assert PredictConfig(model="run", video=address).video == address


OUTSIDE = ["../x", "/tmp/x", "..", ".x", "-x", "a/b", "a\0", "a\n", "a" * 201]


@pytest.mark.parametrize("setting", ["name", "fuse__name", "localize__name", "report__run"])
@pytest.mark.parametrize("value", OUTSIDE)
def test_a_name_that_could_leave_the_work_folder_is_refused(setting, value):
    name = setting.replace("__", ".")
    with pytest.raises(ConfigError, match=rf"^{name} is .*; expected letters, digits"):
        change(RunConfig(), **{setting: value})


def test_names_of_runs_and_fusions():
    names = {"name": "größe-2_b", "fuse__name": "videolstm-rgb+videolstm-flow.v2"}
    cfg = change(RunConfig(), **names)
    assert (cfg.run_name, cfg.fuse.name) == tuple(names.values())
