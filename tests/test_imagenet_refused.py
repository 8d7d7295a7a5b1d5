"""Files of ImageNet weights that do not fit the settings or the work folder are refused."""

import json
import shutil

import pytest
from narrow_vgg import CONVOLUTIONS, LEAVES, STILL, vgg, write_npz
from prepared_workdir import write_prepared
from weight_writers import narrow, write

from videolstm_jax import files
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.stages import extract, fit_convnet


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture
def work(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "work")
    return tmp_path / "work"


def test_features_of_another_preprocessing_are_in_the_way(work, tmp_path):
    path = str(write(tmp_path, "npz", LEAVES))
    fit_convnet.run(vgg(work, "rgb", convnet__weights=path, **STILL))
    extract.run(vgg(work, "rgb"))
    record = json.loads((work / "convnets" / "rgb" / "config.json").read_text())
    record["convnet"]["preprocessing"] = "torch"
    files.write_json(work / "convnets" / "rgb" / "config.json", record)
    with pytest.raises(FileError, match="remove the folder or give another"):
        extract.run(vgg(work, "rgb"))


def test_other_bytes_under_the_same_name_are_not_gone_on_with(work, tmp_path):
    path = str(write(tmp_path, "npz", LEAVES))
    fit_convnet.run(vgg(work, "rgb", convnet__weights=path))
    write(tmp_path, "npz", narrow(seed=1))
    with pytest.raises(FileError, match="made with weights"):
        fit_convnet.run(vgg(work, "rgb", convnet__weights=path))


@pytest.mark.parametrize(
    ("make", "settings", "words"),
    [
        (
            lambda f: write(f, "pth", LEAVES),
            {"convnet__preprocessing": "caffe"},
            "preprocessing is 'caffe'; the weights in .*narrow.pth were trained with 'torch'",
        ),
        (
            lambda f: write(f, "h5", LEAVES),
            {"convnet__preprocessing": "torch"},
            "were trained with 'caffe'",
        ),
        (
            lambda f: write_npz(f, LEAVES),
            {},
            "does not say how its images were preprocessed; expected --convnet.preprocessing",
        ),
        (lambda f: write_npz(f, CONVOLUTIONS), {}, "does not say how its images were preprocessed"),
        (
            lambda f: write(f, "h5", LEAVES),
            {"convnet__pixel_scale": 0.5},
            r"pixel_scale is 0.5; .* trained with 1.0",
        ),
        (
            lambda f: write(f, "h5", LEAVES),
            {"convnet__norm": "group"},
            "do not fit: there is no block1_norm1",
        ),
        (
            lambda f: write(f, "h5", LEAVES),
            {"convnet__dense": (11,)},
            r"do not fit: fc1.kernel has shape \(128, 10\)",
        ),
        (
            lambda f: write(f, "h5", LEAVES),
            {"convnet__image_size": 32},
            r"fc1.kernel has shape .*; expected \(512",
        ),
        (
            lambda f: write(f, "h5", LEAVES),
            {"convnet__depths": (2, 1)},
            "there is no block1_conv2.bias",
        ),
        (
            lambda f: write(f, "h5", narrow((6, 8, 8), (1, 1, 1), side=2)),
            {},
            "no parameter 'block3_conv1",
        ),
    ],
)
def test_weights_that_do_not_belong_are_refused(prepared, tmp_path, make, settings, words):
    with pytest.raises(ConfigError, match=words):
        fit_convnet.run(vgg(prepared, "rgb", convnet__weights=str(make(tmp_path)), **settings))
    assert not (prepared / "convnets").exists()
