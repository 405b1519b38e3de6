"""The greenlets of one server in which views of raw WebSockets run."""

import sys
from typing import Any

from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.turns import turns_of_hub
from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.workers import Workers
from django_socketio.logs import get_logger
from django_socketio.server import database
from django_socketio.sockets.server import SocketServer

SHARE = 0.003
"""Seconds of a turn of the event loop in which views run; then the loop polls the sockets."""

logger = get_logger("django_socketio.websockets")


class ViewHost:
    """Runs the views of a server's raw WebSockets, each in a greenlet that ends with it.

    The greenlets are not those of the handlers: a view may sleep for as long as its client is
    there, and would keep a handler's place.

    Args:
        server: the server.

    Attributes:
        workers: the greenlets. Their number has no limit.
        running: the WebSockets whose view has not returned.
        send_timeout: seconds within which a client must take something of what waits for it.

    """

    def __init__(self, server: SocketServer) -> None:
        give_back = database.give_back_of_worker
        self.workers = Workers(sys.maxsize, database.around_turn, kept=0, give_back=give_back)
        self.running: WaitSet[Any] = WaitSet()
        self.send_timeout = server.limits.send_timeout
        self._loop: Any = server.hub.loop
        self._turn: int | None = None
        self._until = 0.0
        server.pools.append(self.workers)

    def has_time(self) -> bool:
        """Return whether views may go on before the event loop turns."""
        turn = self._loop.iteration
        if turn != self._turn:
            self._turn, self._until = turn, clock() + SHARE
            return True
        return clock() < self._until

    def give_turn(self) -> None:
        """Let the event loop turn, if views have run for long without waiting.

        A view that waits for that holds as little as one that waits for its client.
        """
        if not self.has_time():
            self.workers.step_out(turns_of_hub().wait)

    def give_turn_within(self) -> None:
        """Let the event loop turn as well, for a view that sends: it keeps what it holds.

        It may send the rows of a query whose other rows it has not read yet.
        """
        if not self.has_time():
            turns_of_hub().wait()

    @property
    def is_busy(self) -> bool:
        """Whether a view has not returned."""
        return len(self.running) > 0

    def stop(self, timeout: float) -> None:
        """Wait until the views have returned; their WebSockets are closed."""
        if not self.running.wait_until_empty(timeout):
            logger.warning("Some views of WebSockets did not return within %.1f s", timeout)
