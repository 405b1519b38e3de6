"""The server that runs in this process, if there is one."""

from collections.abc import Sequence
from typing import Protocol

from django_socketio.exceptions import RelayError
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope


class Server(Protocol):
    """A server that holds sockets, as out-of-band messages and forks use it."""

    relay: Relay

    def publish(self, envelope: Envelope) -> int:
        """Publish an envelope; return how many received it."""

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Publish envelopes in their order; return how many received each, or its error."""


_servers: list[Server] = []
"""The servers that run, the newest last: tests run several in one process."""


def current() -> Server | None:
    """Return the server of this process; None in a process that is none."""
    return _servers[-1] if _servers else None


def add(server: Server) -> None:
    """Make a server the current one: it has started."""
    _servers.append(server)


def remove(server: Server) -> None:
    """Forget a server: it has stopped."""
    if server in _servers:
        _servers.remove(server)


def forget_all() -> list[Server]:
    """Forget all servers, in a forked child; return them."""
    servers, _servers[:] = _servers[:], []
    return servers
