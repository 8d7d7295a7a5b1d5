"""Fetches ImageNet weights of VGG-16 on a connected machine."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("fetch_weights")
