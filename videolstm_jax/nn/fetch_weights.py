"""Fetches published ImageNet weights of VGG-16, and keeps them only if their checksum is the
published one.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from typing import NamedTuple

from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, replacing

_BLOCK = 1 << 20
_TIMEOUT = 60.0


class Source(NamedTuple):
    """A published file: where it lies, what it is called here, its checksum as "kind:hex", its
    preprocessing.
    """

    url: str
    name: str
    checksum: str
    preprocessing: str
    about: str


SOURCES = {
    "keras": Source(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
        # the one Keras itself checks; it publishes no other
        "md5:64373286793e3c8b2b4e3219cbf3544b",
        "caffe",
        "the Caffe model of Simonyan and Zisserman, the paper's",
    ),
    "torchvision": Source(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "vgg16-397923af.pth",
        "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "torch",
        "trained anew by torchvision",
    ),
    "timm": Source(
        "https://huggingface.co/timm/vgg16.tv_in1k/resolve/b8d8aa2dd860af9233c8c67385a8097fd6c35d3f/model.safetensors",
        "vgg16_tv_in1k.safetensors",
        "sha256:57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8",
        "torch",
        "torchvision's numbers, kept by timm",
    ),
}


def fetch(source: Source, folder: PathLike, *, url: str = "") -> epath.Path:
    """Writes the file into the folder, whole and checked or not at all; one that is there already
    is only checked.

    Args:
      source: what to fetch.
      folder: where to.
      url: of a mirror; the checksum stays that of the source.

    Raises:
      FileError: it cannot be fetched, or its checksum is another.
    """
    path, url = epath.Path(folder) / source.name, url or source.url
    kind = source.checksum.partition(":")[0]
    if path.exists():
        with path.open("rb") as file:
            _agree(
                str(path),
                hashlib.file_digest(file, kind).hexdigest(),
                source,
                "; remove it to fetch it again",
            )
        return path
    digest, seen = hashlib.new(kind), 0
    with replacing(path) as beside:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, beside.open("wb") as file:
                size = int(answer.headers.get("Content-Length") or 0)
                while block := answer.read(_BLOCK):
                    file.write(block)
                    digest.update(block)
                    if size and seen * 10 // size < (seen + len(block)) * 10 // size:
                        print(
                            f"{source.name}: {(seen + len(block)) / 1e6:.0f} of {size / 1e6:.0f} MB",
                            flush=True,
                        )
                    seen += len(block)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FileError(
                f"{url} cannot be fetched: {error}; a machine without a network can be given the file: "
                f"put it at {path}"
            ) from error
        _agree(url, digest.hexdigest(), source, f" after {seen} bytes; nothing was kept")
    return path


def _agree(what: str, found: str, source: Source, then: str) -> None:
    kind, _, expected = source.checksum.partition(":")
    if found != expected:
        raise FileError(f"{what}: its {kind} is {found}; expected {expected}{then}")
