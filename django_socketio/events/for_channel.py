"""The event ``channel``, by which a client says for which channel another event is."""

from collections.abc import Callable
from typing import Any

from django_socketio.events.handlers import Call, DispatchedSocket
from django_socketio.exceptions import ChannelError


def for_channel(find: Callable[[str], Call], is_reserved: Callable[[str], bool]) -> Call:
    """Return the call for ``channel``: the rest of its arguments is an event for that channel.

    Args:
        find: returns the call for an event by its name.
        is_reserved: whether clients cannot send an event of this name for a channel.

    """

    def handle(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel, name = (*args, None, None)[:2]
        _check(socket, channel)
        if not isinstance(name, str) or is_reserved(name):
            raise ChannelError(f"{name!r:.100} is no event that can be sent for a channel")
        socket.event_channel = channel
        try:
            return find(name)(request, socket, context, args[2:])
        finally:
            socket.event_channel = None

    return handle


def _check(socket: DispatchedSocket, channel: Any) -> None:
    if channel not in socket.subscriptions.names:
        raise ChannelError(f"the socket is not on the channel {channel!r:.200}")
