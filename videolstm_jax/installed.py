"""The installed versions of packages, without importing them."""

from __future__ import annotations

import importlib.metadata

# TensorFlow is one library under several names in the package index.
_DISTRIBUTIONS = {"tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly")}


def installed_version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed."""
    for name in _DISTRIBUTIONS.get(package, (package,)):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None
