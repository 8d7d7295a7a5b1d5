"""`videolstm fetch_weights`: ImageNet weights of VGG-16, fetched on a connected machine."""

from __future__ import annotations

from absl import flags

from videolstm_jax.nn.fetch_weights import SOURCES, fetch_vgg_weights
from videolstm_jax.nn.weight_files import weights_sha256


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines `--source`, `--folder` and `--url`."""
    descriptions = []
    for name, source in SOURCES.items():
        descriptions.append(f"{name}: {source.about}")
    flags.DEFINE_enum(
        "source",
        "keras",
        list(SOURCES),
        f"Publisher of the weights. {'; '.join(descriptions)}.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("folder", "weights", "Where to put the file.", flag_values=flag_values)
    # For machines that reach a mirror only. It need not be trusted, since the checksum is compared.
    flags.DEFINE_string(
        "url",
        "",
        "A mirror of the file; its checksum must be the published one all the same.",
        flag_values=flag_values,
    )


def main(arguments: list[str]) -> None:
    """Fetches and checks the file, and prints how to use it."""
    flag_values = flags.FLAGS
    source = SOURCES[flag_values["source"].value]
    path = fetch_vgg_weights(source, flag_values["folder"].value, url=flag_values["url"].value)
    # Some publish an MD5 only. The sha256 is printed as well: a copy is safely compared by it.
    kind = source.checksum.partition(":")[0]
    sha256 = weights_sha256(path)
    print(
        f"{path}: {source.about}; its {kind} is as published, its sha256 is {sha256}\n"
        f"use it with --convnet.weights={path} (preprocessing: {source.preprocessing})",
        flush=True,
    )
