"""The flow images of one video: a zip of pictures from which any range can be read."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator

import numpy as np
from etils import epath
from PIL import Image

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike
from videolstm_jax.sealed_json import json_sha256

KINDS = {
    "jpeg": ("jpg", {"format": "JPEG", "quality": 95}),
    "png": ("png", {"format": "PNG", "compress_level": 1}),
}
"""Suffix and Pillow's options of each kind of picture."""
FIXED_DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every member, the earliest of the format, so that equal images give equal bytes."""
FORMATS = [options["format"] for _, options in KINDS.values()]
"""Pillow's formats of flow; it starts other programs for some of the rest, Ghostscript for EPS."""

# Twice the pixels of an 8K video, and the bytes of its largest picture without any packing.
_MOST_PIXELS = 1 << 26
_MOST_BYTES = 1 << 27
# Bytes of one range of flow: half an hour of video at the usual 340 x 256 pixels.
_MOST_BYTES_OF_RANGE = 1 << 33


def write_flow(path: PathLike, images: np.ndarray, kind: str = "jpeg", *, note: str = "") -> None:
    """Writes flow_x_0001, flow_y_0001, .. of each pair; equal images give equal bytes.

    Args:
      path: the zip file.
      images: [L-1, H, W, 2] uint8.
      kind: `jpeg`, at quality 95, or `png`.
      note: the comment of the zip.

    Raises:
      FileError: a kind, shape or dtype that cannot be written.
    """
    problem = ""
    if kind not in KINDS:
        problem = f"kind {kind!r}; expected one of {', '.join(KINDS)}"
    elif images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 2 or not images.size:
        shape = f"{images.dtype} {list(images.shape)}"
        problem = f"images are {shape}; expected uint8 [L-1, H, W, 2]"
    if problem:
        raise FileError(f"{path}: {problem}")
    suffix = KINDS[kind][0]
    buffer = io.BytesIO()
    # Stored, not deflated: the pictures are compressed already, and reading one costs nothing more.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        file.comment = note.encode()
        for number, pair in enumerate(images, 1):
            for axis, direction in enumerate("xy"):
                member = zipfile.ZipInfo(_member(direction, number, suffix), FIXED_DATE)
                file.writestr(member, _encoded(pair[..., axis], kind))
    files.write_bytes(path, buffer.getvalue())


def as_stored_flow(images: np.ndarray, kind: str) -> np.ndarray:
    """Returns images [n, H, W, 2] as `read_flow` would after `write_flow`: JPEG changes them."""
    if kind == "png":
        return images
    stored = np.empty(images.shape, np.uint8)
    for number, pair in enumerate(images):
        for axis in (0, 1):
            encoded = io.BytesIO(_encoded(pair[..., axis], kind))
            stored[number, ..., axis] = np.asarray(Image.open(encoded, formats=FORMATS))
    return stored


def read_flow(path: PathLike, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Reads pairs `start` to `stop`, counted from 0; None reads to the end.

    Returns:
      [n, H, W, 2] uint8.

    Raises:
      FileError: the file is absent or damaged, lacks a picture, or has fewer pairs than asked for.
    """
    with _opened(path) as file:
        pairs, suffix = _pairs(file)
        if stop is None:
            stop = pairs
        if not 0 <= start <= stop <= pairs:
            raise FileError(f"asked for pairs {start} to {stop}; it has {pairs}")
        pictures: list[np.ndarray] = []
        # Small files may declare large pictures, so the memory of the whole range is limited too.
        free_bytes = _MOST_BYTES_OF_RANGE
        for number in range(start + 1, stop + 1):  # members are counted from 1
            for direction in "xy":
                pictures.append(_picture(file, _member(direction, number, suffix), free_bytes))
                free_bytes -= pictures[-1].nbytes
        # A zip can be put together by hand; arrays cannot hold several sizes.
        sizes = {picture.shape for picture in pictures}
        if len(sizes) > 1:
            raise FileError(f"pictures of sizes {sorted(sizes)}; expected one size")
    # An empty range has no size.
    height, width = 0, 0
    if sizes:
        height, width = sizes.pop()
    flow = np.empty((stop - start, height, width, 2), np.uint8)
    for index, picture in enumerate(pictures):
        flow[index // 2, ..., index % 2] = picture
    return flow


def describe_flow(path: PathLike) -> tuple[int, str]:
    """Returns the number of pairs, L-1, and the note of `write_flow`, without opening pictures.

    Raises:
      FileError: see `read_flow`.
    """
    with _opened(path) as file:
        pairs, _ = _pairs(file)
        return pairs, file.comment.decode(errors="replace")


def flow_content_sha256(path: PathLike) -> str:
    """The digest of the names, lengths and checksums of all pictures, which are not read.

    `read_flow` compares each picture with its checksum, so both together show that the content is
    what it was.

    Raises:
      FileError: see `read_flow`.
    """
    with _opened(path) as file:
        members = []
        for member in file.infolist():
            members.append([member.filename, member.file_size, member.CRC])
        return json_sha256(members)


def _member(direction: str, number: int, suffix: str) -> str:
    return f"flow_{direction}_{number:04d}.{suffix}"


def _encoded(picture: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, **KINDS[kind][1])
    return buffer.getvalue()


@contextlib.contextmanager
def _opened(path: PathLike) -> Iterator[zipfile.ZipFile]:
    """Opens a file of flow; errors inside the block get its name and what to do."""
    path = epath.Path(path)
    if not path.exists():
        raise FileError(f"{path} is missing; the stage prepare writes it")
    summary = "damaged, cannot be read as flow; remove it and run the stage prepare again"
    # zipfile and the decoders of pictures raise many kinds for one cause: damaged bytes.
    with (
        files.reading(path, summary, Exception),
        path.open("rb") as source,
        zipfile.ZipFile(source) as file,
    ):
        yield file


def _pairs(file: zipfile.ZipFile) -> tuple[int, str]:
    """The number of pairs and the suffix of the pictures; all members must be there."""
    names = file.namelist()
    suffix = ""
    if names:
        suffix = names[0].rpartition(".")[2]
    pairs = len(names) // 2
    expected = set()
    for number in range(1, pairs + 1):
        expected |= {_member("x", number, suffix), _member("y", number, suffix)}
    if not names or set(names) != expected:
        # One name is enough to find the fault; a damaged zip may lack thousands.
        misplaced = sorted(expected ^ set(names))[:1] or "none"
        raise FileError(
            f"{len(names)} members, {misplaced} out of place; expected flow_x_0001, flow_y_0001, "
            ".. of every pair"
        )
    return pairs, suffix


def _picture(file: zipfile.ZipFile, name: str, most_pixels: int) -> np.ndarray:
    """One picture, [H, W] uint8; its declared sizes are checked before memory is taken for them."""
    with Image.open(io.BytesIO(_member_bytes(file, name)), formats=FORMATS) as image:
        width, height = image.size
        if width * height > min(_MOST_PIXELS, most_pixels):
            raise FileError(f"{name} has {width} x {height} pixels, too many for flow")
        picture = np.asarray(image)
    if picture.dtype != np.uint8 or picture.ndim != 2:
        raise FileError(f"{name} is {picture.dtype} {list(picture.shape)}; expected uint8 [H, W]")
    return picture


def _member_bytes(file: zipfile.ZipFile, name: str) -> bytes:
    """Unpacks a member, which may be packed to a thousandth of its size."""
    member = file.getinfo(name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileError(f"{name} is packed by method {member.compress_type}; expected none")
    if member.file_size > _MOST_BYTES:
        raise FileError(f"{name} has {member.file_size} bytes; expected at most {_MOST_BYTES}")
    # The declared size may be wrong. Without a limit `read` unpacks all before it compares.
    with file.open(member) as source:
        encoded = source.read(_MOST_BYTES)
    if len(encoded) != member.file_size:
        raise FileError(f"{name} has {len(encoded)} bytes; the zip says {member.file_size}")
    return encoded
