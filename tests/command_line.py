"""Commands as a user gives them, for tests: run in a process of their own, or only parsed."""

import pathlib

from absl import flags
from forked_commands import python

from videolstm_jax.cli import config_flags

ROOT = pathlib.Path(__file__).parents[1]
SOON = 20
"""Seconds in which a process must be gone on any machine. It takes one; a video may take 600."""
STOPPED = "stopped; the same command goes on\n"
"""The errors of a command that was stopped: nothing but this line."""


def run(*words):
    """Runs `python -m` with these words, and returns its status and all that it printed."""
    return python("-m", *words)


def parse(*words):
    """The configuration that these flags give."""
    values = flags.FlagValues()
    config_flags.define_all_flags(values)
    values(["program", *words])
    return config_flags.config_of_flags(values)
