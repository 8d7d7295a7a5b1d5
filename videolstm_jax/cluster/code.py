"""The code that a process runs, as digests and versions to compare with those of the others."""

from __future__ import annotations

import hashlib
import importlib.util
import pathlib

from videolstm_jax.config import RunConfig
from videolstm_jax.installed import installed_version

_PACKAGES = ("jax", "jaxlib", "numpy", "optax", "tensorflow")
"""What computes or draws the numbers of a training."""


def code_versions_of_process() -> dict[str, str]:
    """The version of this code and of the libraries that compute, by name."""
    digest = hashlib.sha256()
    root = pathlib.Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        # The path too: the same content under other names is other code.
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    # Sixteen digits tell two versions apart, and can be read in a message.
    versions = {"code": digest.hexdigest()[:16]}
    for name in _PACKAGES:
        versions[name] = installed_version(name) or "none"
    return versions


def own_modules_of_process(cfg: RunConfig) -> dict[str, str]:
    """Digests of the files of the user's own cells and backbones, by "code of MODULE".

    Only the file of the module itself: what it imports is not followed.

    Args:
      cfg: whose cells and backbones may be named as `package.module:ATTRIBUTE`.
    """
    names = {
        cfg.model.cell,
        *cfg.pipeline.cells,
        cfg.pipeline.flow_cell,
        cfg.convnet.backbone,
        cfg.pipeline.flow_backbone,
    }
    digests = {}
    for name in sorted(names):
        module, colon, _ = name.partition(":")
        if colon:
            digests[f"code of {module}"] = _digest_of_module(module)
    return digests


def _digest_of_module(name: str) -> str:
    """The digest of a module's file; "none" where it has none, which the stage refuses later."""
    # The packages around the module are imported here, and may raise anything.
    try:
        spec = importlib.util.find_spec(name)
        content = pathlib.Path(spec.origin).read_bytes()
    except Exception:
        return "none"
    return hashlib.sha256(content).hexdigest()[:16]
