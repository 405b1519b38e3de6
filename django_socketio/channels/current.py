"""The server that runs in this process, if there is one."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from django_socketio.channels.calls import Call, Callers
from django_socketio.exceptions import RelayError
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.receipt import Received

Answer = TypeVar("Answer")


class Server(Protocol):
    """A server that holds sockets, as out-of-band messages and forks use it."""

    relay: Relay

    @property
    def is_stopping(self) -> bool:
        """Whether the server ends its connections: new clients should go elsewhere."""

    @property
    def callers(self) -> Callers:
        """The calls that wait for answers."""

    def publish(self, envelope: Envelope) -> Received:
        """Publish an envelope; return how many received it."""

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Publish envelopes in their order; return how many received each, or its error."""

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Call a function in the thread that the relay belongs to; return its result."""

    def prepare_call(self, event: str) -> None:
        """Check that the caller may wait, and have the answers come to this process.

        Raises:
            CallTimeout: the largest number of handlers waits already.
            RuntimeError: the caller is a coroutine, whose event loop would stand still.

        """

    def wait(self, event: str, call: Call, timeout: float) -> None:
        """Wait for the answers to a call, while other handlers run."""


_servers: list[Server] = []
"""The servers that run, the newest last: tests run several in one process."""

_apart: list[Server] = []
"""Servers that run here, and through which out-of-band messages of this process do not go."""


def current() -> Server | None:
    """Return the server of this process; None in a process that is none."""
    return _servers[-1] if _servers else None


def add(server: Server) -> None:
    """Make a server the current one: it has started."""
    _servers.append(server)


def set_apart(server: Server) -> None:
    """Have out-of-band messages not go through a server that has started."""
    remove(server)
    _apart.append(server)


def remove(server: Server) -> None:
    """Forget a server: it has stopped."""
    for servers in (_servers, _apart):
        if server in servers:
            servers.remove(server)


def all_servers() -> list[Server]:
    """Return the servers that run in this process."""
    return [*_servers, *_apart]


def forget_all() -> list[Server]:
    """Forget all servers, in a forked child; return them."""
    servers = all_servers()
    _servers.clear()
    _apart.clear()
    return servers
