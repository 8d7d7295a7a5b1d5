"""Deprecated name of `launch.pipeline`."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("walk")
