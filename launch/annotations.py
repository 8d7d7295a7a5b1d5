"""Converts or compares annotated tubes of any known form."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("annotations")
