"""Finished runs read back, and parts of them taken over."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from videolstm_jax.backbone.convnet import check_extractor, extractor_of, load_convnet
from videolstm_jax.config import ConvNetConfig, ModelConfig, RunConfig, change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.files import write_json
from videolstm_jax.nn.vgg import make_vgg
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.train.sizes import model_sized_for_training
from videolstm_jax.trained.functions import Scales, as_model_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.training_start.grafts import grafted
from videolstm_jax.types import Inputs, TrainState
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.layout import Workdir

CLASSES = ("bend", "jack")


def _model(cell, **changes):
    sizes = {
        "map_size": 3,
        "depth": 5,
        "motion_size": 3,
        "motion_depth": 5,
        "classes": 2,
        "hidden": 4,
        "attention": 4,
    }
    return ModelConfig(cell=cell, head=6, **{**sizes, **changes})


def _params(model, seed):
    like = jax.eval_shape(make_model(model).init, jax.random.key(0))
    r = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(r.normal(0, 1, leaf.shape), leaf.dtype), like)


def load_run(work, name):
    return TrainedModel.of_run(Workdir(str(work)), name)


def write_run(work, name, model, seed=0, scales=None, keep="last"):
    """A finished run, without the training."""
    folder, params = Workdir(str(work)).run(name), _params(model, seed)
    with Checkpoints(folder / ("ckpt" if keep == "last" else keep)) as checkpoints:
        checkpoints.save(
            TrainState(jnp.int32(3), params, ()),
            about={},
            identity={"cell": model.cell, "classes": CLASSES},
        )
    record = change(RunConfig(workdir=str(work)), data__validation=0.1, train__keep=keep)
    save_config(
        folder,
        record,
        model=dataclasses.asdict(model),
        classes=CLASSES,
        scales=(scales or Scales())._asdict(),
        inputs={},
    )
    return params


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_run_is_read_back(tmp_path, keep):
    model = _model("videolstm")
    params = write_run(tmp_path, "one", model, scales=Scales(2.5, 0.5), keep=keep)
    for name in ("one", str(tmp_path / "runs" / "one")):
        run = load_run(tmp_path, name)
        assert run.config == model and run.scales == Scales(2.5, 0.5) and run.classes == CLASSES
        assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), run.params, params))


def test_what_is_not_a_run_is_named(tmp_path):
    with pytest.raises(FileError, match=r"runs/one/config.json is missing; the stage train"):
        load_run(tmp_path, "one")
    write_run(tmp_path, "one", _model("alstm"))
    path = tmp_path / "runs/one/config.json"
    record = json.loads(path.read_text())
    write_json(path, record | {"model": record["model"] | {"cell": "convalstm", "kernel": 1}})
    with pytest.raises(FileError, match="made with cell 'alstm'; expected 'convalstm'"):
        load_run(tmp_path, "one")
    path.write_text('{"layout": 2}')
    with pytest.raises(FileError, match="not of a trained run"):
        load_run(tmp_path, "one")


def test_a_convnet_is_read_back(tmp_path):
    cfg = ConvNetConfig(image_size=8, widths=(4,), depths=(1,), dense=(5,))
    like = jax.eval_shape(make_vgg(cfg, 2, 2).init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), like)
    with Checkpoints(tmp_path / "ckpt") as checkpoints:
        checkpoints.save(
            TrainState(jnp.int32(1), params, ()),
            about={},
            identity={"cell": "convnet", "classes": CLASSES},
        )
    save_config(tmp_path, RunConfig(), convnet=dataclasses.asdict(cfg), channels=2, classes=CLASSES)
    result = load_convnet(tmp_path)
    assert (result.config, result.channels, result.classes, len(result.sha256)) == (
        cfg,
        2,
        CLASSES,
        64,
    )
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), result.params, params))


def test_the_authors_start_of_videolstm(tmp_path):
    """The motion layer from a flow ConvLSTM, the rest from an RGB ConvALSTM."""
    flow = named_param_leaves(write_run(tmp_path, "flow", _model("convlstm"), seed=1))
    rgb = named_param_leaves(write_run(tmp_path, "rgb", _model("convalstm"), seed=2))
    fresh = _params(_model("videolstm"), 3)
    entries = (
        "flow:cell.motion",
        "rgb:cell.top",
        "rgb:cell.attend",
        "rgb:head.classes=head.classes",
    )
    result = named_param_leaves(grafted(fresh, entries, Workdir(str(tmp_path))))
    for name, leaf in named_param_leaves(fresh).items():
        expected = leaf
        if name in ("cell.motion.x", "cell.motion.hidden", "cell.motion.bias"):
            expected = flow[name.replace("motion", "top")]
        elif name.startswith(("cell.top", "cell.attend")) or name == "head.classes":
            expected = rgb[name]
        np.testing.assert_array_equal(result[name], expected)


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        (
            "narrow:cell.motion",
            FileError,
            r"narrow:cell.motion: cell.motion.x has shape \(1, 1, 5, 16\); expected",
        ),
        ("narrow:body", FileError, "no parameter under 'body'"),
        ("narrow:cell.top=cell.crown", FileError, r"no parameter 'cell.crown.x'"),
        ("narrow", ConfigError, "train.graft has 'narrow'; expected \"run:part\""),
        ("absent:head", FileError, r"absent/config.json is missing"),
    ],
)
def test_what_cannot_be_grafted_raises(tmp_path, entry, error, words):
    write_run(tmp_path, "narrow", _model("convlstm", kernel=1))
    with pytest.raises(error, match=words):
        grafted(_params(_model("videolstm"), 0), (entry,), Workdir(str(tmp_path)))


def test_features_become_what_a_model_reads():
    x, motion = np.full((2, 3, 4, 4, 5), 6, np.float16), np.full((2, 3, 7), 3, np.float16)
    result = as_model_inputs(Inputs(x, motion), Scales(2.0, 1.5))
    assert (
        result.x.dtype == jnp.float32
        and result.x.shape == (2, 3, 4, 4, 5)
        and (result.x == 3).all()
    )
    assert result.motion.shape == (2, 3, 1, 1, 7) and (result.motion == 2).all()
    assert as_model_inputs(Inputs(x), Scales()).motion is None


def test_sizes_are_read_off_the_features():
    result = model_sized_for_training(ModelConfig(), (7, 7, 64), (128,), 5)
    assert (
        result.map_size,
        result.depth,
        result.motion_size,
        result.motion_depth,
        result.classes,
    ) == (
        7,
        64,
        1,
        128,
        5,
    )
    with pytest.raises(ConfigError, match=r"\[7, 6, 64\]; expected \[N, N, D\] or \[D\]"):
        model_sized_for_training(ModelConfig(), (7, 6, 64), None, 5)


def test_features_are_refused_where_their_convnet_or_preprocessing_is_another(tmp_path):
    about = {
        "sha256": "a",
        "preprocessing": {"name": "caffe", "mean": [1.0], "scale": [1.0], "fps": 25.0},
    }
    write_run(tmp_path, "one", _model("convlstm"))
    assert load_run(tmp_path, "one").extractors == {}
    check_extractor(None, about, "f")  # a model that was not read from a run
    trained_on = extractor_of(about)
    check_extractor(
        trained_on,
        about | {"layer": "fc7", "preprocessing": about["preprocessing"] | {"fps": 0.0}},
        "f",
    )
    with pytest.raises(
        FileError, match=r"f: the backbone digest of these features is b; the model was .* of a"
    ):
        check_extractor(trained_on, about | {"sha256": "b"}, "f")
    with pytest.raises(
        FileError, match=r"f: the preprocessing of these features is .*'torch'.* of .*'caffe'"
    ):
        check_extractor(
            trained_on, about | {"preprocessing": about["preprocessing"] | {"name": "torch"}}, "f"
        )
    with pytest.raises(FileError, match="preprocessing of these features is unknown"):
        check_extractor(trained_on, about | {"preprocessing": "unknown"}, "f")


def test_a_run_says_what_made_its_features(tmp_path):
    write_run(tmp_path, "one", _model("convlstm"))
    path = Workdir(str(tmp_path)).run("one") / "config.json"
    extractor = {"convnet": "a", "preprocessing": "unknown"}
    inputs = {"x": {"store": "features/rgb/fc7", "sha256": "b", "extractor": extractor}}
    write_json(path, json.loads(path.read_text()) | {"inputs": inputs})
    assert load_run(tmp_path, "one").extractors == {"x": extractor}
