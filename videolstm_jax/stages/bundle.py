"""Writes a trained model as a bundle, a folder of its own that another machine can load."""

from __future__ import annotations

from etils import epath

from videolstm_jax.config import BundleConfig
from videolstm_jax.lock.file_writer import file_writer
from videolstm_jax.trained.model import TrainedModel


def run(cfg: BundleConfig) -> epath.Path:
    """Writes the bundle; see `trained.bundle.writer`.

    Returns:
      The folder.

    Raises:
      FileError: the run, its backbones or its flow settings are missing or damaged, the folder
        exists already, or another process writes it.
    """
    model = TrainedModel.load(cfg.run)
    with file_writer(cfg.to, "bundle"):
        return model.save(cfg.to)
