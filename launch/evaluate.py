"""Scores the test videos with a trained model, and stores its attention."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("evaluate")
