"""Stores the backbone's features of every frame of one stream."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("extract")
