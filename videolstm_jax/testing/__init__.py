"""The conformance test of a recurrent cell, for the six cells and for anyone's own."""

from videolstm_jax.testing.conformance import CHECKS, check_cell

__all__ = ["CHECKS", "check_cell"]
