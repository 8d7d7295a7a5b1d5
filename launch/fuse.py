"""Multiplies the class scores of several runs."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("fuse")
