"""The log of events that no handler takes; under DEBUG it lists the handlers of the namespace."""

from django_socketio import events
from django_socketio.concurrency.log_limits import Once
from django_socketio.events.handlers import DispatchedSocket
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.sockets")

MAX_LOGGED = 100
"""Kinds of events that are logged. Clients choose the names, so there is no end of them."""

MAX_LENGTH = 100
"""Characters of a name that the log shows."""


class Unhandled:
    """Logs each kind of unhandled event once, with the handlers of its namespace."""

    def __init__(self) -> None:
        self._kinds = Once(MAX_LOGGED)

    def __call__(self, socket: DispatchedSocket, name: str) -> None:
        """Log an event, unless another of its name and namespace was logged before."""
        kind = socket.namespace, name[:MAX_LENGTH]
        if not self._kinds.is_new(kind):
            return
        logger.warning(
            "No handler takes the event %r of %s: it is not answered. Handlers there take %s; the "
            "socket is on %s channels%s",
            kind[1],
            socket.namespace,
            ", ".join(_handled(socket.namespace)) or "no event",
            len(socket.subscriptions.names),
            ". More such events are not logged" if self._kinds.is_full else "",
        )


def log_for_debugging(socket: DispatchedSocket, name: str) -> None:
    """Log every unhandled event, at the level DEBUG."""
    logger.debug("%r: no handler takes %.100r", socket, name)


def _handled(namespace: str) -> list[str]:
    """Return the text of the log for each handler of a namespace: its event and its pattern."""
    return [
        repr(name) if handler.pattern is None else f"{name!r} (channel={handler.pattern.pattern!r})"
        for name, event in events.on_event.items()
        for handler in event.handlers
        if handler.namespace == namespace
    ]
