"""Named settings, and `Settings`, which folds them with the user's own."""

from videolstm_jax.presets.settings import Settings, configured, convnet_of
from videolstm_jax.presets.table import PRESETS, Preset

__all__ = ["PRESETS", "Preset", "Settings", "configured", "convnet_of"]
