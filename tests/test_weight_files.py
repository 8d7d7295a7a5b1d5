"""The four kinds of file: the same arrays from each, damage named, nothing executed."""

import json
import os
import pathlib
import re
import struct

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_writers import keras_arrays, narrow, write, write_h5

from videolstm_jax.errors import FileError
from videolstm_jax.nn.weight_files import is_weight_file, read_weights, weights_sha256

GOLDEN = pathlib.Path(__file__).parent / "golden"


def _same(loaded, expected):
    assert loaded.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)


def test_files_are_told_from_folders_by_suffix():
    assert all(
        is_weight_file(f"a/vgg.{kind}")
        for kind in ("h5", "HDF5", "pth", "pt", "bin", "safetensors", "npz")
    )
    assert not any(
        is_weight_file(path) for path in ("work/convnets/rgb", "work.1/rgb", "", "vgg.ckpt")
    )


def _layouts(path, arrays):
    """The three layouts of Keras' files: weights of version 1 and 2, a model, and version 3."""
    write_h5(path / "published.h5", arrays)
    with h5py.File(path / "model.h5", "w") as file:
        for name, array in arrays.items():
            layer = name.partition("/")[0]
            file[f"model_weights/{layer}/vgg16/{name}"] = array
    with h5py.File(path / "three.weights.h5", "w") as file:
        for name, array in arrays.items():
            layer, _, part = name.partition("/")
            group = file.require_group(f"layers/layer_{sorted(arrays).index(f'{layer}/bias')}/vars")
            group.attrs["name"] = layer
            group[{"kernel": "0", "bias": "1"}[part]] = array
    return ["published.h5", "model.h5", "three.weights.h5"]


def test_each_layout_of_keras(tmp_path):
    arrays = keras_arrays(narrow())
    for name in _layouts(tmp_path, arrays):
        loaded = read_weights(tmp_path / name)
        assert len(loaded) == len(arrays)
        by_layer = {
            (key.partition("/")[0], array.ndim == 1): array for key, array in loaded.items()
        }
        for key, array in arrays.items():
            np.testing.assert_array_equal(by_layer[key.partition("/")[0], array.ndim == 1], array)


def test_numbers_in_another_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("block1_conv1/kernel", (4,), "<f4", external=[("secret", 0, 16)])
    with pytest.raises(FileError, match=r"a.h5: block1_conv1/kernel lies in another file"):
        read_weights(tmp_path / "a.h5")


def test_safetensors_of_its_own_library():
    with np.load(GOLDEN / "views.npz") as truth:
        loaded = read_weights(GOLDEN / "views.safetensors")
        _same({name: array.astype(np.float32) for name, array in loaded.items()}, truth)
    assert loaded["double"].dtype == np.float64 and loaded["long"].dtype == np.int64


def _safe(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _row(**changed):
    return _safe({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changed}, bytes(8))


def test_arrays_of_no_numbers(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(_row(shape=[0, 3], data_offsets=[8, 8]))
    assert read_weights(tmp_path / "a.safetensors")["w"].shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.safetensors", b"", "header is 0 bytes long"),
        ("a.safetensors", b"\xff" * 20, "header is 18446744073709551615"),
        ("a.safetensors", _safe(b"{nonsense"), "a.safetensors: its header: not JSON"),
        (
            "a.safetensors",
            _safe(b"[1, 2]"),
            r"its header: the content is \[1, 2\]; expected an object",
        ),
        ("a.safetensors", _safe({"w": {"dtype": "F32"}}), "its header: w.shape is missing"),
        ("a.safetensors", _row(dtype="F8_E4M3"), 'w.dtype is "F8_E4M3"; expected one of'),
        (
            "a.safetensors",
            _row(data_offsets=[0, 16], shape=[4]),
            "w of F32 .* bytes 0 to 16 of 8; the file is damaged",
        ),
        (
            "a.safetensors",
            _row(data_offsets=[-8, 0]),
            r"w.data_offsets\[0\] is -8; expected 0 or more",
        ),
        ("a.safetensors", _row(shape=[3]), "damaged"),
        ("a.safetensors", _row(shape=[-2]), r"w.shape\[0\] is -2; expected 0 or more"),
        ("a.safetensors", _row(shape=[1.0, 2]), r"w.shape\[0\] is 1.0; expected a whole"),
        ("a.safetensors", _row(data_offsets=[0]), r"w.data_offsets\[1\] is missing"),
        ("a.safetensors", _row(data_offsets=[0, 8, 8]), "expected at most 2 items"),
        ("a.safetensors", _row(data_offsets=3), "w.data_offsets is 3; expected a list"),
        ("a.safetensors", _row(dtype=["F32"]), r'w.dtype is \["F32"\]; expected one of'),
        (
            "a.safetensors",
            _row(shape=[0, 10**30], data_offsets=[0, 0]),
            r"w.shape\[1\] is 10+; expected .* or less",
        ),
        (
            "a.safetensors",
            _row(shape=[0, 2**62], data_offsets=[0, 0]),
            "w of F32 .*the file is damaged",
        ),
        (
            "a.safetensors",
            _row(shape=[0] + [1] * 99, data_offsets=[8, 8]),
            "w of F32 .*the file is damaged",
        ),
        ("a.safetensors", _row(shape="2"), 'w.shape is "2"; expected a list'),
        (
            "a.safetensors",
            _row(data_offsets=[0, None]),
            r"w.data_offsets\[1\] is null; expected a whole",
        ),
        ("a.npz", b"PK", "cannot be read as arrays"),
        ("a.npz", b"", "cannot be read as arrays"),
        ("a.h5", b"no", "a.h5: cannot be read as HDF5"),
        ("a.pth", b"no", "a.pth: cannot be read as tensors"),
    ],
)
def test_damage_is_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileError, match=message):
        read_weights(tmp_path / name)


def test_objects_in_an_npz_are_not_unpickled(tmp_path):
    class Touches:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'made'}",)

    np.savez(tmp_path / "a.npz", w=np.array([Touches()], object))
    with pytest.raises(FileError, match="cannot be read as arrays"):
        read_weights(tmp_path / "a.npz")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
@settings(max_examples=60)
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, kind, data):
    folder = tmp_path_factory.mktemp("cut")
    path = write(folder, kind, narrow())
    honest = path.read_bytes()
    path.write_bytes(honest[: data.draw(st.integers(0, len(honest) - 1))])
    with pytest.raises(FileError, match=str(path)):
        read_weights(path)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "h5"])
@settings(max_examples=80)
@given(data=st.data())
def test_damage_is_read_or_refused_by_name(tmp_path_factory, kind, data):
    path = write(tmp_path_factory.mktemp("damaged"), kind, narrow())
    bad = bytearray(path.read_bytes())
    end = data.draw(
        st.sampled_from([300, len(bad)])
    )  # most of what can be damaged lies at the beginning
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bad)
    try:
        read_weights(path)
    except FileError as error:
        assert str(path) in str(error)


def test_a_shape_that_the_file_cannot_hold_is_refused_before_it_fills_the_memory(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        # Numbers that were never written take no space.
        file.create_dataset("conv1/w", (1 << 20, 1 << 20), "f4", chunks=(1 << 10, 1 << 10))
    with pytest.raises(FileError, match=rf"{path}: conv1/w has the shape .* it is damaged"):
        read_weights(path)


def test_a_packed_npz_damaged_anywhere_is_read_or_refused_by_name(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, w=np.arange(300, dtype=np.float32), b=np.zeros(3))
    honest, causes = path.read_bytes(), set()
    for at in range(0, len(honest), 3):
        path.write_bytes(honest[:at] + bytes([honest[at] ^ 0x5A]) + honest[at + 1 :])
        try:
            read_weights(path)
        except FileError as error:
            # A damaged length does not agree with the header of the array, or with the file.
            expected = "cannot be read as arrays, the file is damaged|. is declared|has .* unpacks"
            assert re.match(f"{path}: ({expected})", str(error))
            causes.add(type(error.__cause__).__name__)
    assert {"BadZipFile", "error"} <= causes  # zlib.error is none of Python's own


def test_what_is_missing_or_unknown_is_named(tmp_path):
    with pytest.raises(FileError, match=r"vgg\.h5 is missing; .*videolstm fetch_weights"):
        read_weights(tmp_path / "vgg.h5")
    with pytest.raises(FileError, match=r"vgg\.ckpt: a file of weights ends in one of \.h5"):
        read_weights(tmp_path / "vgg.ckpt")


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert (
        weights_sha256(tmp_path / "a")
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
