"""The content of a streaming response: a thread, a greenlet or a task takes it from a queue."""

import asyncio
import threading
from collections.abc import Callable
from typing import Self

from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.streams.connections import PAUSE, Connection
from django_socketio.transports.event_stream import StreamListener

Schedule = Callable[..., object]
"""Has a function called with arguments where streams live."""


class Queue:
    """The bytes of a stream on their way to the thread or the task that sends them.

    Args:
        limit: bytes that may wait; past them, the stream is closed.
        wake: called when there is something to take, or the stream has ended.
        cut: ends the connection of a client that does not read.

    """

    def __init__(self, limit: int, wake: Callable[[], object], cut: Callable[[], object]) -> None:
        self._limit = limit
        self._wake = wake
        self._cut = cut
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self._size = 0
        self.listener: StreamListener | None = None
        self.is_closed = False

    def send(self, data: bytes) -> bool:
        """Add bytes; False if the stream is closed."""
        with self._lock:
            if self.is_closed:
                return False
            fits = not self._chunks or self._size + len(data) <= self._limit
            if fits:
                self._chunks.append(data)
                self._size += len(data)
        if not fits:
            self._cut()  # before the thread may go on, to another request on the connection
            self._end(Reason.SLOW_CLIENT)
            return False
        self._wake()
        return True

    def close(self, code: int = 0, reason: str = "") -> None:
        """End after the bytes that wait; streams tell neither a code nor a reason."""
        self.listener = None
        self.is_closed = True
        self._wake()

    def take(self) -> bytes:
        """Return the bytes that wait."""
        with self._lock:
            chunks, self._chunks, self._size = self._chunks, [], 0
        return b"".join(chunks)

    def leave(self) -> None:
        """End the stream: its client has gone."""
        self._end(Reason.TRANSPORT_CLOSE)

    def _end(self, reason: str) -> None:
        listener = self.listener
        self.close()
        if listener is not None:
            listener.transport_closed(reason, None)


Begin = Callable[[Queue], object]
"""Begins a stream that writes into a queue."""


class Content:
    """What threads and tasks have in common.

    Args:
        limit: bytes that may wait for the client.
        begin: begins the stream; called with its queue in place where streams live.
        schedule: see ``Schedule``.
        is_endless: whether to wait for more where nothing is left. A test must not wait.

    """

    def __init__(
        self, limit: int, begin: Begin, schedule: Schedule, is_endless: bool = True
    ) -> None:
        self._queue = Queue(limit, self._wake, self._cut)
        self._begin: Begin | None = begin
        self._schedule = schedule
        self._is_endless = is_endless

    def begin(self) -> None:
        """Begin the stream, if that was not done."""
        begin, self._begin = self._begin, None
        if begin is not None:
            self._schedule(self._guarded, begin)

    def _guarded(self, begin: Begin) -> None:
        try:
            begin(self._queue)
        except BaseException:
            self._queue.close()
            raise

    def _wake(self) -> None:
        raise NotImplementedError

    def _cut(self) -> None:
        """End the connection, where it is known."""

    def take(self) -> bytes:
        """Return what is there now."""
        return self._queue.take()

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended."""
        return self._queue.is_closed

    def close(self) -> None:
        """End the stream: Django closes its response."""
        if self._begin is None:
            self._schedule(self._queue.leave)
        self._begin = None


class SyncContent(Content):
    """The content as an iterator for WSGI.

    Attributes:
        connection: where a thread sends the content, if that is known.

    """

    connection: Connection | None = None

    def _wake(self) -> None:
        self._more.set()

    def _cut(self) -> None:
        if self.connection is not None:
            self.connection.cut()

    def __init__(
        self, limit: int, begin: Begin, schedule: Schedule, is_endless: bool = True
    ) -> None:
        self._more = threading.Event()
        super().__init__(limit, begin, schedule, is_endless)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        self.begin()
        while True:
            self._more.clear()
            is_closed = self._queue.is_closed
            if data := self._queue.take():
                return data
            if is_closed or not self._is_endless:
                raise StopIteration
            self._wait()

    def _wait(self) -> None:
        """Wait for more.

        Raises:
            StopIteration: the client has left.

        """
        if self.connection is None:
            self._more.wait()
            return
        while not self._more.wait(PAUSE):
            if self.connection.has_ended():
                raise StopIteration


class AsyncContent(Content):
    """The content as an asynchronous iterator for ASGI."""

    def __init__(
        self, limit: int, begin: Begin, schedule: Schedule, is_endless: bool = True
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._more = asyncio.Event()
        super().__init__(limit, begin, schedule, is_endless)

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._more.set)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._loop = asyncio.get_running_loop()
        self.begin()
        while True:
            self._more.clear()
            is_closed = self._queue.is_closed
            if data := self._queue.take():
                return data
            if is_closed or not self._is_endless:
                raise StopAsyncIteration
            await self._more.wait()
