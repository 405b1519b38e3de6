"""Whether a client has hung up, also where nothing is read from it."""

from socket import socket

from gevent import monkey

POLLRDHUP = 0x2000
Poll = monkey.get_original("select", "poll")


def has_hung_up(sock: socket) -> bool:
    """Return whether the client has closed its side of a connection."""
    poll = Poll()
    poll.register(sock.fileno(), POLLRDHUP)
    return bool(poll.poll(0))
