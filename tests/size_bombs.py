"""Small files that declare or unpack to gigabytes, and their readers.

    python tests/size_bombs.py FOLDER write
    python tests/size_bombs.py FOLDER read

Two processes, so that the memory of the one that reads has had no peak before. It prints a line of
JSON: for each bomb its bytes, the memory that reading took in MiB, and the message.
"""

import io
import json
import pathlib
import struct
import sys
import zipfile
import zlib

import h5py
import numpy as np
from bounded_reading import outcome_of, peak_mebibytes

from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.features import foreign
from videolstm_jax.flow_images import flow_file
from videolstm_jax.nn.weight_files import read_weights
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores
from videolstm_jax.trajectories.reader import read_trajectories

GIB = 1 << 30
_BLOCK = 1 << 24
_ADLER_BASE = 65521


def zeros_deflated(size, prefix=b""):
    """A deflate stream of a prefix and zeros, made without packing them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(prefix) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (size // _BLOCK) + packer.flush(zlib.Z_FINISH)


def zlib_of_zeros(size, prefix):
    """The same as a zlib stream, whose checksum of zeros needs no zeros."""
    start = zlib.adler32(prefix)
    low, high = start & 0xFFFF, start >> 16
    checksum = ((high + size * low) % _ADLER_BASE) << 16 | low
    return b"\x78\xda" + zeros_deflated(size, prefix) + struct.pack(">I", checksum)


def npy_header(shape, dtype=np.float32):
    file = io.BytesIO()
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def zip_of(name, packed, size, method=zipfile.ZIP_DEFLATED):
    """A zip of one packed member; its checksum is wrong, which is seen only after unpacking."""
    local = struct.pack(
        "<4s5H3I2H", b"PK\3\4", 20, 0, method, 0, 33, 0, len(packed), size, len(name), 0
    )
    local += name.encode()
    central = struct.pack(
        "<4s6H3I5H2I",
        *(b"PK\1\2", 20, 20, 0, method, 0, 33, 0, len(packed), size),
        *(len(name), 0, 0, 0, 0, 0, 0),
    )
    central += name.encode()
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


def npz(name):
    header = npy_header((GIB // 4,))
    return zip_of(f"{name}.npy", zeros_deflated(GIB, header), GIB + len(header))


def mat():
    """A matrix of a gigabyte of int8, which becomes eight of doubles."""

    def element(kind, content):
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    start = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", GIB, 1))
    start += element(1, b"annot") + struct.pack("<II", 1, GIB)
    matrix = struct.pack("<II", 14, len(start) + GIB) + start
    packed = zlib_of_zeros(GIB, matrix)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return header + struct.pack("<II", 15, len(packed)) + packed


def h5(name, arrays=1):
    """Arrays whose chunks are one packed chunk again and again."""
    file = io.BytesIO()
    rows, width = 64, _BLOCK // 4
    chunk = zlib.compress(bytes(_BLOCK), 9)
    with h5py.File(file, "w") as root:
        for number in range(arrays):
            array = root.create_dataset(
                f"{name}{number or ''}", (rows, width), "f4", chunks=(1, width), compression="gzip"
            )
            for row in range(rows):
                array.id.write_direct_chunk((row, 0), chunk)
    return file.getvalue()


def many_small_h5():
    """Arrays of which each may be so large, and all together may not."""
    file = io.BytesIO()
    chunk = zlib.compress(bytes(_BLOCK), 9)
    with h5py.File(file, "w") as root:
        for number in range(64):
            array = root.create_dataset(
                f"a{number}", (_BLOCK // 4,), "f4", chunks=(_BLOCK // 4,), compression="gzip"
            )
            array.id.write_direct_chunk((0,), chunk)
    return file.getvalue()


def overlapping_safetensors():
    size = 1 << 22
    rows = {}
    for number in range(256):
        rows[f"a{number}"] = {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}
    header = json.dumps(rows).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def declared_header():
    return struct.pack("<Q", 99_999_999) + b"{}"


def xgtf():
    boxes = '<bbox framespan="1:999999" height="4" width="3" x="1" y="2"/>' * 3000
    person = f'<object framespan="1:999999" name="PERSON"><attribute name="Location">{boxes}'
    return (
        '<viper><data><sourcefile filename="v.mpg"><file/>'
        f"{person}</attribute></object></sourcefile></data></viper>"
    ).encode()


def entities():
    rows = ['<!ENTITY a0 "aaaaaaaaaa">']
    for number in range(1, 12):
        rows.append(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">')
    return f"<!DOCTYPE v [{''.join(rows)}]><v>&a11;</v>".encode()


def flow_member():
    return zip_of("flow_x_0001.png", zeros_deflated(GIB), GIB)


def gzip_of_zeros():
    packed = zeros_deflated(GIB)
    return b"\x1f\x8b\x08" + bytes(6) + b"\x03" + packed + bytes(8)


def _weights(name):
    return name, lambda folder: read_weights(folder / name)


def _truth(name):
    return name, lambda folder: read_truth(folder / name)


def bombs():
    """Name, path, reader, and what makes the content of each."""
    scores = ("s.npz", lambda folder: import_scores(str(folder / "s.npz"), ImportSettings()))
    arrays = ("v.npz", lambda folder: [v.read() for v in foreign.array_features(folder).values()])
    array = ("v.npy", lambda folder: [v.read() for v in foreign.array_features(folder).values()])
    authors = ("v.h5", lambda folder: [v.read() for v in foreign.authors_features(folder).values()])
    flow = ("a.zip", lambda folder: flow_file.read_flow(folder / "a.zip"))
    trajectories = ("a.gz", lambda folder: read_trajectories(folder / "a.gz"))
    yield "scores .npz", *scores, lambda: npz("scores")
    yield "features .npz", *arrays, lambda: npz("features")
    yield "features .npy, declared", *array, lambda: npy_header((GIB, GIB)) + bytes(64)
    yield "features .h5", *authors, lambda: h5("features")
    yield "weights .npz", *_weights("w.npz"), lambda: npz("a")
    yield "weights .h5", *_weights("w.h5"), lambda: h5("a")
    yield "weights .h5, many arrays", *_weights("w2.h5"), many_small_h5
    yield (
        "weights .pth, packed",
        *_weights("w.pth"),
        lambda: zip_of("a/data.pkl", zeros_deflated(GIB), GIB),
    )
    stored = zip_of("a/data.pkl", b"x" * 64, GIB, zipfile.ZIP_STORED)
    yield "weights .pth, declared", *_weights("w3.pth"), lambda: stored
    yield (
        "weights .safetensors, shared",
        *_weights("w.safetensors"),
        overlapping_safetensors,
    )
    yield "weights .safetensors, header", *_weights("w2.safetensors"), declared_header
    yield "annotations .mat", *_truth("a.mat"), mat
    yield (
        "annotations .pkl, declared",
        *_truth("a.pkl"),
        lambda: b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00.",
    )
    yield "spans of .xgtf", *_truth("Biking/v.xgtf"), xgtf
    yield "entities of .xgtf", *_truth("Biking/e.xgtf"), entities
    yield "flow zip", *flow, flow_member
    yield "trajectories, gzip", *trajectories, gzip_of_zeros


def main():
    root = pathlib.Path(sys.argv[1])
    figures = {}
    for number, (name, path, read, content) in enumerate(bombs()):
        folder = root / str(number)
        if sys.argv[2] == "write":
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_bytes(content())
            continue
        before = peak_mebibytes()
        outcome = outcome_of(read, folder, pathlib.PurePath(path).name)
        figures[name] = {
            "bytes": (folder / path).stat().st_size,
            "mebibytes": round(peak_mebibytes() - before, 1),
            "problem": outcome.problem,
            "message": outcome.message,
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
