"""Turns the attention of a run into boxes and tubes, and measures them."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("localize")
