"""Makes films and strips of what a run predicted in its test videos."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("overlay")
