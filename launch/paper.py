"""Runs or shows the numbers of the paper by name."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("paper")
