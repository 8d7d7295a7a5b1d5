"""Settings of the processes that run one command together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from videolstm_jax.config.checks import check_setting_at_least
from videolstm_jax.config.setting import check_settings, setting
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class ClusterConfig:
    """How a process finds the others. It is no part of a run: a training may change machines."""

    distributed: str = setting(
        "auto",
        "Several processes run this command together: auto, on or off. `auto`: where "
        "SLURM shows several tasks in this step, or Open MPI or TPU workers several processes.",
        choices=("auto", "on", "off"),
    )
    # These three stand for a scheduler where there is none. With one, nobody needs them.
    coordinator: str = setting(
        "",
        "HOST:PORT of process 0, where all processes meet. Empty takes what the scheduler shows.",
        advanced=True,
    )
    processes: int = setting(
        0,
        "How many processes run this command together. 0 takes what the scheduler shows.",
        advanced=True,
    )
    process: int = setting(
        -1,
        "The number of this process, from 0. -1 takes what the scheduler shows.",
        advanced=True,
    )
    wait: float = setting(
        60.0,
        "Seconds to wait for all processes; those that are missing are named then.",
        advanced=True,
    )
    # Kernels answer for a process that is busy, so a machine may count as lost this soon. Python's
    # threads can be kept from answering by a long import, hence the six times.
    heartbeat: float = setting(
        20.0,
        "Seconds after which a machine that does not answer is lost, and all end. A process that "
        "stands still is lost after six times as long.",
        advanced=True,
    )
    # Alone ten times as long: no other machine waits, and a network disk may pause for minutes.
    stall: float = setting(
        60.0,
        "Seconds without a step after which all end, at the least. It is 20 times the median of "
        "the steps before where that is longer. One process alone ends after ten times as long.",
        advanced=True,
    )
    watchdog: bool = setting(
        True,
        "Ends with status 75 where no step is made for too long.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 0, "processes")
        check_setting_at_least(self, -1, "process")
        check_setting_at_least(self, 1, "wait", "heartbeat", "stall")
        problem = self._problem()
        if problem:
            raise ConfigError(problem)

    def _problem(self) -> str:
        """Why these settings contradict themselves; empty where they do not."""
        # Everything before the last colon is the host: an address of IPv6 has colons too.
        if self.coordinator and not re.fullmatch(r".+:\d+", self.coordinator):
            return f"cluster.coordinator is {self.coordinator!r}; expected HOST:PORT of process 0"
        if self.processes and self.process >= self.processes:
            return (
                f"cluster.process is {self.process} of cluster.processes {self.processes}; "
                f"expected 0 to {self.processes - 1}"
            )
        # One of the two was not meant, and a wrong guess could spoil a work folder: processes that
        # know nothing of each other would write the same files.
        explicit = self.coordinator or self.processes or self.process >= 0
        if self.distributed == "off" and explicit:
            return (
                "distributed is 'off', and cluster.coordinator, cluster.processes or "
                "cluster.process is given; expected one of them"
            )
        return ""
