"""Children that handlers and views fork begin without the sockets of the server.

``os.fork`` forks, and so do ``multiprocessing`` and ``ProcessPoolExecutor`` on Linux (up to Python
3.13). Without this module, the child would accept connections, read messages and end sockets, as a
second server on the connections of the first one.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from django_socketio.channels import current
from django_socketio.concurrency import threads
from django_socketio.concurrency.native import ThreadLocal
from django_socketio.events.handlers import Call, Registration
from django_socketio.exceptions import NoSocket
from django_socketio.relay.base import Copied, Reached, Relay, Rewound
from django_socketio.relay.envelope import Deliver, Envelope, LogRange, StreamPosition
from django_socketio.relay.receipt import Received
from django_socketio.relay.roster import Rosters
from django_socketio.relay.topics import Topic
from django_socketio.server import database, forks, relays
from django_socketio.server.pywsgi import RequestHandler
from django_socketio.sockets.keeping import KeepingSocket
from django_socketio.sockets.recoverable import RecoverableSocket
from django_socketio.sockets.server import SocketServer
from django_socketio.sockets.socket import Socket

FORKED = (
    "This process was forked from a server, and holds none of its sockets. Send from the parent; "
    "emit() and the other functions of the package work here where SOCKETIO_RELAY_URL is set"
)


def install() -> None:
    """Make children of this process begin without the sockets of its servers."""
    if not _Hook.is_registered:
        _Hook.is_registered = True
        os.register_at_fork(
            before=_hold_signals, after_in_parent=_let_signals_come, after_in_child=_forked
        )


def leaving(call: Call, handler: Registration) -> Call:
    """Make a handler layer that ends a forked child where the handler that forked it returns."""

    def call_and_leave(request: Any, socket: Any, context: Any, args: Any) -> Any:
        try:
            return call(request, socket, context, args)
        finally:
            if _Hook.is_child:
                forks.leave(sys.exc_info()[1])

    return call_and_leave


class _Hook:
    is_registered = False
    """Whether the hooks are registered; Python has no way to remove them."""

    is_child = False
    """Whether this process was forked from a server."""


_thread = ThreadLocal()
"""Has ``mask`` during a fork: the signals that were blocked in the thread that forks."""


def _hold_signals() -> None:
    # A signal that reaches the child at once waits until the child has set its own handlers.
    if current.all_servers():
        _thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _let_signals_come() -> None:
    mask = _thread.__dict__.pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


# In the child


def _forked() -> None:
    try:
        for server in current.forget_all():
            if isinstance(server, SocketServer):
                _begin_anew(server)
    finally:
        _let_signals_come()


def _begin_anew(server: SocketServer) -> None:
    forks.keep(server, database.forget(), relays.forget())
    threads.running.clear()  # the child has no other thread
    grave = forks.bury(server.hub)
    forks.abandon([*forks.descriptors_at(server.addresses), *server.relay.descriptors()])
    forks.reset_signals(server.signal_receiver)
    for pool in server.pools:
        forks.keep(pool.disband(grave))
    _end_with_handler()
    _refuse_to_send(server)


def _end_with_handler() -> None:
    _Hook.is_child = True
    RequestHandler._sendall = _leave_unanswered  # type: ignore[assignment, method-assign]
    RequestHandler._write_with_headers = _leave_unanswered  # type: ignore[assignment, method-assign]


def _leave_unanswered(handler: RequestHandler, data: bytes | bytearray) -> NoReturn:
    """End the child where a view's answer would be sent: the parent sends the answer."""
    has_failed = bytes(handler.status or b"").startswith(b"5")
    forks.leave(SystemExit(int(has_failed)))


def _refuse_to_send(server: SocketServer) -> None:
    server.channels.use(_NoRelay())
    for kind in (Socket, KeepingSocket, RecoverableSocket):
        kind.deliver = _refuse  # type: ignore[assignment]  # a child has its parent's sockets only


def _refuse(*args: Any) -> NoReturn:
    raise NoSocket(FORKED)


class _NoRelay(Relay):
    """The relay of a child, which holds no sockets."""

    @property
    def rosters(self) -> Rosters:
        """The people on channels, as a process without a server reads them."""
        return relays.for_publisher().rosters

    def publish(self, envelope: Envelope) -> Received:
        """Publish as a process without a server does."""
        return relays.for_publisher().publish(envelope)

    def subscribe(self, topic: Topic, deliver: Deliver, recoverable: bool = False) -> None:
        """Refuse: the child holds no socket that could join a channel."""
        _refuse()

    def tell_copies(self, copied: Copied) -> None:
        """Do nothing: the child receives no messages."""

    def tell_rewinds(self, rewound: Rewound) -> None:
        """Do nothing: the child receives no messages."""

    def tell_reached(self, topics: Iterable[Topic], tell: Callable[[Reached], object]) -> None:
        """Tell nothing: the child receives no messages."""
        tell({})

    def unsubscribe(self, topic: Topic) -> None:
        """Leave the parent's subscription as it is."""

    def keep(self, topic: Topic, seconds: float) -> StreamPosition | None:
        """Ask as a process without a server does."""
        return relays.for_publisher().keep(topic, seconds)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Ask as a process without a server does."""
        return relays.for_publisher().position(topic)

    def read(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Read as a process without a server does."""
        return relays.for_publisher().read(topic, after, limit)

    def history(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Read as a process without a server does."""
        return relays.for_publisher().history(topic, after, limit)

    def close(self) -> None:
        """Do nothing."""

    def __str__(self) -> str:
        return "none: this process was forked from a server"
