"""The versions of the packages that change numbers, as checkpoints record them."""

from __future__ import annotations

from collections.abc import Mapping

from videolstm_jax.installed import installed_version

PACKAGES = ("jax", "jaxlib", "optax", "flax", "numpy", "tensorflow")
"""What computes or draws the numbers of a training. Other packages read or write."""
_NOT_AT_FIRST = ("tensorflow",)
"""What earlier checkpoints have not recorded; no difference where it is missing."""


def checkpoint_package_versions() -> dict[str, str]:
    """The installed versions by the names of the packages; those that are not installed are out."""
    versions = {}
    for package in PACKAGES:
        version = installed_version(package)
        if version is not None:
            versions[package] = version
    return versions


def checkpoint_versions_difference(saved: Mapping[str, str]) -> str:
    """How the installed versions differ, such as "jax 0.9.0, here 0.10.2"; empty for not at all.

    Args:
      saved: the versions in a checkpoint.
    """
    installed = checkpoint_package_versions()
    differences = []
    for package in PACKAGES:
        if package in _NOT_AT_FIRST and package not in saved:
            continue
        saved_version, own_version = saved.get(package, "none"), installed.get(package, "none")
        if saved_version != own_version:
            differences.append(f"{package} {saved_version}, here {own_version}")
    return "; ".join(differences)
