"""Runs all stages, from a folder of videos to a page of pictures."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("pipeline")
