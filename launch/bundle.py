"""Writes a trained model as a folder of its own, which another machine can load."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("bundle")
