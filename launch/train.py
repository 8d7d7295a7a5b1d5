"""Trains one recurrent model on the stored features."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("train")
