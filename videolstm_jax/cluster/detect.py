"""Finds out how many processes run this command together, and which of them this one is."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from videolstm_jax.cluster.tpu import find_tpu_workers
from videolstm_jax.config import ClusterConfig
from videolstm_jax.errors import ConfigError

# Ports that a job derives from its number lie here, above those that services use.
_FIRST_PORT, _PORTS = 61440, 4096
_PORT_OF_TPU_WORKERS = 8476
"""The port that JAX takes on TPU workers, so that firewalls let it through."""


class Processes(NamedTuple):
    """The processes of one command as one of them sees them.

    Attributes:
      index: of this process, from 0.
      count: of all.
      coordinator: HOST:PORT where process 0 listens; empty for a single process.
      source: where the numbers come from, for messages.
      local_index: of this process among those of its machine.
      local_count: of the processes on this machine.
    """

    index: int = 0
    count: int = 1
    coordinator: str = ""
    source: str = ""
    local_index: int = 0
    local_count: int = 1


def find_processes(config: ClusterConfig, environ: Mapping[str, str]) -> Processes:
    """The processes that the settings or the environment show.

    Args:
      config: settings; those that are given go before what the environment shows.
      environ: the environment variables.

    Raises:
      ConfigError: `on`, and too little is known; or numbers that contradict themselves.
    """
    if config.distributed == "off":
        return Processes()
    explicit = {}
    if config.coordinator:
        explicit["coordinator"] = config.coordinator
    if config.processes:
        explicit["count"] = config.processes
    if config.process >= 0:
        explicit["index"] = config.process
    processes = Processes()
    # Where the settings have all three, the environment counts for nothing: a task of a scheduler
    # may start processes of its own.
    if len(explicit) < 3:
        processes = _of_scheduler(environ)
    if explicit:
        processes = processes._replace(**explicit, source=processes.source or "the settings")
    elif config.distributed == "on" and not processes.source:
        raise ConfigError(
            "distributed is 'on', and no scheduler shows other processes (SLURM, Open MPI and "
            "TPU workers were looked for); expected --cluster.coordinator=HOST:PORT "
            "--cluster.processes=N --cluster.process=I"
        )
    return _checked(processes, explicit)


def _checked(processes: Processes, explicit: Mapping[str, object]) -> Processes:
    """The processes, if they do not contradict themselves."""
    if explicit and processes.source == "the settings" and len(explicit) < 3:
        missing = sorted({"coordinator", "processes", "process"} - _flag_names(explicit))
        raise ConfigError(
            f"cluster.{', cluster.'.join(sorted(_flag_names(explicit)))} is given without "
            f"cluster.{' and cluster.'.join(missing)}; expected all three, or a scheduler that "
            "shows them"
        )
    if not 0 <= processes.index < processes.count:
        raise ConfigError(
            f"this is process {processes.index} of {processes.count} by {processes.source}; "
            f"expected 0 to {processes.count - 1}"
        )
    if processes.count > 1 and not processes.coordinator:
        raise ConfigError(
            f"{processes.source} shows {processes.count} processes and not where process 0 runs; "
            "expected --cluster.coordinator=HOST:PORT"
        )
    return processes


def _flag_names(explicit: Mapping[str, object]) -> set[str]:
    names = {"coordinator": "coordinator", "count": "processes", "index": "process"}
    return {names[field] for field in explicit}


def _of_scheduler(environ: Mapping[str, str]) -> Processes:
    """What the scheduler shows; a single process without `source` where none does."""
    # SLURM first: it may start the processes of Open MPI, and knows the nodes of both.
    for detector in (_of_slurm, _of_open_mpi, _of_tpu_workers):
        processes = detector(environ)
        if processes.source:
            return processes
    return Processes()


def _of_slurm(environ: Mapping[str, str]) -> Processes:
    """The tasks of a SLURM step; a batch script itself is no step, whatever tasks its job has."""
    count = _number(environ, "SLURM_STEP_NUM_TASKS")
    index = _number(environ, "SLURM_PROCID")
    if count is None or index is None or count < 2:
        return Processes()
    host = _first_host(environ.get("SLURM_STEP_NODELIST", ""))
    # Two steps of one job may run side by side on one node.
    job = _number(environ, "SLURM_JOB_ID") or 0
    step = _number(environ, "SLURM_STEP_ID") or 0
    port = _FIRST_PORT + (job * 16 + step) % _PORTS
    # The tasks of one node share its GPUs.
    local_index = _number(environ, "SLURM_LOCALID") or 0
    local_count = _tasks_of_node(environ)
    coordinator = f"{host}:{port}" if host else ""
    return Processes(index, count, coordinator, "SLURM", local_index, local_count)


def _of_open_mpi(environ: Mapping[str, str]) -> Processes:
    count = _number(environ, "OMPI_COMM_WORLD_SIZE")
    index = _number(environ, "OMPI_COMM_WORLD_RANK")
    if count is None or index is None or count < 2:
        return Processes()
    local_index = _number(environ, "OMPI_COMM_WORLD_LOCAL_RANK") or 0
    local_count = _number(environ, "OMPI_COMM_WORLD_LOCAL_SIZE") or 1
    job = re.sub(r"\D", "", environ.get("OMPI_MCA_ess_base_jobid", "")) or "0"
    port = _FIRST_PORT + int(job) % _PORTS
    # The address of `mpirun`, which Open MPI 4 shows; process 0 runs beside it by default.
    launcher = re.search(r"tcp://([\d.]+)", environ.get("OMPI_MCA_orte_hnp_uri", ""))
    host = ""
    # All on one machine: no address is needed that others can reach.
    if local_count == count:
        host = "127.0.0.1"
    elif launcher:
        host = launcher[1]
    coordinator = f"{host}:{port}" if host else ""
    return Processes(index, count, coordinator, "Open MPI", local_index, local_count)


def _of_tpu_workers(environ: Mapping[str, str]) -> Processes:
    """The workers of one TPU slice, or of several slices that work together."""
    workers = find_tpu_workers(environ)
    if workers is None or workers.count < 2:
        return Processes()
    coordinator = f"{workers.first_host}:{_PORT_OF_TPU_WORKERS}"
    return Processes(workers.index, workers.count, coordinator, workers.source)


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    return int(text) if text.isdigit() else None


def _first_host(nodes: str) -> str:
    """The first host of a list such as `gpu[003-007,9],login`."""
    match = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodes)
    if not match:
        return ""
    return match[1] + (match[2] or "") + (match[3] or "")


def _tasks_of_node(environ: Mapping[str, str]) -> int:
    """The tasks on this node by a list such as `4(x2),3`: four on two nodes, then three."""
    node = _number(environ, "SLURM_NODEID") or 0
    counts: list[int] = []
    for text in environ.get("SLURM_STEP_TASKS_PER_NODE", "").split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", text.strip())
        if match:
            counts += [int(match[1])] * int(match[2] or 1)
    # A list that this function cannot read: each task is taken to have a node of its own.
    if node >= len(counts):
        return 1
    return counts[node]


def visible_gpus(environ: Mapping[str, str]) -> list[str]:
    """The GPUs of NVIDIA that this process sees, as CUDA_VISIBLE_DEVICES names them."""
    listed = environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return list(filter(None, listed.split(",")))
    # A device file for each GPU. CUDA's library would have to start before it could be asked.
    files = list(pathlib.Path("/dev").glob("nvidia[0-9]*"))
    return list(map(str, range(len(files))))


def devices_of_process(processes: Processes, visible: int) -> list[int] | None:
    """Which of the GPUs that a process sees it should take; None for all of them.

    A scheduler may show each task its own GPUs, or all tasks of a machine all of its GPUs.

    Args:
      processes: with the tasks on this machine.
      visible: GPUs that this process sees.
    """
    share = visible // processes.local_count
    # Fewer GPUs than tasks: each task has been given its own.
    if processes.local_count == 1 or share == 0:
        return None
    first = processes.local_index * share
    return list(range(first, first + share))
