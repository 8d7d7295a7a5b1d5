"""scikit-learn, an optional dependency: imported where it is needed, or refused in one line."""

from __future__ import annotations

import importlib
from types import ModuleType

from videolstm_jax.errors import ConfigError


def scikit_learn(module: str) -> ModuleType:
    """Imports a module of scikit-learn, such as "svm".

    Raises:
      ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ConfigError(
            "idt and objects need scikit-learn, which is not installed: "
            "pip install 'videolstm-jax[idt]'"
        ) from error
