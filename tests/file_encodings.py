"""Values as the bytes of each format, hostile ones included; a library may refuse them."""

import io
import json
import pickle
import struct
import zipfile

import h5py
import numpy as np
import scipy.io

from videolstm_jax.sealed_json import encode_rows, json_sha256


def _plain(value):
    """What JSON has in place of an array or of bytes."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("latin1")
    return str(value)


def json_bytes(tree):
    return json.dumps(tree, default=_plain).encode()


def jsonl_bytes(rows):
    if not isinstance(rows, list):
        rows = [rows]
    return b"".join(json_bytes(row) + b"\n" for row in rows)


def sealed_rows(rows):
    """The same rows with the seal of all in the first one."""
    return [json.loads(line) for line in encode_rows(rows, sealed=True).splitlines()]


def signed_json(record):
    """As model.json is: with the sum of its other fields, which whoever edits it can make."""
    record = json.loads(json_bytes(record))
    if isinstance(record, dict):
        record.pop("sha256", None)
        record["sha256"] = json_sha256(record)
    return json_bytes(record)


def npz_bytes(arrays):
    file = io.BytesIO()
    np.savez(file, **{str(name): np.asarray(array) for name, array in arrays.items()})
    return file.getvalue()


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def mat_bytes(variables):
    file = io.BytesIO()
    cells = {}
    for name, value in variables.items():
        # MATLAB keeps a list of names as a cell array, which an array of objects becomes.
        is_names = isinstance(value, list) and value and all(isinstance(row, str) for row in value)
        cells[name] = np.array(value, object) if is_names else value
    scipy.io.savemat(file, cells)
    return file.getvalue()


def pickle_bytes(value):
    return pickle.dumps(value, protocol=2)


def h5_bytes(arrays):
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for name, array in arrays.items():
            root.create_dataset(str(name), data=array)
    return file.getvalue()


def zip_bytes(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json_bytes(content))
    return file.getvalue()


def safetensors_bytes(parts):
    header = json_bytes(parts["header"])
    return struct.pack("<Q", len(header)) + header + parts["data"]
