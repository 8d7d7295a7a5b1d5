"""Scores videos by improved dense trajectories and Fisher vectors."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("idt")
