"""The events ``subscribe`` and ``unsubscribe``, by which a client asks for channels."""

from typing import Any

from django_socketio.channels.positions import position_text
from django_socketio.channels.recovery import NOTHING, Wanted, parse_wanted
from django_socketio.events.handlers import Call, DispatchedSocket, Subscriptions

PERMISSION_DENIED = "Permission denied"
"""The text for clients where a refusal has none."""


def subscribing(on_subscribe: Call) -> Call:
    """Return the call for ``subscribe``: a channel is joined unless ``on_subscribe`` refuses it."""

    def subscribe(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel, wanted = _channel(args), parse_wanted(args[1] if len(args) > 1 else None)
        subscriptions = socket.subscriptions
        if not subscriptions.join(channel, pending=True):
            return _with_past(subscriptions, channel, wanted)
        begin = subscriptions.begin
        try:
            on_subscribe(request, socket, context, (channel,))
        except BaseException:
            subscriptions.leave(channel)
            raise
        if channel not in subscriptions.names:
            return {"error": PERMISSION_DENIED}
        if wanted != NOTHING:
            return _with_past(subscriptions, channel, wanted)
        subscriptions.read_replay(channel)
        return (True, {"position": position_text(begin)}) if socket.keeps_positions else True

    return subscribe


def _with_past(subscriptions: Subscriptions, channel: str, wanted: Wanted) -> Any:
    """Return the answer to a client that is on a channel, with what it wants of the past."""
    if wanted == NOTHING:
        return True
    past = subscriptions.past(channel, wanted)
    recovered = {} if wanted.since is None else {"recovered": past.is_whole}
    return True, {**recovered, **past.as_answer()}


def unsubscribing(on_unsubscribe: Call) -> Call:
    """Return the call for ``unsubscribe``: a channel is left, then ``on_unsubscribe`` called."""

    def unsubscribe(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel = _channel(args)
        if socket.subscriptions.leave(channel):
            on_unsubscribe(request, socket, context, (channel,))
        return True

    return unsubscribe


def _channel(args: tuple[Any, ...]) -> Any:
    """Return the channel of a client's request, None where it names none."""
    return args[0] if args else None
