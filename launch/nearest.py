"""Scores test videos by their nearest neighbour on motion energy, the baseline."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("nearest")
