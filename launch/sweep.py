"""Runs one pipeline for each seed or held-out group, and pools the results."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("sweep")
