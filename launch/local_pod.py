"""Runs one command as several processes on this machine."""

from videolstm_jax.cli.main import main

if __name__ == "__main__":
    main("local_pod")
