"""Finds the step and the array or metric where two trainings part."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("compare")
