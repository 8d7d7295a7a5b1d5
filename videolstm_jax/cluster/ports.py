"""Ports of this machine that no other program takes before their own listens."""

from __future__ import annotations

import socket


def reserve_port() -> socket.socket:
    """A socket whose port the system gives to no other program until the socket is closed.

    A program that knows the port listens there, if it sets SO_REUSEADDR, as servers do. Without
    the socket another program could take the port in the seconds until then.
    """
    reservation = socket.socket()
    # Of this address alone: the system then allows a listener on all addresses beside it.
    reservation.bind(("127.0.0.1", 0))
    # Behind the choice of the port, which must be free.
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return reservation


def port_of(reservation: socket.socket) -> int:
    """The port that is reserved."""
    return reservation.getsockname()[1]
