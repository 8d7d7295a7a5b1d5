"""Fetches ImageNet weights of VGG-16 on a connected machine.

Usage: python -m launch.fetch_weights --source=keras|torchvision|timm --folder=weights
"""

from absl import app, flags

from launch import boot
from videolstm_jax.nn.fetch_weights import SOURCES, fetch
from videolstm_jax.nn.weight_files import sha256_of

_SOURCE = flags.DEFINE_enum(
    "source",
    "keras",
    list(SOURCES),
    "Whose weights; "
    + "; ".join(f"{name}: {source.about}" for name, source in SOURCES.items())
    + ".",
)
_FOLDER = flags.DEFINE_string("folder", "weights", "Where to put the file.")
_URL = flags.DEFINE_string(
    "url", "", "A mirror of the file; its checksum must be the published one all the same."
)


def run(argv: list[str]) -> None:
    """Fetches, checks, and says how to use it."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected words {argv[1:]}; expected --source, --folder or --url")
    source = SOURCES[_SOURCE.value]
    path = fetch(source, _FOLDER.value, url=_URL.value)
    kind = source.checksum.partition(":")[0]
    print(
        f"{path}: {source.about}; its {kind} is as published, its sha256 is {sha256_of(path)}\n"
        f"use it with --convnet.weights={path} (preprocessing: {source.preprocessing})",
        flush=True,
    )


if __name__ == "__main__":
    app.run(boot.guarded(run))
