"""The flow images of one video, a zip of pictures that any range can be read from."""

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

KINDS = {
    "jpeg": ("jpg", {"format": "JPEG", "quality": 95}),
    "png": ("png", {"format": "PNG", "compress_level": 1}),
}
_DATE = (1980, 1, 1, 0, 0, 0)


def write_flow(path: PathLike, images: np.ndarray, kind: str = "jpeg", *, note: str = "") -> None:
    """Writes flow_x_0001, flow_y_0001, .. of each pair; equal images give equal bytes.

    Args:
      path: the zip file.
      images: [L-1, H, W, 2] uint8.
      kind: `jpeg`, at quality 95, or `png`.
      note: kept as the comment of the zip.

    Raises:
      FileError: a kind, shape or dtype that cannot be written.
    """
    if kind not in KINDS:
        raise FileError(f"{path}: kind {kind!r}; expected one of {', '.join(KINDS)}")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 2 or not images.size:
        raise FileError(
            f"{path}: images are {images.dtype} {list(images.shape)}; expected uint8 [L-1, H, W, 2]"
        )
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as file:
        file.comment = note.encode()
        for number, pair in enumerate(images, 1):
            for axis, name in enumerate("xy"):
                member = zipfile.ZipInfo(f"flow_{name}_{number:04d}.{KINDS[kind][0]}", _DATE)
                file.writestr(member, _encoded(pair[..., axis], kind))
    files.write_bytes(path, whole.getvalue())


def as_stored(images: np.ndarray, kind: str) -> np.ndarray:
    """What `read_flow` gives back of images [n, H, W, 2] that `write_flow` keeps: JPEG changes
    them, PNG does not.
    """
    if kind == "png":
        return images
    return np.stack(
        [
            np.stack(
                [
                    np.asarray(Image.open(io.BytesIO(_encoded(pair[..., axis], kind))))
                    for axis in (0, 1)
                ],
                -1,
            )
            for pair in images
        ]
    )


def read_flow(path: PathLike, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Reads pairs `start` to `stop`, counted from 0; None reads to the end.

    Returns:
      [n, H, W, 2] uint8.

    Raises:
      FileError: the file is absent or damaged, lacks a picture, or has fewer pairs than asked for.
    """
    with _opened(path) as file:
        pairs, suffix = _pairs(path, file)
        stop = pairs if stop is None else stop
        if not 0 <= start <= stop <= pairs:
            raise FileError(f"{path}: asked for pairs {start} to {stop}; it has {pairs}")
        pictures = [
            _picture(path, file, f"flow_{name}_{number:04d}.{suffix}")
            for number in range(start + 1, stop + 1)
            for name in "xy"
        ]
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise FileError(f"{path}: pictures of sizes {sorted(sizes)}; expected one size")
    height, width = sizes.pop() if sizes else (0, 0)
    flow = np.empty((stop - start, height, width, 2), np.uint8)
    for number, picture in enumerate(pictures):
        flow[number // 2, ..., number % 2] = picture
    return flow


def describe(path: PathLike) -> tuple[int, str]:
    """The number of pairs, L-1, and the note that was written with them; pictures are not opened.

    Raises:
      FileError: see `read_flow`.
    """
    with _opened(path) as file:
        return _pairs(path, file)[0], file.comment.decode(errors="replace")


def _encoded(picture: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, **KINDS[kind][1])
    return buffer.getvalue()


@contextlib.contextmanager
def _opened(path: PathLike) -> Iterator[zipfile.ZipFile]:
    path = epath.Path(path)
    if not path.exists():
        raise FileError(f"{path} is missing; the stage prepare writes it")
    try:
        with path.open("rb") as source, zipfile.ZipFile(source) as file:
            yield file
    except FileError:
        raise
    # zipfile and the decoders of pictures raise many kinds for one cause: damaged bytes
    except Exception as error:
        raise FileError(
            f"{path}: damaged, cannot be read as flow: {error}; remove it and run the stage prepare "
            "again"
        ) from error


def _pairs(path: PathLike, file: zipfile.ZipFile) -> tuple[int, str]:
    names = file.namelist()
    suffix = names[0].rpartition(".")[2] if names else ""
    pairs = len(names) // 2
    expected = {
        f"flow_{name}_{number:04d}.{suffix}" for number in range(1, pairs + 1) for name in "xy"
    }
    if not names or set(names) != expected:
        odd = sorted(expected ^ set(names))
        raise FileError(
            f"{path}: {len(names)} members, {odd[:1] or 'none'} out of place; "
            "expected flow_x_0001, flow_y_0001, .. of every pair"
        )
    return pairs, suffix


def _picture(path: PathLike, file: zipfile.ZipFile, name: str) -> np.ndarray:
    picture = np.asarray(Image.open(io.BytesIO(file.read(name))))
    if picture.dtype != np.uint8 or picture.ndim != 2:
        raise FileError(
            f"{path}: {name} is {picture.dtype} {list(picture.shape)}; expected uint8 [H, W]"
        )
    return picture
