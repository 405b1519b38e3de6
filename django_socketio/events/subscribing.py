"""The events ``subscribe`` and ``unsubscribe``, by which a client asks for channels."""

from typing import Any

from django_socketio.channels.positions import position_text
from django_socketio.channels.recovery import NOTHING, Wanted, parse_wanted
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.tallies import REFUSALS
from django_socketio.events.handlers import Call, DispatchedSocket, Subscriptions
from django_socketio.logs import get_logger

logger = ClientLog(get_logger("django_socketio.sockets"))

PERMISSION_DENIED = "Permission denied"
"""The text for clients where a refusal has none."""


def subscribing(on_subscribe: Call) -> Call:
    """Return the call for ``subscribe``: a channel is joined unless ``on_subscribe`` refuses it."""

    def subscribe(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        channel, wanted = _channel(args), parse_wanted(args[1] if len(args) > 1 else None)
        subscriptions = socket.subscriptions
        subscriptions.asked += (channel,)
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
        if (replay := subscriptions.read_replay(channel)) is not None:
            begin = replay.begin or begin  # what a cut keeps from the client comes again
        return (True, {"position": position_text(begin)}) if socket.tells_positions else True

    return subscribe


def asking(may_subscribe: Call, on_subscribe: Call) -> Call:
    """Return the call that asks the predicates of a channel, and then its handlers.

    A client that a predicate refuses is taken off the channel.

    Args:
        may_subscribe: answers ``False`` if a predicate refuses.
        on_subscribe: calls the handlers.

    """

    def ask_and_call(
        request: Any, socket: DispatchedSocket, context: dict[str, Any], args: tuple[Any, ...]
    ) -> Any:
        if may_subscribe(request, socket, context, args) is not False:
            return on_subscribe(request, socket, context, args)
        logger.info("%r: subscribe to %r refused by @may_subscribe", socket, args[0])
        REFUSALS.add("subscribe")
        socket.subscriptions.leave(args[0])
        return None

    return ask_and_call


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
