"""The Socket.IO server of a process: its sessions, its channels and the sockets that are open."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from gevent import get_hub

from django_socketio.channels import current
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.native import get_ident, in_loop
from django_socketio.concurrency.running_loops import end_loops
from django_socketio.concurrency.share import Share
from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.workers import Workers
from django_socketio.events.pipeline import Pipeline
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.topics import Topic
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.loss_reports import LossReports
from django_socketio.sockets.pasts import Pasts, Replay
from django_socketio.transports import engine
from django_socketio.transports.engine import Engine
from django_socketio.transports.limits import Limits
from django_socketio.transports.session import Delegate, Session

logger = get_logger("django_socketio.server")

STOP_TIMEOUT = 1.5
"""Seconds that the last handlers of all sockets have when the server stops."""

LOOPS_TIMEOUT = 0.3
"""Seconds that asyncio's loops which still run then have for their cancelled tasks."""

Lost = Callable[[Topic], None]
"""Called with a topic of which messages were lost on their way to this process."""

Connect = Callable[["SocketServer", Session, Any], Delegate]
"""Returns the client of a new session; gets the request of its handshake as well."""


class Service(Protocol):
    """A part of a server that works by itself from the server's start to its stop."""

    def start(self, server: "SocketServer", /) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """Work no longer; all sockets have ended."""


class SocketServer:
    """The Socket.IO server of a process.

    ``server/bootstrap.py`` builds it from the settings. All calls but ``publish`` are made in the
    native thread that has built it.

    Args:
        limits: the limits of what clients may use.
        open_relay: returns the relay, which calls its argument with topics that lost messages.
        open_engine: returns the engine, which calls its argument with each new session.
        timers: the deadlines of the server, with its clock.
        executor: runs the mailboxes of the sockets.
        encoder: encodes Socket.IO packets.
        pipeline: calls the handlers of events.
        calls: the handlers that wait for answers of clients.
        refusals: the exception by which handlers refuse; the client is told its text.
        connect: returns the client of a new session.
        replay: see ``Pasts``.
        services: what starts and stops with the server.
        signal_receiver: the object whose methods handle signals for the server, if there is one.

    Attributes:
        hub: the hub in whose event loop the server works.
        open_sockets: the lifecycles of the sockets whose last handler has not run yet.
        addresses: the addresses on which the server accepts connections (``getsockname``).
        pools: the pools of greenlets in which the project's code runs.
        loss_reports: tells sockets of the messages that were lost.

    """

    def __init__(
        self,
        *,
        limits: Limits,
        open_relay: Callable[[Lost], Relay],
        open_engine: Callable[[engine.Connect], Engine],
        timers: Timers,
        executor: Executor,
        encoder: Encoder,
        pipeline: Pipeline,
        calls: Calls,
        refusals: type[Exception],
        connect: Connect,
        replay: Replay | None = None,
        services: Sequence[Service] = (),
        signal_receiver: object = None,
    ) -> None:
        self.limits = limits
        self.timers = timers
        self.executor = executor
        # A thousand sockets that end at once must not be in the way of those that stay.
        self.endings = Share(executor, max(1, limits.workers // 4))
        self.encoder = encoder
        self.pipeline = pipeline
        self.refusals = refusals
        self.services = services
        self.signal_receiver = signal_receiver
        self.hub: Any = get_hub()
        self._thread_id = get_ident()
        self.open_sockets: WaitSet[Any] = WaitSet()
        self.addresses: list[Any] = []
        self.pools: list[Workers] = [executor] if isinstance(executor, Workers) else []
        self.calls = calls
        self.pasts = Pasts(lambda: self.channels, executor, limits.max_unsent_bytes // 2, replay)
        self.loss_reports = LossReports(lambda: self.channels, executor)
        self.relay = open_relay(self.loss_reports.add)
        self.channels = Channels(self.relay, encoder.delivery, limits.max_unsent_bytes)
        self.engine = open_engine(partial(connect, self))

    def publish(self, envelope: Envelope) -> int:
        """Publish an envelope in the event loop, for whichever native thread calls this.

        Raises:
            RelayError: the relay did not take it.

        """
        if get_ident() == self._thread_id:
            return self.channels.publish(envelope)
        return in_loop(self.hub.loop, self.channels.publish, envelope)

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Publish envelopes in the event loop, for whichever native thread calls this."""
        if get_ident() == self._thread_id:
            return self.channels.publish_all(envelopes)
        return in_loop(self.hub.loop, self.channels.publish_all, envelopes)

    def add_listener(self, address: Any, *pools: Workers) -> None:
        """Note an address on which connections are accepted, and the greenlets that serve them."""
        self.addresses.append(address)
        self.pools.extend(pools)

    def start(self) -> None:
        """Become the server that out-of-band messages of this process go through."""
        current.add(self)
        for service in self.services:
            service.start(self)

    def stop(self) -> None:
        """End all sockets in order; their last handlers run."""
        self.engine.stop()
        if not self.open_sockets.wait_until_empty(STOP_TIMEOUT):
            logger.warning("Some handlers did not end within %s s", STOP_TIMEOUT)
        end_loops(LOOPS_TIMEOUT)
        for service in self.services:
            service.stop()
        self.engine.flush()
        self.timers.stop()
        self.relay.close()
        current.remove(self)
