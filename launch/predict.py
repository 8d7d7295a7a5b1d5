"""Reads a video, a camera or a pipe with a trained model, and films its predictions."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("predict")
