"""Inspects, verifies, compacts or imports stores of features."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("features")
