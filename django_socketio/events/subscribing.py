"""The events ``subscribe`` and ``unsubscribe``, by which a client asks for channels."""

from typing import Any, Protocol

from django_socketio.events.handlers import Call


class Subscriptions(Protocol):
    """The channels of a socket."""

    names: tuple[str, ...]

    def join(self, channel: Any, pending: bool) -> bool:
        """Join a channel; its messages are buffered while the subscription is pending."""


class Subscriber(Protocol):
    """The part of a socket that subscribing uses."""

    @property
    def subscriptions(self) -> Subscriptions:
        """The channels that the socket is on."""

    def unsubscribe(self, channel: Any) -> bool:
        """Leave a channel; return False if the socket was not on it."""


def subscribing(on_subscribe: Call) -> Call:
    """Return the call for ``subscribe``: a channel is joined unless ``on_subscribe`` refuses it."""

    def subscribe(
        request: Any, socket: Subscriber, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel = _channel(args)
        if not socket.subscriptions.join(channel, pending=True):
            return True
        try:
            on_subscribe(request, socket, context, (channel,))
        except BaseException:
            socket.unsubscribe(channel)
            raise
        return channel in socket.subscriptions.names or {"error": "Permission denied"}

    return subscribe


def unsubscribing(on_unsubscribe: Call) -> Call:
    """Return the call for ``unsubscribe``: a channel is left, then ``on_unsubscribe`` called."""

    def unsubscribe(
        request: Any, socket: Subscriber, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel = _channel(args)
        if socket.unsubscribe(channel):
            on_unsubscribe(request, socket, context, (channel,))
        return True

    return unsubscribe


def _channel(args: tuple[Any, ...]) -> Any:
    """Return the channel of a client's request, None where it names none."""
    return args[0] if args else None
