"""Scores videos by the ImageNet classes of their frames."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("objects")
