"""``request.websocket``: a raw WebSocket for a view that waits for messages."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import gevent
from django.core.exceptions import PermissionDenied
from django.http.response import HttpResponseBase
from gevent.event import Event
from gevent.hub import Waiter
from websockets.frames import CloseCode

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.threads import forbid, running
from django_socketio.concurrency.timers import clock
from django_socketio.logs import get_logger, name_of
from django_socketio.websockets.host import SHARE, ViewHost
from django_socketio.websockets.listener import (
    INTERNAL_ERROR,
    WebSocketListener,
    encoded,
    in_event_loop,
)

logger = ClientLog(get_logger("django_socketio.websockets"))

Fallback = TypeVar("Fallback")

PAUSE = 0.02
"""Seconds between two looks whether a slow client has read what waits for it."""

BURST = 16
"""Messages that a view sends at once, if that takes no longer than ``SHARE``; then, in a process
whose views have had their time, the event loop turns. An answer of so many messages leaves before
the end of the connection."""

ANSWERED = (
    "%r: the view %s answered a WebSocket with a page (status %s), which closes it. A decorator "
    "that refuses requests, such as login_required, belongs above accept_websocket"
)


class WebSocket(WebSocketListener):
    """A raw WebSocket, as ``request.websocket`` of a view has it.

    Args:
        view: called in a greenlet of its own once the connection is open; the connection is closed
            when it returns.
        request: the request of the view.

    """

    _is_accepted = False

    def __init__(self, view: Callable[[], Any], request: Any) -> None:
        self._view: Callable[[], Any] | None = view
        self._view_request = request
        self._inbox: list[str | bytes] = []
        self._inbox_size = 0
        self._waiters: list[Waiter] = []
        """Greenlets that wait for a message: usually one, or none."""
        self._takers = 0
        """Greenlets in ``wait``: each takes the next message when it runs."""
        self._is_ahead = False
        """Whether nothing is read because more messages are there than may wait."""
        self._senders: list[Event] = []
        """The turns of greenlets that wait until the client has read what waits for it."""
        self._sent, self._until = 0, 0.0
        """Messages that the view has sent since it last waited or gave a turn, and until when it
        goes on to do so."""

    # Receiving

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield the messages of the client until the connection is closed."""
        while True:
            message = self.wait()
            if message is None:
                return
            yield message

    def wait(self, timeout: float | None = None) -> str | bytes | None:
        """Wait for the next message of the client, and return it.

        Returns None if none comes within ``timeout`` seconds, or if the connection is closed
        (``is_closed``). Messages that came before the end are returned first. While the view waits,
        its database connections are given back, unless it is in a transaction.
        """
        if running:
            forbid("websocket.wait")
        if self._login is not None:
            self._login.leave(None)  # the user is read anew for each message
        self._takers += 1
        try:
            self._hold()
            self._host.give_turn()
            if not self._inbox and self.close_code is None:
                self._wait(timeout)
        except BaseException:
            if self._inbox and self._waiters:
                self._wake()  # the message may have woken this greenlet, which does not take it
            raise
        finally:
            self._takers -= 1
            self._begin_turn()
            if not self._takers:
                self._let_go()
        return self._take() if self._inbox else None

    def read(self, fallback: Fallback | None = None) -> str | bytes | Fallback | None:
        """Return the next message, if there is one; never wait."""
        return self._take() if self._inbox else fallback

    def has_messages(self) -> bool:
        """Return whether a message of the client is there."""
        return bool(self._inbox)

    def count_messages(self) -> int:
        """Return the number of messages that are there."""
        return len(self._inbox)

    def _wait(self, timeout: float | None) -> None:
        end = None if timeout is None else clock() + timeout
        while not self._inbox and self.close_code is None:
            left = None if end is None else end - clock()
            if left is not None and left <= 0:
                return
            self._host.workers.step_out(partial(self._sleep, left))

    def _sleep(self, seconds: float | None) -> None:
        """Wait until ``_wake`` is called, or for some seconds."""
        if self._inbox or self.close_code is not None:
            return  # it came while the database connections were given back
        waiter, loop = Waiter(), self._bound().hub.loop
        timer = None if seconds is None else loop.timer(seconds)
        if timer is not None:
            timer.start(waiter.switch, None)
        self._waiters.append(waiter)
        try:
            waiter.get()
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if timer is not None:
                timer.close()

    def _wake(self) -> None:
        """Have a greenlet that waits go on: at once, or later where the loop is to turn first."""
        waiter, server = self._waiters.pop(0), self._bound()
        if in_event_loop(server) and self._host.has_time():
            waiter.switch(None)
        else:
            server.hub.loop.run_callback(waiter.switch, None)

    def _take(self) -> str | bytes:
        message = self._inbox.pop(0)
        self._inbox_size -= len(message)
        if not self._inbox:
            self._is_ahead = False
            self._let_go()
        return message

    def _hold(self) -> None:
        """Read no more while the view is about to take a message.

        So its answer leaves before the answer to the close frame, or to the mistake, that comes
        behind the message.
        """
        if self._takers and self._inbox and self._transport is not None:
            self._pause()

    def _let_go(self) -> None:
        """Read again, unless the client is ahead of the view."""
        if self._is_paused and not self._is_ahead:
            self._resume()

    def _pause(self) -> None:
        """Read nothing from the client until ``_resume``; TCP then holds the client back."""
        self._is_paused = True
        self._transport.pause()

    def _resume(self) -> None:
        self._is_paused = False
        if self._transport is not None:
            self._transport.resume()

    # Sending

    def send(self, message: str | bytes) -> bool:
        """Send a text, or binary data; False if the connection is closed.

        Waits while more than ``SOCKETIO_MAX_UNSENT_BYTES`` wait for the client; the view keeps its
        database connections. A client that takes nothing for ``SOCKETIO_SEND_TIMEOUT`` seconds is
        closed.

        Raises:
            TypeError: the message is neither a text nor bytes.

        """
        if running:
            forbid("websocket.send")
        packet = encoded(message)
        is_by_view = self._transport is not None and not in_event_loop(self._bound())
        if is_by_view:
            self._wait_for_room(len(packet.frames))
        is_sent = self._transport is not None and bool(self._transport.send(packet))
        if is_by_view:
            self._count_sent()
        return is_sent

    def _count_sent(self) -> None:
        self._sent += 1
        if self._sent >= BURST or clock() > self._until:
            self._host.give_turn_within()
            self._begin_turn()

    def _begin_turn(self) -> None:
        self._sent, self._until = 0, clock() + SHARE

    def _wait_for_room(self, size: int) -> None:
        """Wait until so many bytes may wait for the client; greenlets do so one after the other."""
        if not self._senders and self._transport.has_room(size):
            return
        turn = Event()
        self._senders.append(turn)
        try:
            if turn is not self._senders[0]:
                turn.wait()
            self._wait_until_read(size)
        finally:
            self._senders.remove(turn)
            if self._senders:
                self._senders[0].set()

    def _wait_until_read(self, size: int) -> None:
        """Wait until the client has made room, or has taken nothing for too long."""
        taken, since = None, clock()
        while (transport := self._transport) is not None and not transport.has_room(size):
            if transport.taken != taken:
                taken, since = transport.taken, clock()
            elif clock() - since > self._host.send_timeout:
                return  # the transport closes a slow client
            gevent.sleep(PAUSE)

    # For the event loop

    @property
    def _host(self) -> ViewHost:
        return self._bound().part(ViewHost)

    def on_open(self) -> None:
        """Have the view called; the client is read once the view runs."""
        self._pause()
        self._host.running.add(self)
        self._host.workers.spawn(self._serve)

    def on_message(self, message: str | bytes) -> None:
        """Keep a message for the view; read no more from a client that is ahead of the view."""
        self._inbox.append(message)
        self._inbox_size += len(message)
        limits = self._bound().limits
        if (
            len(self._inbox) > limits.max_waiting_events
            or self._inbox_size > limits.max_message_size
        ):
            self._is_ahead = True
            self._pause()
        if self._waiters:
            self._wake()
        self._hold()

    def on_close(self, code: int, reason: str) -> None:
        """Wake the view."""
        while self._waiters:
            self._wake()

    def log_out(self, reason: str) -> None:
        """End: the login of the connection has ended, and what it has sent is dropped."""
        self._inbox.clear()
        super().log_out(reason)

    def _release(self) -> None:
        """Keep the login until the view has returned."""
        if self._view is None:
            super()._release()

    # In the greenlet of the view

    def _serve(self) -> None:
        view, request = self._view, self._view_request
        if view is None:
            return
        error: BaseException | None = None
        self._begin_turn()
        self._resume()
        try:
            self._call(view, request)
        except failures() as failure:
            error = failure
            self._bound().pipeline.failures.errors.log("%r failed", self, error=failure)
        finally:
            # A view that has returned has closed it, which leaves it as it is.
            self.close(CloseCode.INTERNAL_ERROR, INTERNAL_ERROR)
            self._finish(error)

    def _call(self, view: Callable[[], Any], request: Any) -> None:
        call = self._bound().pipeline.around(view)
        try:
            answer = call(request, self, {}, ())
        except PermissionDenied as refusal:
            logger.info("%r refused: %s", self, refusal)
            return self.close(CloseCode.POLICY_VIOLATION, str(refusal) or "Permission denied")
        if isinstance(answer, HttpResponseBase) and answer.status_code >= 300:
            logger.warning(ANSWERED, self, name_of(view), answer.status_code)
            return self.close(CloseCode.POLICY_VIOLATION, f"status {answer.status_code}")
        self.close()

    def _finish(self, error: BaseException | None) -> None:
        login, self._view, self._view_request = self._login, None, None
        try:
            if login is not None:
                login.leave(error)
        finally:
            self._release()
            self._host.running.discard(self)
