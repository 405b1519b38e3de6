"""Lists of channels in the place of one: ``subscribe`` and ``unsubscribe`` for several at once."""

from collections.abc import Iterator
from typing import Any

from django_socketio.events.handlers import Call
from django_socketio.exceptions import ChannelError


def each_of_list(call: Call, name: str) -> Call:
    """Return the call for an event about a channel that takes a list of channels as well.

    Each channel of a list is asked for as if alone, and once, however often the list has it. The
    answer is the list of their answers, in the same order, and a list of what is told about each,
    if anything is.

    Args:
        call: handles the event for one channel.
        name: the name of the event.

    """

    def ask(request: Any, socket: Any, context: dict[str, Any], args: tuple[Any, ...]) -> Any:
        if not args or not isinstance(args[0], list):
            return call(request, socket, context, args)
        _check(args[0], name, socket.subscriptions.max_channels)
        return _joined([*_answers(socket, name, call, args[0], args[1:])])

    return ask


def _check(channels: list[Any], name: str, limit: int) -> None:
    """Raise ChannelError for a list that is longer than a socket may need."""
    if len(channels) > limit:
        raise ChannelError(
            f"{name} takes at most {limit} channels (SOCKETIO_MAX_CHANNELS), not {len(channels)}"
        )


def _answers(
    socket: Any, name: str, call: Call, channels: list[Any], options: tuple[Any, ...]
) -> Iterator[Any]:
    """Yield the answer for each channel, until the socket ends: its login may be over then.

    Other sockets are polled meanwhile. What is told about a channel is told once.
    """
    lifecycle = socket.lifecycle
    known: dict[str, Any] = {}
    for channel in channels:
        is_name = isinstance(channel, str)
        if is_name and channel in known:
            yield known[channel]
        elif socket.connected:
            answer = lifecycle.answer_to(name, (channel, *options), call)
            if is_name:
                known[channel] = _pair(answer)[0]
            yield answer
            lifecycle.give_way()


def _pair(answer: Any) -> tuple[Any, Any]:
    """Return an answer, and what is told about the channel."""
    return answer if isinstance(answer, tuple) else (answer, None)


def _joined(answers: list[Any]) -> Any:
    pairs = [*map(_pair, answers)]
    told = [about for _, about in pairs]
    accepted = [one for one, _ in pairs]
    return (accepted, told) if any(told) else accepted
