"""How the processes of one command find each other, and refuse to begin where they differ.

Process 0 listens. The others tell it who they are and under which settings they run. When all have
come, it answers all at once. JAX would abort each process here without a word of who is missing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

from videolstm_jax.cluster.connected_team import ConnectedTeam
from videolstm_jax.cluster.detect import Processes
from videolstm_jax.cluster.team import difference_of_processes, process_numbers_text
from videolstm_jax.cluster.wire import Connection, Message
from videolstm_jax.config import ClusterConfig
from videolstm_jax.errors import ConfigError

# Seconds between two attempts to reach process 0, which may start later than the others.
_RETRY = 0.2
# A process that has connected says who it is at once.
_GREETING = 10.0


def meet_processes(
    processes: Processes, config: ClusterConfig, facts: Mapping[str, str]
) -> tuple[ConnectedTeam, str]:
    """Waits for all processes, and compares them.

    Args:
      processes: this one and how many there are.
      config: how long to wait.
      facts: what must be equal everywhere, by name.

    Returns:
      The team, and HOST:PORT for JAX's own service.

    Raises:
      ConfigError: processes are missing, two have one number, or one has other facts.
    """
    host, _, port = processes.coordinator.rpartition(":")
    if processes.index == 0:
        connections, service = _welcome(processes, host, int(port), config.wait, facts)
    else:
        connections, service = _arrive(processes, host, int(port), config.wait, facts)
    team = ConnectedTeam(processes.index, processes.count, connections, config.heartbeat)
    return team, service


# ---- process 0 -----------------------------------------------------------------------------------


def _welcome(
    processes: Processes, host: str, port: int, wait: float, facts: Mapping[str, str]
) -> tuple[dict[int, Connection], str]:
    """Waits for the others, and tells all whether they begin."""
    deadline = time.monotonic() + wait
    greetings: dict[int, Message] = {0: Message("hello", {"host": _host(), "facts": dict(facts)})}
    connections: dict[int, Connection] = {}
    strangers: list[Connection] = []
    problem = ""
    with contextlib.closing(_listening(port)) as listener:
        while len(greetings) < processes.count and not problem:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                problem = _missing(processes, greetings, wait)
                break
            # No longer than what is left of `wait`, however many processes have come in between.
            listener.settimeout(seconds_left)
            with contextlib.suppress(TimeoutError):
                connection = Connection(listener.accept()[0])
                problem = _enter(connection, processes, greetings, connections, strangers)
    ordered = [greetings[index].fields["facts"] for index in sorted(greetings)]
    if not problem:
        problem = difference_of_processes(ordered)
    # A port of its own: JAX listens by itself, and takes no socket that is open already.
    service = f"{host}:{_free_port()}"
    # Also to those that were refused, so that each can print why.
    for connection in (*connections.values(), *strangers):
        with contextlib.suppress(OSError):
            connection.send("verdict", problem=problem, service=service)
    if problem:
        raise ConfigError(problem)
    return connections, service


def _enter(
    connection: Connection,
    processes: Processes,
    greetings: dict[int, Message],
    connections: dict[int, Connection],
    strangers: list[Connection],
) -> str:
    """Reads who has come; returns what is wrong with it, or nothing."""
    greeting = None
    with contextlib.suppress(TimeoutError, ValueError, KeyError):
        greeting = connection.receive(_GREETING)
    # A scanner of ports, or a process of something else.
    if greeting is None or greeting.kind != "hello":
        connection.close()
        return ""
    index, count = greeting.fields["index"], greeting.fields["count"]
    problem = ""
    if count != processes.count:
        problem = (
            f"process {index} on {greeting.fields['host']} expects {count} processes; process 0 "
            f"expects {processes.count}"
        )
    elif index in greetings:
        problem = (
            f"two processes are process {index} of {count}: on {greetings[index].fields['host']} "
            f"and on {greeting.fields['host']}; expected different numbers"
        )
    if problem:
        strangers.append(connection)
        return problem
    greetings[index] = greeting
    connections[index] = connection
    return ""


def _missing(processes: Processes, greetings: Mapping[int, Message], wait: float) -> str:
    missing = []
    for index in range(processes.count):
        if index not in greetings:
            missing.append(index)
    numbers = process_numbers_text(missing)
    return (
        f"of {processes.count} processes, {numbers} did not come to {processes.coordinator} within "
        f"{wait:g} s; --cluster.wait waits longer"
    )


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET)
    # One socket for both kinds of addresses, as a coordinator may be named by either.
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # The port of a run that has just ended is taken again at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("", port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port {port} of this machine is in use ({error.strerror}); expected a free one in "
            "--cluster.coordinator=HOST:PORT"
        ) from error
    listener.listen(1024)
    return listener


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


# ---- the others ----------------------------------------------------------------------------------


def _arrive(
    processes: Processes, host: str, port: int, wait: float, facts: Mapping[str, str]
) -> tuple[dict[int, Connection], str]:
    """Tells process 0 who this is, and waits for its verdict."""
    deadline = time.monotonic() + wait
    connection = Connection(_connected(processes, host, port, wait))
    connection.send(
        "hello",
        index=processes.index,
        count=processes.count,
        host=_host(),
        facts=dict(facts),
    )
    verdict = None
    # Process 0 may have begun to wait later than this one, and names those that are missing.
    with contextlib.suppress(TimeoutError, ValueError):
        verdict = connection.receive(max(0, deadline - time.monotonic()) + wait)
    if verdict is None:
        raise ConfigError(
            f"process 0 at {processes.coordinator} has ended, or runs something else; its own "
            "messages say why"
        )
    if verdict.fields["problem"]:
        raise ConfigError(verdict.fields["problem"])
    return {0: connection}, verdict.fields["service"]


def _connected(processes: Processes, host: str, port: int, wait: float) -> socket.socket:
    deadline = time.monotonic() + wait
    while True:
        try:
            return socket.create_connection((host, port), timeout=wait)
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"process 0 of {processes.count} does not answer at {processes.coordinator} "
                    f"within {wait:g} s ({error.strerror or error}); --cluster.wait waits longer"
                ) from error
        time.sleep(_RETRY)


def _host() -> str:
    return f"{socket.gethostname()} (process {os.getpid()})"
