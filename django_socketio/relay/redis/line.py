"""A connection to Redis, and the commands that are on their way on it."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum, auto
from itertools import chain
from typing import Any

from redis.connection import ConnectionInterface
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from django_socketio.relay.redis.clock import RedisClock
from django_socketio.relay.redis.lost_answers import AnswerLate, AnswerLost, Break
from django_socketio.relay.redis.reading import is_idle, read_answer

LATE = 1.1
"""By how much more than its timeout a connection must have taken for a second try."""


class NotSent(ConnectionError):
    """Redis was not reached: nothing of a command was sent.

    Args:
        reason: the error that kept it from being sent.

    """

    def __init__(self, reason: RedisError) -> None:
        super().__init__(*reason.args)
        self.reason = reason


class Stage(Enum):
    """How far the commands on a line have come."""

    WAITING = auto()
    SENDING = auto()
    SENT = auto()


class Command:
    """A command on its way to Redis.

    Args:
        before: the packed command, or its part before the deadline.
        after: its part after the deadline; None for a command without one.

    """

    __slots__ = ("after", "answer", "before", "error", "is_gone", "line", "since", "woken")

    merges: Hashable = None
    """Commands for which this is equal become one call if they are sent together; None: alone."""

    def __init__(self, before: bytes = b"", after: bytes | None = None) -> None:
        self.before = before
        self.after = after
        self.answer: Any = None
        self.error: RedisError | None = None
        self.line: Line | None = None
        """The line on which its caller has to work."""
        self.is_gone = False
        """True once its caller was interrupted, and waits no longer."""
        self.since = 0.0
        """The time (``time.monotonic``) at which it was queued."""
        self.woken: Any = None
        """A lock that is held while its caller waits; None for a caller that does not wait."""

    def __len__(self) -> int:
        """The bytes of the command, without the deadline."""
        return len(self.before) + len(self.after or b"")

    def parts(self, call: Sequence[Any]) -> tuple[bytes, bytes | None]:
        """Return the packed call of commands, of which this is the first: its two parts."""
        return self.before, self.after

    def settle_call(self, call: Sequence["Command"], answer: Any, error: RedisError | None) -> None:
        """Give the commands of a call, of which this is the first, what Redis answers."""
        for command in call:
            command.settle(answer, error)

    def settle(self, answer: Any, error: RedisError | None = None) -> None:
        """Take the answer, and wake the caller."""
        self.answer, self.error = answer, error
        self.wake()

    def wake(self) -> None:
        """Have the caller go on."""
        woken = self.woken
        if woken is not None:
            woken.release()


class Line:
    """A connection, and the commands that are on their way on it.

    Args:
        make: makes a connection; the line opens it.
        clock: of Redis; measured on each new connection.
        timeout: seconds for connecting, and for an answer.

    """

    def __init__(
        self, make: Callable[[], ConnectionInterface], clock: RedisClock, timeout: float
    ) -> None:
        self._make = make
        self._clock = clock
        self._timeout = timeout
        self._connection: ConnectionInterface | None = None
        self._is_open = False
        self.is_closing = False
        """Whether the connection is closed once its commands are settled."""
        self._stage = Stage.WAITING
        self.commands: deque[Command] = deque()
        self._calls: deque[int] = deque()
        """How many commands share each call whose answer is still to come."""

    @property
    def is_sent(self) -> bool:
        """Whether the commands were sent, so that no more can join them."""
        return self._stage is not Stage.WAITING

    def exchange(self, is_warm: bool) -> None:
        """Send the commands, unless they are sent already, and settle each of them.

        Args:
            is_warm: whether the connection was used just now.

        Raises:
            RedisError: Redis failed; all commands are settled.

        """
        try:
            if not self.is_sent:
                self._send(self._connected(is_warm))
            self._read_all()
        except RedisError as error:
            self._fail(error)
            raise

    def _connected(self, is_warm: bool) -> ConnectionInterface:
        connection = self._connection
        try:
            if connection is None or not self._is_open or not (is_warm or is_idle(connection)):
                connection = self._connect()
            if not self._clock.is_known:
                self._clock.measure(connection)
        except BaseException as error:
            self.disconnect()
            if isinstance(error, RedisError):
                raise NotSent(error) from error
            raise
        return connection

    def _connect(self) -> ConnectionInterface:
        connection = self._connection = self._connection or self._make()
        connection.disconnect()
        begun = time.monotonic()
        try:
            connection.connect()
        except TimeoutError:
            # If it comes late, the event loop was blocked: Redis may have answered in time.
            if time.monotonic() - begun < LATE * self._timeout:
                raise
            connection.connect()
        self._is_open = True
        self._clock.forget()
        return connection

    def _send(self, connection: ConnectionInterface) -> None:
        packed = self._packed()
        self._stage = Stage.SENDING
        connection.send_packed_command([packed])
        self._stage = Stage.SENT

    def _packed(self) -> bytes:
        deadline, parts = self._clock.deadline(), []
        calls = calls_of(self.commands)
        for call in calls:
            before, after = call[0].parts(call)
            parts.append(before)
            if after is not None:
                parts += (deadline, after)
        self.commands = deque(chain.from_iterable(calls))
        self._calls = deque(map(len, calls))
        return b"".join(parts)

    def _read_all(self) -> None:
        calls, connection = self._calls, self._connection
        while calls and connection is not None:
            try:
                answer, error = read_answer(connection), None
            except ResponseError as failure:
                answer, error = None, failure
            call = [self.commands.popleft() for _ in range(calls.popleft())]
            call[0].settle_call(call, answer, error)
        self._stage = Stage.WAITING

    def _fail(self, error: RedisError) -> None:
        """Settle by an error all commands that have no answer."""
        self.disconnect()
        at = Break(is_late=isinstance(error, TimeoutError))
        while self.commands:
            self.commands.popleft().settle(None, _failure(error, at))

    def interrupted(self, by_switch: bool) -> bool:
        """Note that the caller that worked here was interrupted; return if another can go on.

        Otherwise all commands are settled.

        Args:
            by_switch: whether that happens only where a greenlet waits. A thread can be
                interrupted anywhere, between an answer and its command as well.

        """
        if self._stage is Stage.WAITING or (self._stage is Stage.SENT and by_switch):
            return True
        self._fail(ConnectionError("the caller that shared its round trip was interrupted"))
        return False

    def abandon(self) -> None:
        """Forget commands for which no caller waits any more."""
        if self.commands:
            self.commands.clear()
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        self._stage, self._is_open, self.is_closing = Stage.WAITING, False, False
        self._calls.clear()
        if self._connection is not None:
            self._connection.disconnect()


def calls_of(commands: Iterable[Command]) -> list[list[Command]]:
    """Return commands as they are called: in their order, those that merge with the first one."""
    calls: dict[Hashable, list[Command]] = {}
    for command in commands:
        key = id(command) if command.merges is None else command.merges
        calls.setdefault(key, []).append(command)
    return [*calls.values()]


def _failure(error: RedisError, at: Break) -> RedisError:
    """Return an error of one command, after the connection has failed."""
    if isinstance(error, NotSent):
        return NotSent(error.reason)
    if isinstance(error, TimeoutError):
        return AnswerLate(error, at)
    return AnswerLost(error, at)
