"""Writes a VGG's parameters, given by our names, the way others publish theirs."""

import collections
import io
import json
import pickle
import re
import struct
import sys
import types
import zipfile
from contextlib import contextmanager

import h5py
import numpy as np


def narrow(widths=(6, 8), depths=(1, 1), dense=(10,), classes=5, side=4, seed=0):
    """Random parameters for R, G, B, no number of which is zero; `side` is that of the last map."""
    r, leaves, last = np.random.default_rng(seed), {}, 3

    def layer(name, *shape):
        leaves[f"{name}.kernel"] = r.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(
            np.float32
        )
        leaves[f"{name}.bias"] = r.normal(0, 0.1, shape[-1:]).astype(np.float32)

    for block, (width, depth) in enumerate(zip(widths, depths, strict=True), 1):
        for number in range(1, depth + 1):
            layer(f"block{block}_conv{number}", 3, 3, last, width)
            last = width
    last *= side * side
    for number, width in enumerate(dense, 1):
        layer(f"fc{number}", last, width)
        last = width
    layer("logits", last, classes)
    return leaves


def layers_of(leaves):
    """Layer names in order."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in leaves))


def keras_arrays(leaves):
    """As Keras has them: the first kernel reads B, G, R, the last layer is called predictions."""
    arrays = {
        name.replace("logits", "predictions").replace(".", "/"): leaf
        for name, leaf in leaves.items()
    }
    return arrays | {"block1_conv1/kernel": leaves["block1_conv1.kernel"][:, :, ::-1]}


def torch_arrays(leaves, names="torchvision"):
    """As torchvision or timm have them: O I H W, dense layers read channels, rows, columns."""
    arrays, at, block, depth, dense = {}, 0, "1", 0, 0
    for layer in layers_of(leaves):
        kernel, bias = leaves[f"{layer}.kernel"], leaves[f"{layer}.bias"]
        if found := re.match(r"block(\d+)", layer):
            at, block = at + (found[1] != block), found[1]
            called, kernel, depth = f"features.{at}", kernel.transpose(3, 2, 0, 1), kernel.shape[3]
            at += 2
        else:
            side = int(np.sqrt(len(kernel) // depth)) if dense == 0 else 1
            kernel = kernel.reshape(side, side, -1, kernel.shape[1]).transpose(3, 2, 0, 1)
            kernel = (
                kernel if names == "timm" and layer != "logits" else kernel.reshape(len(kernel), -1)
            )
            ours = "head.fc" if layer == "logits" else f"pre_logits.{layer}"
            called = ours if names == "timm" else f"classifier.{3 * dense}"
            dense += 1
        arrays |= {f"{called}.weight": np.ascontiguousarray(kernel), f"{called}.bias": bias}
    return arrays


def write_h5(path, arrays):
    """Writes Keras 1's layout, that of the published file: `layer/layer_W_1:0` and attributes."""
    with h5py.File(path, "w") as file:
        layers = list(dict.fromkeys(name.partition("/")[0] for name in arrays))
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            group, names = (
                file.create_group(layer),
                [f"{layer}_W_1:0".encode(), f"{layer}_b_1:0".encode()],
            )
            group.attrs["weight_names"] = names
            for name, part in zip(names, ("kernel", "bias"), strict=True):
                group[name.decode()] = arrays[f"{layer}/{part}"]


def write_safetensors(path, arrays):
    """A header of names, kinds, shapes and places, then the numbers."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in arrays.items():
        header[name] = {
            "dtype": "F32",
            "shape": array.shape,
            "data_offsets": (len(data), len(data) + array.nbytes),
        }
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class _FakeTensor:
    def __init__(self, key, array):
        self.key, self.array = key, array

    def __reduce__(self):
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        args = (
            _FakeStorage(self.key, self.array.size),
            0,
            self.array.shape,
            strides,
            False,
            collections.OrderedDict(),
        )
        return sys.modules["torch._utils"]._rebuild_tensor_v2, args


class _FakeStorage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, _FakeStorage):
            return "storage", sys.modules["torch"].FloatStorage, value.key, "cpu", value.count
        return None


@contextmanager
def _fake_torch():
    """The two names that such a pickle contains, as if PyTorch were there."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    exec("def _rebuild_tensor_v2(*args): raise AssertionError", utils.__dict__)
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def write_pth(path, arrays):
    """A zip as torch.save writes it."""
    file = io.BytesIO()
    with _fake_torch():
        tensors = {
            name: _FakeTensor(str(key), array) for key, (name, array) in enumerate(arrays.items())
        }
        _Pickler(file, 2).dump(collections.OrderedDict(tensors))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("narrow/data.pkl", file.getvalue())
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"narrow/data/{key}", array.tobytes())


def write(folder, kind, leaves):
    """One file of the kind `h5`, `pth`, `safetensors` or `npz`; returns its path."""
    path = folder / f"narrow.{kind}"
    if kind == "h5":
        write_h5(path, keras_arrays(leaves))
    elif kind == "pth":
        write_pth(path, torch_arrays(leaves))
    elif kind == "safetensors":
        write_safetensors(path, torch_arrays(leaves, "timm"))
    else:
        np.savez(path, preprocessing="caffe", **leaves)
    return path


PREPROCESSING = {"h5": "caffe", "pth": "torch", "safetensors": "torch", "npz": "caffe"}
