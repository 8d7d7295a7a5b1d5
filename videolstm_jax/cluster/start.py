"""Joins this process with the others of its command, before JAX is used."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Mapping

from videolstm_jax.cluster import team
from videolstm_jax.cluster.code import code_versions_of_process, own_modules_of_process
from videolstm_jax.cluster.connected_team import ConnectedTeam
from videolstm_jax.cluster.detect import Processes, devices_of_process, visible_gpus
from videolstm_jax.cluster.meeting import meet_processes
from videolstm_jax.cluster.ports import port_of, reserve_port
from videolstm_jax.cluster.watchdog import start_watchdog
from videolstm_jax.config import ClusterConfig, RunConfig, flat_settings, setting_text
from videolstm_jax.interrupts import ignore_signals

_LATER = 600
"""Seconds after which JAX itself gives up. The team notices first, and names the process."""
# All have met just before, so only a machine that is very busy, or a death, makes it wait.
_SHUTDOWN_SECONDS = 60
"""Seconds that JAX waits at the end for a process that does not end; then it aborts the others."""
_NO_PROXY = "no_grpc_proxy"
"""Names the hosts that JAX's connections reach directly, whatever `https_proxy` is."""
_OF_A_MACHINE = ("workdir", "break_lock", "data__workers", "data__time_limit")
"""Settings that may differ between machines; a work folder is compared by its content."""


def join_processes(
    processes: Processes, config: ClusterConfig, command: str, cfg: RunConfig
) -> str:
    """Meets the other processes and starts JAX on all of them.

    Args:
      processes: this one and how many there are, more than one.
      config: how long to wait.
      command: the name of the command, which must be the same everywhere.
      cfg: the settings, which must be the same too.

    Returns:
      A line about this process and its devices.

    Raises:
      ConfigError: processes are missing or differ.
    """
    facts = {"command": command, "cluster.watchdog": setting_text(config.watchdog)}
    facts |= {**code_versions_of_process(), **own_modules_of_process(cfg), **_settings(cfg)}
    joined_team = ConnectedTeam(processes.index, processes.count, config.heartbeat)
    # Before the processes meet and JAX starts, which takes a while: whatever ends this process
    # meanwhile is told to those that have come.
    team.join_team(joined_team)
    # JAX listens by itself, and takes no socket that is open already.
    with reserve_port() as reservation:
        service = meet_processes(joined_team, processes, config, facts, port_of(reservation))
        _watch(joined_team, config)
        _start_jax(processes, service)
    import jax

    own_devices, all_devices = jax.local_device_count(), jax.device_count()
    plural = "s" if own_devices != 1 else ""
    return (
        f"{joined_team.name}, {own_devices} device{plural} here, {all_devices} in all "
        f"({jax.default_backend()}, by {processes.source})"
    )


def _watch(joined_team: ConnectedTeam, config: ClusterConfig) -> None:
    """Starts the watchdog, and sets how long a process waits for another one."""
    if config.watchdog:
        start_watchdog(joined_team, config.stall)
        # Longer than any limit of the watchdog, also where the user's is long: a process that
        # stands still ends all itself then, and names its work.
        joined_team.longest_wait = max(joined_team.longest_wait, 2 * config.stall)
    else:
        # Without a watchdog no process tells the others that it goes on.
        joined_team.longest_wait = math.inf


def leave_processes() -> None:
    """Ends JAX's service on all processes together; does nothing in a process that is alone."""
    joined_team = team.current_team()
    if joined_team.count == 1:
        return
    import jax

    joined_team.leave()
    # All work is done. A process that a signal ended now would take JAX's service, or its answer,
    # from the others, and these would fail.
    ignore_signals()
    # Of a service that is gone already there is nothing to end.
    with contextlib.suppress(Exception):
        jax.distributed.shutdown()
    team.join_team(team.ALONE)


def _settings(cfg: RunConfig) -> Mapping[str, str]:
    settings = {}
    for path, value in flat_settings(cfg).items():
        if path not in _OF_A_MACHINE:
            settings[path.replace("__", ".")] = setting_text(value) or "''"
    return settings


def _start_jax(processes: Processes, service: str) -> None:
    """Starts JAX's own service, over which its devices find each other."""
    import jax

    # It would take SIGTERM for itself; here a step shares the news that one process got it.
    jax.config.update("jax_enable_preemption_service", False)
    # A proxy for the way out of a cluster knows no way between its machines, and JAX would hang.
    host = service.rpartition(":")[0]
    os.environ.setdefault(_NO_PROXY, host)
    # So its warning that it may hang is needless.
    jax.config.update("jax_check_proxy_envs", False)
    jax.distributed.initialize(
        service,
        processes.count,
        processes.index,
        local_device_ids=devices_of_process(processes, len(visible_gpus(os.environ))),
        # All is known. JAX would look at the scheduler again, and see the job for the step.
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=_LATER,
        shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )
