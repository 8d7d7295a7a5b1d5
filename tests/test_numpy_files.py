"""Files of NumPy arrays: the sizes that they declare are compared with their bytes."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from videolstm_jax.errors import FileError
from videolstm_jax.numpy_files import open_numpy

MIB = 1 << 20


def npy_bytes(array, shape=None):
    """The bytes of an .npy file, which declares the given shape in place of the array's own."""
    header = np.lib.format.header_data_from_array_1_0(array)
    if shape is not None:
        header["shape"] = shape
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def npz_of(**members):
    """A compressed zip of the given bytes by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, encoded in members.items():
            archive.writestr(name + ".npy", encoded)
    file.seek(0)
    return file


@pytest.mark.parametrize("declared", [(10**12,), (2,), (0,), (1 << 20, 1 << 40)])
@pytest.mark.parametrize("packed", [False, True])
def test_an_array_that_is_not_as_large_as_declared_is_refused(declared, packed):
    encoded = npy_bytes(np.zeros(3, np.float32), declared)
    file = npz_of(scores=encoded) if packed else io.BytesIO(encoded)
    with (
        pytest.raises(FileError, match=r"declared as float32 .* the file has 12 for it"),
        open_numpy(file),
    ):
        pass


def test_a_file_that_grows_a_thousandfold_is_refused_before_it_is_unpacked():
    file = npz_of(scores=npy_bytes(np.zeros(100 * MIB, np.uint8)))
    tracemalloc.start()
    with (
        pytest.raises(FileError, match=r"unpacks to 104857\d+; expected at most"),
        open_numpy(file),
    ):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MIB


def test_small_arrays_may_be_all_zeros():
    with open_numpy(npz_of(trained=npy_bytes(np.zeros(MIB, bool)))) as file:
        assert not file.read("trained").any()


def test_objects_are_not_read():
    stored = io.BytesIO()
    np.savez(stored, scores=np.array([{}], object))
    stored.seek(0)
    with open_numpy(stored) as file, pytest.raises(ValueError, match="allow_pickle"):
        file.read("scores")


def test_a_newer_version_of_the_format_is_named():
    stored = io.BytesIO()
    np.lib.format.write_array(stored, np.zeros(1), version=(3, 0))
    stored.seek(0)
    with (
        pytest.raises(FileError, match=r"version \(3, 0\) of .npy; expected 1.0 or 2.0"),
        open_numpy(stored),
    ):
        pass


@given(
    arrays_of.arrays(
        st.sampled_from([np.float16, np.float32, np.int64, np.bool_, np.dtype("<U3")]),
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_what_numpy_writes_is_read_as_it_was(array, packed):
    stored = io.BytesIO()
    if packed:
        np.savez_compressed(stored, features=array)
    else:
        np.save(stored, array)
    stored.seek(0)
    with open_numpy(stored) as file:
        (name,) = file.headers
        assert file.headers[name] == (array.shape, array.dtype)
        np.testing.assert_array_equal(file.read(name), array)
