"""The answers of a client to events that the server sent with an ack id."""

from collections.abc import Callable
from typing import Any, TypeAlias

from gevent.event import AsyncResult

from django_socketio.exceptions import CallTimeout
from django_socketio.sockets.awaited import Awaited

Callback = Callable[..., None]


Expected: TypeAlias = Callback | AsyncResult | Awaited


class Acks:
    """The events of one socket that its client has to answer."""

    __slots__ = ("_last", "_pending")

    def __init__(self) -> None:
        self._last = -1
        self._pending: dict[int, Expected] = {}

    def expect(self, answer: Expected) -> int:
        """Return the ack id for an event; its answer goes to the callback or the result."""
        self._last += 1
        self._pending[self._last] = answer
        return self._last

    @property
    def last(self) -> int:
        """The ack id of the last event; -1 before the first one."""
        return self._last

    def go_on_after(self, last: int) -> None:
        """Use no ack id again that another process has used for the client."""
        self._last = last

    @property
    def is_awaited(self) -> bool:
        """Whether a handler of the socket waits for an answer (``socket.call``)."""
        return any(isinstance(answer, AsyncResult) for answer in self._pending.values())

    @property
    def is_asked(self) -> bool:
        """Whether anybody waits for an answer (``socket.call``, ``call``)."""
        waiting = (AsyncResult, Awaited)
        return any(isinstance(answer, waiting) for answer in self._pending.values())

    def forget(self, answer: Expected) -> None:
        """Expect an answer no longer."""
        self._pending = {id: other for id, other in self._pending.items() if other is not answer}

    def resolve(self, id: int | None, args: list[Any]) -> Callback | None:
        """Take an answer: wake the handler that waits for it, or return the callback to call."""
        answer = self._pending.pop(id, None) if id is not None else None
        if isinstance(answer, AsyncResult | Awaited):
            answer.set(args)
            return None
        return answer

    def cancel(self) -> None:
        """Raise CallTimeout in all handlers that wait for an answer: the client has left."""
        pending, self._pending = self._pending, {}
        for answer in pending.values():
            if isinstance(answer, AsyncResult | Awaited):
                answer.set_exception(CallTimeout("the client left before it answered"))


def pack(answer: Any) -> list[Any]:
    """Return the arguments of an answer: a tuple stands for several."""
    return list(answer) if isinstance(answer, tuple) else [answer]


def unpack(args: list[Any]) -> Any:
    """Return an answer's only argument, or a tuple of several, or None."""
    if len(args) == 1:
        return args[0]
    return tuple(args) or None
