"""Deals the videos of a list out to several workers, such as the jobs of a SLURM array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from videolstm_jax.errors import ConfigError

T = TypeVar("T")


class Shard(NamedTuple):
    """Worker `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    @property
    def worker(self) -> str:
        """The name of this worker's notes; empty where it works alone."""
        if self.count == 1:
            return ""
        return f"{self.number}of{self.count}"

    def of(self, videos: Sequence[T]) -> Sequence[T]:
        """Returns every count-th video; the shards of all workers hold each of them once."""
        # Not runs of neighbours: those are of one class, and classes differ in length.
        return videos[self.number - 1 :: self.count]


ALONE = Shard()
"""The shard of a worker that takes all videos."""


def parse_feature_shard(text: str) -> Shard:
    """Parses "i/n".

    Raises:
      ConfigError: another form, or an i outside 1 to n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"--shard={text}; expected i/n with i from 1 to n, such as 2/8")
    return Shard(int(match[1]), int(match[2]))
