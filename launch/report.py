"""Draws everything in the work folder on one page."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("report")
