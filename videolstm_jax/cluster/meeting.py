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
    team: ConnectedTeam,
    processes: Processes,
    config: ClusterConfig,
    facts: Mapping[str, str],
    service_port: int,
) -> str:
    """Waits for all processes, and compares them.

    Args:
      team: without a connection. It gets those to the other processes as they come, so that these
        are told where this process ends meanwhile.
      processes: this one and how many there are.
      config: how long to wait.
      facts: what must be equal everywhere, by name.
      service_port: a free port of this machine for JAX's own service. That of process 0 is taken.

    Returns:
      HOST:PORT for JAX's own service.

    Raises:
      ConfigError: processes are missing, two have one number, or one has other facts.
    """
    host, _, port = processes.coordinator.rpartition(":")
    if processes.index == 0:
        service = f"{host}:{service_port}"
        _welcome(team, processes, int(port), config.wait, facts, service)
    else:
        service = _arrive(team, processes, host, int(port), config.wait, facts)
    team.listen()
    return service


# ---- process 0 -----------------------------------------------------------------------------------


def _welcome(
    team: ConnectedTeam,
    processes: Processes,
    port: int,
    wait: float,
    facts: Mapping[str, str],
    service: str,
) -> None:
    """Waits for the others, and tells all whether they begin."""
    deadline = time.monotonic() + wait
    greetings: dict[int, Message] = {0: Message("hello", {"host": _host(), "facts": dict(facts)})}
    # Also those that are refused are answered, so that each can print why.
    connections: list[Connection] = []
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
                problem = _enter(team, connection, processes, greetings, connections)
        if problem:
            connections += _waiting_connections(listener)
    ordered = [greetings[index].fields["facts"] for index in sorted(greetings)]
    if not problem:
        problem = difference_of_processes(ordered)
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.send("verdict", problem=problem, service=service)
    if problem:
        raise ConfigError(problem)


def _waiting_connections(listener: socket.socket) -> list[Connection]:
    """The connections of processes that have come and were not read: these are answered, too."""
    connections = []
    listener.settimeout(0)
    with contextlib.suppress(OSError):  # none is left
        while True:
            connections.append(Connection(listener.accept()[0]))
    return connections


def _enter(
    team: ConnectedTeam,
    connection: Connection,
    processes: Processes,
    greetings: dict[int, Message],
    connections: list[Connection],
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
    connections.append(connection)
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
    if not problem:
        greetings[index] = greeting
        team.connect(index, connection)
    return problem


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


# ---- the others ----------------------------------------------------------------------------------


def _arrive(
    team: ConnectedTeam,
    processes: Processes,
    host: str,
    port: int,
    wait: float,
    facts: Mapping[str, str],
) -> str:
    """Tells process 0 who this is, and waits for its verdict; returns where JAX's service is."""
    deadline = time.monotonic() + wait
    connection = Connection(_connected(processes, host, port, wait))
    # Before the first message: process 0 waits for a process from that message on.
    team.connect(0, connection)
    # Where process 0 has ended meanwhile, the next lines notice it.
    with contextlib.suppress(OSError):
        connection.send(
            "hello",
            index=processes.index,
            count=processes.count,
            host=_host(),
            facts=dict(facts),
        )
    try:
        # Process 0 may have begun to wait later than this one, and names those that are missing.
        verdict = connection.receive(max(0, deadline - time.monotonic()) + wait)
    except (TimeoutError, ValueError) as error:
        raise ConfigError(
            f"what listens at {processes.coordinator} is not process 0 of this command, or stands "
            "still; its own messages say why"
        ) from error
    if verdict is None:
        team.end_lost(0, "has ended without a word before all had come")
    if verdict.kind == "end":
        team.end_as_told(0, verdict)
    if verdict.fields["problem"]:
        raise ConfigError(verdict.fields["problem"])
    return verdict.fields["service"]


def _connected(processes: Processes, host: str, port: int, wait: float) -> socket.socket:
    deadline = time.monotonic() + wait
    while True:
        try:
            connected = socket.create_connection((host, port), timeout=wait)
            # Where nobody listens yet, the system may draw this port for the socket's own end, and
            # connect the socket to itself.
            if connected.getsockname() != connected.getpeername():
                return connected
            connected.close()
            raise ConnectionRefusedError("nobody listens")
        except OSError as error:
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"process 0 of {processes.count} does not answer at {processes.coordinator} "
                    f"within {wait:g} s ({error.strerror or error}); --cluster.wait waits longer"
                ) from error
        time.sleep(_RETRY)


def _host() -> str:
    return f"{socket.gethostname()} (process {os.getpid()})"
