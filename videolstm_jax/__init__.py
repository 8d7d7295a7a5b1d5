"""VideoLSTM in JAX: recurrent networks that convolve, attend and flow for action recognition."""
