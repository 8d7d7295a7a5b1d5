"""Downloads published ImageNet weights of VGG-16 and keeps a file only if its checksum is right."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, replacing

# Half a gigabyte of weights never lies in memory at once.
_BLOCK_BYTES = 1 << 20
# Of each wait for the server, not of the whole file, which may take hours on a slow line.
_TIMEOUT_SECONDS = 60.0


class PublishedWeights(NamedTuple):
    """A file of weights that somebody publishes.

    Attributes:
      url: where it is published.
      name: of the local file.
      checksum: as published, "kind:hex".
      preprocessing: of the images it was trained with, `caffe` or `torch`.
      about: who trained it.
    """

    url: str
    name: str
    checksum: str
    preprocessing: str
    about: str


SOURCES = {
    "keras": PublishedWeights(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        # the checksum that Keras itself compares; it publishes no other
        "md5:64373286793e3c8b2b4e3219cbf3544b",
        "caffe",
        "the Caffe model of Simonyan and Zisserman, the paper's",
    ),
    "torchvision": PublishedWeights(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "vgg16-397923af.pth",
        "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "torch",
        "trained anew by torchvision",
    ),
    "timm": PublishedWeights(
        # a fixed revision, so that the checksum stays right
        "https://huggingface.co/timm/vgg16.tv_in1k/resolve/b8d8aa2dd860af9233c8c67385a8097fd6c35d3f/model.safetensors",
        "vgg16_tv_in1k.safetensors",
        "sha256:57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
        "torch",
        "torchvision's numbers, kept by timm",
    ),
}


def fetch_vgg_weights(source: PublishedWeights, folder: PathLike, *, url: str = "") -> epath.Path:
    """Downloads a file of weights into a folder; a file that exists is only checked.

    The file appears whole and checked, or not at all.

    Args:
      source: which file.
      folder: where it is written.
      url: of a mirror; the checksum stays that of the source.

    Returns:
      The path of the file.

    Raises:
      FileError: the file cannot be downloaded, or its checksum is another one.
    """
    path = epath.Path(folder) / source.name
    url = url or source.url
    # The sources publish checksums of different kinds, so each names its own.
    kind = source.checksum.partition(":")[0]
    if path.exists():
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, kind).hexdigest()
        _check_checksum(source, checksum, str(path), "; remove it to fetch it again")
        return path
    # Summed while it arrives, so that the file is not read a second time.
    digest, size = hashlib.new(kind), 0
    # The checksum is compared inside the block: an error there removes the temporary file.
    with replacing(path) as temporary:
        try:
            with temporary.open("wb") as file:
                for block in _download(url, source.name):
                    file.write(block)
                    digest.update(block)
                    size += len(block)
        # ValueError: of an address that is none. HTTPException: of an answer that is not HTTP.
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FileError(
                f"{url} cannot be fetched: {error}; on a machine without a network, copy the file "
                f"by hand: put it at {path}"
            ) from error
        after = f" after {size} bytes; nothing was kept"
        _check_checksum(source, digest.hexdigest(), url, after)
    return path


def _download(url: str, name: str) -> Iterator[bytes]:
    """Yields the bytes of a URL block by block; prints the progress ten times."""
    # A file: URL is allowed, for a mirror on a disk; the checksum is compared for every source.
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        size = int(response.headers.get("Content-Length") or 0)
        received = 0
        while block := response.read(_BLOCK_BYTES):
            yield block
            before = received
            received += len(block)
            # Without a length in the answer there are no tenths to count.
            if size and received * 10 // size > before * 10 // size:
                print(f"{name}: {received / 1e6:.0f} of {size / 1e6:.0f} MB", flush=True)


def _check_checksum(source: PublishedWeights, checksum: str, place: str, after: str) -> None:
    """Raises FileError where a checksum is not the published one; `after` ends the message."""
    kind, _, expected = source.checksum.partition(":")
    if checksum != expected:
        raise FileError(f"{place}: its {kind} is {checksum}; expected {expected}{after}")
