"""Flow images of one video in one zip of ordinary JPEG or PNG files, each read without the rest."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from etils import epath
from PIL import Image

from videolstm_jax.artifacts import ArtifactError, PathLike, write_bytes

_SUFFIX = {"jpeg": "jpg", "png": "png"}
_AXES = ("x", "y")
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: the same flow gives the same bytes


def write_flow(path: PathLike, images: np.ndarray, kind: str = "jpeg") -> None:
    """Writes flow images whole or not at all, as members flow_x_0001.jpg, flow_y_0001.jpg and so on.

    Args:
      path: of the zip.
      images: [L - 1, H, W, 2] uint8, x (right) and y (down), of `flow.image.to_image`.
      kind: `jpeg` at quality 95, or `png`, lossless.

    Raises:
      ArtifactError: other than uint8 images with two channels, or none.
    """
    if images.ndim != 4 or images.shape[-1] != 2 or images.dtype != np.uint8 or not images.size:
        raise ArtifactError(f"{path}: flow images are {images.dtype} {list(images.shape)}; expected uint8 [n, H, W, 2]")
    options = {"jpeg": {"format": "JPEG", "quality": 95}, "png": {"format": "PNG", "compress_level": 1}}[kind]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for number, pair in enumerate(images, 1):
            for axis, name in enumerate(_AXES):
                member = io.BytesIO()
                Image.fromarray(np.ascontiguousarray(pair[..., axis])).save(member, **options)
                info = zipfile.ZipInfo(f"flow_{name}_{number:04d}.{_SUFFIX[kind]}", _DATE)
                archive.writestr(info, member.getvalue())
    write_bytes(path, buffer.getvalue())


def read_flow(path: PathLike, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Flow images of the pairs start <= t < stop, uint8 [n, H, W, 2].

    Raises:
      ArtifactError: the file is missing or damaged, lacks a pair, or its images differ in size.
    """
    path = epath.Path(path)
    if not path.exists():
        raise ArtifactError(f"{path} is missing; the stage prepare writes it")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = {name.rpartition(".")[0]: name for name in archive.namelist()}
            pairs = len(members) // 2
            stop = pairs if stop is None else stop
            if not 0 <= start <= stop <= pairs:
                raise ArtifactError(f"{path}: flow of frames {start} to {stop} asked for; it has {pairs} pairs")
            planes = [_plane(archive, members[f"flow_{axis}_{number:04d}"])
                      for number in range(start + 1, stop + 1) for axis in _AXES]
    except ArtifactError:
        raise
    except KeyError as error:
        raise ArtifactError(f"{path}: lacks the image {error}; it has {len(members)} images") from error
    except Exception as error:  # zipfile and the image decoders raise many kinds for one cause: damaged bytes
        raise ArtifactError(f"{path}: cannot be read as flow images: {error}") from error
    if not planes:
        return np.zeros((0, 0, 0, 2), np.uint8)
    if len({plane.shape for plane in planes}) > 1:
        raise ArtifactError(f"{path}: images of sizes {sorted({plane.shape for plane in planes})}; expected one size")
    stacked = np.stack(planes).reshape(stop - start, 2, *planes[0].shape)
    return np.ascontiguousarray(np.moveaxis(stacked, 1, -1))


def count_pairs(path: PathLike) -> int:
    """How many pairs of frames the file has flow of.

    Raises:
      ArtifactError: the file is missing or is no zip.
    """
    try:
        with epath.Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            return len(archive.namelist()) // 2
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path}: cannot be read as flow images: {error}") from error


def _plane(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    image = np.asarray(Image.open(io.BytesIO(archive.read(member))))
    if image.ndim != 2:
        raise ArtifactError(f"{archive.filename}: {member} has shape {image.shape}; expected one grey channel")
    return image
