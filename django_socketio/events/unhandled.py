"""Events that no handler takes: not answered; under DEBUG the log says which handlers there are."""

from typing import Protocol

from django_socketio import events
from django_socketio.concurrency.repeats import Once
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.sockets")

MOST = 100
"""Kinds of events that are logged: their names are the clients' to choose."""

LONGEST = 100
"""Characters of a name that the log shows."""


class Receiver(Protocol):
    """The socket that an event is for."""

    @property
    def namespace(self) -> str:
        """The Socket.IO namespace that it is connected to."""

    @property
    def channels(self) -> list[str]:
        """The channels that it is on."""


class Unhandled:
    """Logs each kind of event that no handler takes once, with the handlers that there are."""

    def __init__(self) -> None:
        self._kinds = Once(MOST)

    def __call__(self, socket: Receiver, name: str) -> None:
        """Log an event, unless one of its name in its namespace was logged before."""
        kind = socket.namespace, name[:LONGEST]
        if not self._kinds.is_new(kind):
            return
        logger.warning(
            "No handler takes the event %r of %s: it is not answered. Handlers there take %s; the "
            "socket is on %s channels%s",
            kind[1],
            socket.namespace,
            ", ".join(_handled(socket.namespace)) or "no event",
            len(socket.channels),
            ". More such events are not logged" if self._kinds.is_full else "",
        )


def log_for_debugging(socket: Receiver, name: str) -> None:
    """Log each event that no handler takes, for those that want to see all."""
    logger.debug("%r: no handler takes %.100r", socket, name)


def _handled(namespace: str) -> list[str]:
    """Return the events of a namespace that have handlers, as the log shows them."""
    return [
        repr(name) if handler.pattern is None else f"{name!r} (channel={handler.pattern.pattern!r})"
        for name, event in events.on_event.items()
        for handler in event.handlers
        if handler.namespace == namespace
    ]
