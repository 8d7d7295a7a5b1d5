"""Files of weights in every format that is read."""

import io
import pathlib
import pickle
import struct
import tempfile
import zipfile

import numpy as np
import weight_writers
from file_encodings import h5_bytes, npz_bytes, safetensors_bytes, zip_bytes
from foreign_file import ForeignFile

from videolstm_jax.nn.weight_files import read_weights

_TENSORS = {"a.weight": np.ones((2, 3), np.float32), "a.bias": np.zeros(3, np.float32)}


def _written(write, name, arrays=_TENSORS):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        write(path, arrays)
        return path.read_bytes()


def _torch_members():
    with zipfile.ZipFile(io.BytesIO(_written(weight_writers.write_pth, "a.pth"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _legacy_torch():
    """A file from before PyTorch 1.6: five pickles, then each storage behind its length."""
    start = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    content = b"".join(pickle.dumps(part, 2) for part in start)
    content += _torch_members()["narrow/data.pkl"]
    content += pickle.dumps(["0", "1"], 2)
    for array in _TENSORS.values():
        content += struct.pack("<q", array.size) + array.tobytes()
    return content


def _weights(path):
    return lambda folder: read_weights(folder / path)


_HEADER = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
}
WEIGHTS = (
    ForeignFile("weights .npz", "w.npz", (_TENSORS,), _weights("w.npz"), npz_bytes),
    ForeignFile(
        "weights .safetensors",
        "w.safetensors",
        ({"header": _HEADER, "data": bytes(32)},),
        _weights("w.safetensors"),
        safetensors_bytes,
    ),
    ForeignFile(
        "weights .h5",
        "w.h5",
        ({"a/kernel": np.ones((2, 3), np.float32), "a/bias": np.zeros(3, np.float32)},),
        _weights("w.h5"),
        h5_bytes,
    ),
    ForeignFile("weights .pth, zip", "w.pth", (_torch_members(),), _weights("w.pth"), zip_bytes),
    ForeignFile("weights .pth, legacy", "w.pt", (_legacy_torch(),), _weights("w.pt")),
)
