"""Processes that meet and speak to each other, here as threads: who is missing, who differs."""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from joined_scripts import ends_of

from videolstm_jax.cluster.connected_team import ConnectedTeam
from videolstm_jax.cluster.detect import Processes
from videolstm_jax.cluster.meeting import _connected, meet_processes
from videolstm_jax.cluster.ports import port_of, reserve_port
from videolstm_jax.cluster.team import ALONE, difference_of_processes
from videolstm_jax.cluster.wire import Connection
from videolstm_jax.config import ClusterConfig
from videolstm_jax.errors import ConfigError


@pytest.fixture
def port():
    """A port that no other test takes meanwhile."""
    with reserve_port() as reservation:
        yield port_of(reservation)


class ThreadTeam(ConnectedTeam):
    """A process that is a thread here: its end must not be that of all."""

    def _end(self, message, status, *, stacks=False, sender=None):
        raise ConfigError(message)


def meet(index, count, port, wait, facts=None):
    """Meets the other processes as one of them; returns its team."""
    team = ThreadTeam(index, count, heartbeat=20.0)
    processes = Processes(index, count, f"127.0.0.1:{port}", "test")
    meet_processes(team, processes, ClusterConfig(wait=wait), facts or {}, 1)
    return team


def met(count, port, facts=({},) * 9, indexes=None, counts=None, wait=20.0):
    """The teams of `count` processes, or the message of the error of each."""

    def join(place):
        index = (indexes or range(count))[place]
        try:
            return meet(index, (counts or [count] * count)[place], port, wait, facts[place])
        except ConfigError as error:
            return str(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(join, range(count)))


@pytest.fixture(scope="module")
def teams():
    with reserve_port() as reservation:
        return met(3, port_of(reservation))


def together(teams, call):
    with ThreadPoolExecutor(len(teams)) as pool:
        return list(pool.map(call, teams))


def test_results_go_to_the_first_and_news_to_all(teams):
    gathered = together(teams, lambda team: team.gather("a", b"of %d" % team.index))
    assert gathered == [[b"of 0", b"of 1", b"of 2"], None, None]
    told = together(teams, lambda team: team.broadcast("b", b"from %d" % team.index))
    assert told == [b"from 0"] * 3
    large = together(teams, lambda team: team.gather("c", bytes([team.index]) * 5_000_000))
    assert large[0] == [bytes([index]) * 5_000_000 for index in range(3)]


def test_the_first_goes_first(teams):
    order = []

    def visit(team):
        with team.first_goes_first("d"):
            if team.is_first:
                time.sleep(0.1)
            order.append(team.index)
        team.meet("e")

    together(teams, visit)
    assert order[0] == 0 and sorted(order) == [0, 1, 2]


def test_the_process_that_differs_is_named(teams):
    def agree(team):
        try:
            team.agree("f", {"seed": "0", "lists": "x" if team.index == 2 else "y"})
        except ConfigError as error:
            return str(error)

    assert set(together(teams, agree)) == {
        "process 2 of 3 has lists x; process 0 has y; expected the same everywhere"
    }


def test_a_process_at_another_place_is_named(teams):
    def go(team):
        if team.index == 1:
            return team.gather("one", b"")
        if team.index == 0:
            with pytest.raises(
                ConfigError, match="process 1 is at 'one' and process 0 of 3 at 'two'"
            ):
                team.gather("two", b"")

    together(teams[:2], go)


def test_facts_are_compared_before_the_start(port):
    facts = ({"seed": "0"}, {"seed": "1"})
    message = "process 1 of 2 has seed 1; process 0 has 0; expected the same everywhere"
    assert met(2, port, facts) == [message] * 2
    assert difference_of_processes([{"a": "1"}, {"a": "1"}, {"b": "1"}]).startswith(
        "process 2 of 3 has a none"
    )


def test_the_missing_are_named_in_time(port):
    began = time.monotonic()
    message = f"of 4 processes, 1, 2, 3 did not come to 127.0.0.1:{port} within 1 s"
    with pytest.raises(ConfigError, match=message):
        meet(0, 4, port, wait=1)
    with pytest.raises(ConfigError, match="process 0 of 4 does not answer at 127"):
        meet(2, 4, port, wait=1)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"indexes": [0, 1, 1]}, "two processes are process 1 of 3: on .* and on .*; expected"),
        ({"counts": [3, 3, 2]}, "process 2 on .* expects 2 processes; process 0 expects 3"),
    ],
)
def test_processes_that_contradict_each_other_are_refused(port, arguments, words):
    messages = met(3, port, wait=3.0, **arguments)
    assert all(isinstance(message, str) for message in messages)
    assert re.search(words, messages[0])


def test_who_comes_while_another_one_is_refused_is_answered(port):
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(meet, 0, 3, port, 20.0)
        place = Processes(1, 3, f"127.0.0.1:{port}", "test")
        refused, later = [Connection(_connected(place, "127.0.0.1", port, 20.0)) for _ in "12"]
        refused.send("hello", index=1, count=2, host="h", facts={})
        message = "process 1 on h expects 2 processes; process 0 expects 3"
        assert refused.receive(20.0).fields["problem"] == message
        assert later.receive(20.0).fields["problem"] == message
        with pytest.raises(ConfigError, match=message):
            first.result()


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of this machine is in use"):
            meet(0, 2, port, wait=1)


def test_a_socket_that_is_connected_to_itself_is_no_process(port, monkeypatch):
    def connected_to_itself(address, timeout):
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind(address)
        end.connect(address)
        return end

    monkeypatch.setattr(socket, "create_connection", connected_to_itself)
    with pytest.raises(ConfigError, match="process 0 of 2 does not answer at 127"):
        meet(1, 2, port, wait=1)


def test_strangers_are_not_waited_for(port):
    def disturb():
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b""):
            for _ in range(50):
                try:
                    with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
                        stranger.sendall(data)
                    break
                except OSError:
                    time.sleep(0.05)

    thread = threading.Thread(target=disturb)
    thread.start()
    with pytest.raises(ConfigError, match="of 2 processes, 1 did not come"):
        meet(0, 2, port, wait=2)
    thread.join()


def test_alone_there_is_nothing_to_wait_for():
    assert (
        ALONE.is_first and ALONE.gather("a", b"b") == [b"b"] and ALONE.broadcast("a", b"b") == b"b"
    )
    ALONE.meet("a")
    ALONE.agree("a", {"b": "c"})
    ALONE.leave()


ENDS = """
if index == 1:
    time.sleep(0.3)
    if case == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif case == "silent":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif case == "failed":
        team.fail("a reason", 1)
        os._exit(1)
    elif case == "stalled":
        watchdog().step()
time.sleep(60)
"""


@pytest.mark.parametrize(
    "case, status, words",
    [
        ("killed", 75, "error: process 1 of 3 has ended without a word"),
        pytest.param(
            "silent",
            75,
            "error: process 1 of 3 has given no sign of life for 6 s",
            marks=pytest.mark.slow,
        ),
        ("failed", 1, "error: a reason"),
        ("stalled", 75, "error: process 1 of 3 has been at a step for 1 s; the limit is 0 s."),
    ],
)
def test_all_end_with_the_reason_of_one(case, status, words):
    began = time.monotonic()
    for ended, out, errors in ends_of(ENDS, case, without=[1]):
        assert ended == status, errors
        assert words in errors and out == "callback\n"
        # Which process waits for which is seen only with the stacks of all of them.
        assert ("Current thread" in errors or "Thread 0x" in errors) == (case == "stalled")
    assert time.monotonic() - began < 45
