"""A work folder as small as can be: runs with random parameters, for tests of trained models."""

import dataclasses

import jax
import numpy as np
from small import shaken

from videolstm_jax import files
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.presets import Settings, configured, convnet_of
from videolstm_jax.stages import evaluate, extract, localize, prepare
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.sizes import model_sized_for_training
from videolstm_jax.trained.foreground import foreground_entry, foreground_of_store
from videolstm_jax.types import TrainState
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

SIZES = {
    "data__max_frames": 20,
    # TV-L1 takes most of the time at the videos' own 64 x 64 pixels.
    "flow__width": 24,
    "flow__height": 24,
    "convnet__image_size": 28,
    "convnet__widths": (4, 6),
    "convnet__depths": (1, 1),
    "convnet__dense": (8,),
    "model__hidden": 6,
    "model__attention": 4,
    "model__head": 8,
}
"""The sizes of the smallest pipeline that still has every part."""
TINY = {
    "convnet__backbone": "vgg",
    **SIZES,
    "eval__segments": 1,
    "eval__batch": 4,
    "eval__chunk": 32,
    "localize__causal": True,
    "flow__image": "jpeg",
}
CLASSES = ("SitDown", "StandUp")


def _checkpoint(folder, params, identity):
    with Checkpoints(folder / "ckpt") as checkpoints:
        state = TrainState(np.int32(1), params, ())
        checkpoints.save(state, identity=identity, about={})


def write_convnet(cfg, stream, classes=CLASSES):
    """What `fit_convnet` leaves."""
    channels, folder = {"rgb": 3, "flow": 2}[stream], Workdir(cfg.workdir).convnet(stream)
    network = image_network(cfg.convnet, channels, len(classes))
    config = dataclasses.replace(cfg.convnet, preprocessing=network.preprocessing)
    params = network.init(jax.random.key(channels))
    save_config(folder, cfg, convnet=dataclasses.asdict(config), channels=channels, classes=classes)
    _checkpoint(folder, params, {"cell": "convnet", "classes": list(classes)})


def write_run(cfg, classes=CLASSES, *, size=0.3, foreground=None):
    """What `train` leaves of `cfg.model.cell` on `cfg.data.stream`.

    Args:
      cfg: Of the run.
      classes: Of the model.
      size: Of the parameters.
      foreground: The axis; None finds it in the features, where they are there.

    Returns:
      The folder of the run.
    """
    layers = find_cell(cfg.model.cell).layers
    shapes = {}
    for stream, channels in (("rgb", 3), ("flow", 2)):
        network = image_network(convnet_of(cfg, stream), channels, len(classes))
        shapes[stream] = network.layers
    x = shapes[cfg.data.stream][layers.x]
    motion = shapes["flow"][layers.motion] if layers.motion else None
    model = model_sized_for_training(cfg.model, x, motion, len(classes))
    params = shaken(
        jax.eval_shape(make_model(model).init, jax.random.key(0)), seed=len(model.cell), size=size
    )
    folder = Workdir(cfg.workdir).run(cfg.run_name)
    save_config(
        folder,
        cfg,
        model=dataclasses.asdict(model),
        classes=classes,
        scales={"x": 0.7, "motion": 0.6},
        inputs={},
        attends=find_cell(model.cell).attends,
        layers=layers._asdict(),
        **foreground_entry(foreground or _foreground(cfg, layers.x)),
    )
    _checkpoint(folder, params, {"cell": model.cell, "classes": list(classes)})
    return folder


def _foreground(cfg, layer):
    """The foreground axis of a run, where the features are there and the cell attends."""
    work = Workdir(cfg.workdir)
    folder = work.features(cfg.data.stream, layer)
    if not find_cell(cfg.model.cell).attends or not (folder / "index.json").exists():
        return None
    train_list = load_dataset(work.dataset).part("train")
    return foreground_of_store(FeatureStore.open(folder), train_list)


def write_flow_settings(cfg):
    """What `prepare` leaves of how flow is made."""
    flow = cfg.flow
    files.write_json(
        Workdir(cfg.workdir).flow / "settings.json",
        {
            "method": flow.method,
            "width": flow.width,
            "height": flow.height,
            "bound": flow.bound,
            "scaled": False,
            "image": flow.image,
            "fps": 0.0,
            "max_frames": 0,
            "fit": cfg.data.fit,
        },
    )


def write_predictor_run(workdir):
    """Writes a run with random parameters and all that `predict` reads; returns its folder."""
    cfg = configured("small", workdir=str(workdir), **TINY)
    for stream in ("rgb", "flow"):
        write_convnet(cfg, stream)
    write_flow_settings(cfg)
    return str(write_run(cfg))


def make(folder, cells, *, videos="", **settings):
    """Runs the stages from prepare to localize without any training.

    Args:
      folder: Of all files.
      cells: The cell and the stream of each run.
      videos: The folder of the videos; empty makes two synthetic ones.
      **settings: On top of TINY.

    Returns:
      The configuration.
    """
    videos = videos or stick_actions.generate_stick_actions(
        folder / "set", classes=CLASSES, clips_per_class=1, test_clips_per_class=1, seed=3
    )
    cfg = configured(
        "small", data__videos=str(videos), workdir=str(folder / "work"), **TINY | settings
    )
    prepare.run(cfg)
    for stream in ("rgb", "flow"):
        here = Settings.of(cfg).for_cell("lstm", stream)
        write_convnet(here, stream)
        extract.run(here)
    for cell, stream in cells:
        here = Settings.of(cfg).for_cell(cell, stream)
        write_run(here)
        evaluate.run(here)
        if find_cell(cell).attends:
            localize.run(here)
    return cfg
