"""The log of events that no handler takes; under DEBUG it lists the handlers of the namespace."""

from collections.abc import Iterable

from django_socketio import events
from django_socketio.concurrency.log_limits import Once
from django_socketio.events.handlers import DispatchedSocket, Registration
from django_socketio.logs import get_logger, name_of

logger = get_logger("django_socketio.sockets")

MAX_LOGGED = 100
"""Kinds of events that are logged. Clients choose the names, so there is no end of them."""

MAX_LENGTH = 100
"""Characters of a name that the log shows."""

NO_HANDLERS = (
    "The namespace has no handlers (a new events.py is read at the next start of a server)"
)

SHOWN_CHANNELS = 5
"""Channels of a socket that the log shows."""


class Unhandled:
    """Logs each kind of unhandled event once, with the handlers of its namespace.

    Events of one name are of three kinds: for a channel, of sockets on channels, and of others.
    """

    def __init__(self) -> None:
        self._kinds = Once(MAX_LOGGED)

    def __call__(self, socket: DispatchedSocket, name: str) -> None:
        """Log an event, unless another one of its kind was logged before."""
        name, channels, channel = (
            name[:MAX_LENGTH],
            socket.subscriptions.names,
            socket.event_channel,
        )
        if not self._kinds.is_new((socket.namespace, name, not channels, channel is None)):
            return
        logger.warning(
            "No handler takes the event %r of the namespace %s %s: it is not answered. %s%s",
            name,
            socket.namespace,
            _subject(channels, channel),
            explanation(socket.namespace, name),
            ". More such events are not logged" if self._kinds.is_full else "",
        )


def log_for_debugging(socket: DispatchedSocket, name: str) -> None:
    """Log every unhandled event, at the level DEBUG."""
    logger.debug("%r: no handler takes %.100r", socket, name)


def _subject(channels: tuple[str, ...], channel: str | None) -> str:
    """Return the text for the channels with which the patterns were matched."""
    if channel is not None:
        return f"for the channel {channel[:MAX_LENGTH]!r}"
    return f"from a socket on {_shown(channels)}"


def _shown(channels: tuple[str, ...]) -> str:
    if not channels:
        return "no channel"
    names = ", ".join(f"{channel[:MAX_LENGTH]!r}" for channel in channels[:SHOWN_CHANNELS])
    more = len(channels) - SHOWN_CHANNELS
    return f"[{names}]" if more <= 0 else f"[{names}, and {more} more]"


def explanation(namespace: str, name: str) -> str:
    """Return the patterns of the event's handlers or, where it has none, the handled events."""
    event = events.on_event.get(name)
    own = _handled(namespace, [] if event is None else [(name, event)])
    if own:
        return f"The patterns are {', '.join(own)}"
    handled = _handled(namespace, events.on_event.items())
    return f"Handlers there take {', '.join(handled)}" if handled else NO_HANDLERS


def _handled(namespace: str, named: Iterable[tuple[str, events.Event]]) -> list[str]:
    """Return the event, the pattern and the function of each handler of a namespace."""
    return [
        _described(name, handler)
        for name, event in named
        for handler in event.handlers
        if handler.namespace == namespace
    ]


def _described(name: str, handler: Registration) -> str:
    pattern = "" if handler.pattern is None else f", channel={handler.pattern.pattern!r}"
    return f"{name!r}{pattern} ({name_of(handler.function)})"
