"""The recurrent cells as a Flax module, to stack on a VGG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flax.linen as nn

from videolstm_jax.core.model import make_model

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.cell import Cell
    from videolstm_jax.types import Clip, Output, PyTree


class VideoLSTM(nn.Module):
    """`make_model` with its parameters in the collection `params`, under the name `model`.

    Dropout draws from the `dropout` rng and is off without one.
    """

    cfg: ModelConfig
    cell: Cell | None = None

    @nn.compact
    def __call__(self, clip: Clip, carry: PyTree = None) -> Output:
        """Logits [B, T, C], attention [B, T, N, N] or None, and the carry; see `Model.apply`."""
        model = make_model(self.cfg, cell=self.cell)
        params = self.param("model", model.init)
        # `make_rng` raises where there is none, and no key means evaluation in our functions.
        key = None
        if self.has_rng("dropout"):
            key = self.make_rng("dropout")
        return model.apply(params, clip, carry, dropout_key=key)
