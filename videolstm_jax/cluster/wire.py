"""Messages between two processes over a socket: JSON with some bytes behind it."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from typing import Any, NamedTuple

# The lengths of the JSON and of the bytes behind it.
_HEAD = struct.Struct("!IQ")
# Nothing here is larger: a list of videos, or their scores. A stranger on the port cannot make a
# process reserve more.
_LONGEST = 1 << 30
# Questions of the kernel in the time after which the other machine counts as lost.
_PROBES = 4


class Message(NamedTuple):
    """A message: `kind` and other JSON fields in `fields`, and `payload`."""

    kind: str
    fields: dict[str, Any]
    payload: bytes = b""


class Connection:
    """One end of a socket. Several threads may send; one thread receives."""

    def __init__(self, end: socket.socket):
        """Takes a connected socket."""
        self._socket = end
        self._sending = threading.Lock()
        # Messages are small, and each is waited for.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def keep_alive(self, seconds: float) -> None:
        """Has the kernels of both machines notice after some seconds that the other one is gone.

        They answer for a process that is busy. Python's own threads do not where an import loads a
        large library.
        """
        pause = max(1, round(seconds / _PROBES))
        options = {
            "TCP_KEEPIDLE": pause,
            "TCP_KEEPINTVL": pause,
            "TCP_KEEPCNT": _PROBES - 1,
            "TCP_USER_TIMEOUT": round(1000 * seconds),  # for what was sent and not received
        }
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):  # Linux has all of them
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, kind: str, payload: bytes = b"", **fields: Any) -> None:
        """Sends a message.

        Raises:
          OSError: the other end is gone.
        """
        text = json.dumps({"kind": kind, **fields}).encode()
        # One thread at a time: a heartbeat must not get between a head and its body.
        with self._sending:
            self._socket.sendall(_HEAD.pack(len(text), len(payload)) + text + payload)

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None where the other end has closed.

        Raises:
          TimeoutError: nothing has come for `timeout` seconds.
          ValueError: the other end does not send such messages.
        """
        self._socket.settimeout(timeout)
        head = self._read(_HEAD.size)
        if head is None:
            return None
        text_size, payload_size = _HEAD.unpack(head)
        if text_size + payload_size > _LONGEST:
            raise ValueError("a message is too long")
        body = self._read(text_size + payload_size)
        if body is None:
            return None
        fields = json.loads(body[:text_size])
        return Message(fields.pop("kind", ""), fields, body[text_size:])

    def close(self) -> None:
        """Closes this end; the other one reads what was sent, and then the end."""
        self._socket.close()

    def is_closed(self) -> bool:
        """Whether the other end has closed, and everything it sent was received."""
        # Python's own `recv` would wait for the time limit of the socket first.
        readable = select.poll()
        try:
            readable.register(self._socket, select.POLLIN)
            return bool(readable.poll(0)) and self._socket.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):  # reset, or closed here
            return True

    def _read(self, size: int) -> bytes | None:
        # A stream of bytes has no messages: one read may bring a part of one.
        parts = []
        while size:
            try:
                part = self._socket.recv(min(size, 1 << 20))
            except TimeoutError:
                raise
            except OSError:  # reset by the death of the other process, or closed here
                return None
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
