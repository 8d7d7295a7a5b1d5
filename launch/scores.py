"""Imports or shows class scores of any system."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("scores")
