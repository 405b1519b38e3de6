"""The events ``subscribe`` and ``unsubscribe``, by which a client asks for channels."""

from typing import Any

from django_socketio.events.handlers import Call, DispatchedSocket

PERMISSION_DENIED = "Permission denied"
"""The text for clients where a refusal has none."""


def subscribing(on_subscribe: Call) -> Call:
    """Return the call for ``subscribe``: a channel is joined unless ``on_subscribe`` refuses it."""

    def subscribe(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel = _channel(args)
        if not socket.subscriptions.join(channel, pending=True):
            return True
        try:
            on_subscribe(request, socket, context, (channel,))
        except BaseException:
            socket.unsubscribe(channel)
            raise
        return channel in socket.subscriptions.names or {"error": PERMISSION_DENIED}

    return subscribe


def unsubscribing(on_unsubscribe: Call) -> Call:
    """Return the call for ``unsubscribe``: a channel is left, then ``on_unsubscribe`` called."""

    def unsubscribe(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel = _channel(args)
        if socket.unsubscribe(channel):
            on_unsubscribe(request, socket, context, (channel,))
        return True

    return unsubscribe


def _channel(args: tuple[Any, ...]) -> Any:
    """Return the channel of a client's request, None where it names none."""
    return args[0] if args else None
