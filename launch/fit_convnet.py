"""Fits the backbone of one stream to single frames."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("fit_convnet")
