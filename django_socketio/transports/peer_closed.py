"""Checks without reading from a connection: has its client sent data, or closed its side."""

from select import POLLIN
from socket import socket

from gevent import monkey

POLLRDHUP = 0x2000
Poll = monkey.get_original("select", "poll")


def has_hung_up(sock: socket) -> bool:
    """Return whether the client has closed its side of a connection."""
    return _holds(sock, POLLRDHUP)


def has_sent(sock: socket) -> bool:
    """Return whether there is data to read, or the end of the connection."""
    return _holds(sock, POLLIN)


def _holds(sock: socket, condition: int) -> bool:
    poll = Poll()
    poll.register(sock.fileno(), condition)
    return bool(poll.poll(0))
