"""The versions of the packages that change numbers, as checkpoints record them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy")
"""What computes the numbers of a training. Other packages read, draw or write."""


def package_versions() -> dict[str, str]:
    """The installed versions by the names of the packages; those that are not installed are out."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def versions_difference(saved: Mapping[str, str]) -> str:
    """How the installed versions differ, such as "jax 0.9.0, here 0.10.2"; empty for not at all.

    Args:
      saved: the versions in a checkpoint.
    """
    installed = package_versions()
    differences = []
    for package in PACKAGES:
        before, now = saved.get(package, "none"), installed.get(package, "none")
        if before != now:
            differences.append(f"{package} {before}, here {now}")
    return "; ".join(differences)
