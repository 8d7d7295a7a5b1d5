"""Measures detected tubes of any known form against true ones."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("measure")
