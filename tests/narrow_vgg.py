"""A narrow VGG with weights as of ImageNet, and the configuration of a backbone that they fit."""

import numpy as np
from etils import epath
from prepared_workdir import config
from weight_writers import narrow, torch_arrays

from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.train.graft import named_param_leaves

LEAVES = narrow()
CONVOLUTIONS = {
    name: array for name, array in torch_arrays(LEAVES).items() if name.startswith("features")
}
# One step that changes no parameter: what is stored is what the file of weights has.
STILL = {"convnet__learning_rate": 0.0, "convnet__weight_decay": 0.0, "convnet__steps": 1}


def vgg(work, stream, **settings):
    """The VGG that the narrow weights are of."""
    plain = {
        "convnet__head": "flatten",
        "convnet__norm": "none",
        "convnet__pixel_scale": 1.0,
        "convnet__optimizer": "sgd",
        "convnet__learning_rate": 1e-3,
        "convnet__steps": 2,
        "convnet__batch": 4,
    }
    return config(work, stream, **plain | settings)


def write_npz(folder, arrays):
    """The path of a file of arrays, which does not record how images were preprocessed."""
    np.savez(folder / "w.npz", **arrays)
    return str(folder / "w.npz")


def params_of(work, stream):
    """The parameters of a fitted backbone by name, as numpy arrays."""
    params = load_convnet(epath.Path(work / "convnets" / stream)).params
    return {name: np.asarray(leaf) for name, leaf in named_param_leaves(params).items()}
