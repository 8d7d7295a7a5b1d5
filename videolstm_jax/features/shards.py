"""Deals the videos of a list out to several workers: jobs of a SLURM array, pods, or processes by
hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from videolstm_jax.errors import ConfigError

T = TypeVar("T")


class Shard(NamedTuple):
    """Worker `number` of `count`, from 1."""

    number: int = 1
    count: int = 1

    @property
    def worker(self) -> str:
        """What this worker's notes are called; empty where it works alone."""
        return "" if self.count == 1 else f"{self.number}of{self.count}"

    def of(self, things: Sequence[T]) -> Sequence[T]:
        """Every count-th of the things; the shards of all workers are all things, each once."""
        return things[self.number - 1 :: self.count]


def parse_shard(text: str) -> Shard:
    """Reads "i/n".

    Raises:
      ConfigError: another form, or an i outside 1 to n.
    """
    told = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not told or not 1 <= int(told[1]) <= int(told[2]):
        raise ConfigError(f"--shard={text}; expected i/n with i from 1 to n, such as 2/8")
    return Shard(int(told[1]), int(told[2]))
