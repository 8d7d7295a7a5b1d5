"""Lists the videos, checks that every one decodes, and stores optical flow."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("prepare")
