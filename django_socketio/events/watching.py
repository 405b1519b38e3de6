"""The event ``_presence``, by which a client asks who is on a channel."""

from typing import Any

from django_socketio.events.handlers import DispatchedSocket
from django_socketio.exceptions import ChannelError


def watch(
    request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
) -> Any:
    """Have a client told who is on a channel that it is on, and of each change from then on.

    Raises:
        ChannelError: the socket is not on the channel, or nobody's presence is noted there.

    """
    channel, since = (*args, None, None)[:2]
    if channel not in socket.subscriptions.names:
        raise ChannelError(f"the socket is not on the channel {channel!r:.200}")
    socket.subscriptions.watch(channel, since)
    return True
