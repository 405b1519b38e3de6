"""All that a server process needs to hold sockets, put together from the settings."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from django.conf import settings
from django.core.exceptions import PermissionDenied
from gevent import monkey

from django_socketio import conf
from django_socketio.channels import publish as broadcasts
from django_socketio.channels.registry import Channels
from django_socketio.concurrency.native import get_ident, in_loop
from django_socketio.concurrency.repeated import RepeatedErrors
from django_socketio.concurrency.running_loops import end_loops
from django_socketio.concurrency.timers import Timers
from django_socketio.concurrency.workers import Workers
from django_socketio.events import all_handlers
from django_socketio.events.pipeline import Layers, Pipeline
from django_socketio.events.unhandled import Unhandled, log_for_debugging
from django_socketio.logs import get_logger
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.topics import Topic
from django_socketio.security import permissions, signals
from django_socketio.security.login_registry import LoginRegistry
from django_socketio.security.throttling import Floodgate, throttled
from django_socketio.server import database, forking, message_log, relays
from django_socketio.server.deadlines import Timeouts
from django_socketio.server.watchdog import Watchdog
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.client import Client
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.services import Shared
from django_socketio.transports.engine import Engine
from django_socketio.transports.session import Delegate, Session

logger = get_logger("django_socketio.server")

STOP_TIMEOUT = 1.5
"""Seconds that the last handlers of all sockets have when the server stops."""


LOOPS_TIMEOUT = 0.3
"""Seconds that asyncio's loops which still run then have for their cancelled tasks."""


class Process:
    """The sockets of this process, and how messages reach them.

    Attributes:
        hub: whose event loop all this happens in.
        addresses: where the server accepts connections (``getsockname``).
        crews: the pools of greenlets in which the project's code runs.
        signals_of: the object whose methods handle signals for the server, if there is one.

    """

    def __init__(self) -> None:
        limits = conf.limits()
        self.timeouts = Timeouts(conf.get("REQUEST_TIMEOUT"), conf.get("SEND_TIMEOUT"))
        self.hub = gevent.get_hub()
        self.addresses: list[Any] = []
        self.signals_of: Any = None
        self.relay = relays.for_server(_scheduler(), self._lost)
        self.timers = Timers()
        encoder = Encoder(relays.encode_default)
        channels = Channels(self.relay, encoder.delivery, limits.max_unsent_bytes)
        workers = Workers(
            limits.workers, database.around_turn, give_back=database.give_back_of_worker
        )
        self.crews = [workers]
        interval = conf.get("LOGIN_CHECK_INTERVAL")
        self.logins = LoginRegistry(self.timers, interval, database.around_turn)
        self._loop, self._thread = gevent.get_hub().loop, get_ident()
        self.shared = Shared(
            channels,
            encoder,
            workers,
            Calls(workers, limits.max_waiting_calls),
            limits,
            build_pipeline(self.logins, RepeatedErrors(self.timers)),
            PermissionDenied,
        )
        self.shared.connect_deadline = self._connect_deadline
        self._watchdog = Watchdog(conf.get("BLOCKED_AFTER"), all_handlers)
        self.engine = Engine(self._connect, limits, self.timers)
        self.floodgate = Floodgate(conf.rates(), self.timers.clock)
        self.engine.welcome = self.floodgate.welcome

    def _connect(self, session: Session, request: Any) -> Delegate:
        client = Client(self.shared, session, request, self.logins.begin(session, request))
        meters = self.floodgate.meters(request.META.get("REMOTE_ADDR") or "")
        return throttled(client, session, meters)

    def _connect_deadline(self, check: Callable[[float], None]) -> Callable[[], object]:
        timer = self.timers.after(self.shared.limits.connect_timeout, check)
        return partial(self.timers.cancel, timer)

    def _publish(self, envelope: Envelope) -> int:
        """Publish in the event loop, for whichever native thread calls this."""
        publish = self.shared.channels.publish
        if get_ident() == self._thread:
            return publish(envelope)
        return in_loop(self._loop, publish, envelope)

    def _lost(self, topic: Topic) -> None:
        self.shared.channels.lost(topic)

    def listens(self, address: Any, *crews: Workers) -> None:
        """Note where the server accepts connections, and in which greenlets it serves them."""
        self.addresses.append(address)
        self.crews.extend(crews)

    def start(self) -> None:
        """Make the out-of-band functions of this process reach its sockets."""
        forking.watch(self)
        database.keep_between_turns()
        broadcasts.publish_with(self._publish)
        relays.watch(self.relay)
        signals.connect_sessions()
        self.relay.subscribe(signals.TOPIC, self.logins.received)
        self.logins.start()
        self._watchdog.start()
        idle = database.IdleConnections(self.shared.workers)
        self.timers.after(0, idle.close)

    def stop(self) -> None:
        """End all sockets in order; their last handlers run."""
        self.engine.stop()
        if not self.shared.open_sockets.wait_until_empty(STOP_TIMEOUT):
            logger.warning("Some handlers did not end within %s s", STOP_TIMEOUT)
        end_loops(LOOPS_TIMEOUT)
        self._watchdog.stop()
        broadcasts.publish_with(None)
        relays.watch(None)
        self.engine.flush()
        self.timers.stop()
        self.relay.close()
        forking.unwatch(self)


def _scheduler() -> Callable[..., object]:
    """Return what has a function called in this event loop, from the relay's thread."""
    loop = gevent.get_hub().loop
    # Where gevent has patched threads, the relay's is a greenlet of this very loop.
    patched = monkey.is_module_patched("threading")
    run: Callable[..., object] = loop.run_callback if patched else loop.run_callback_threadsafe
    return run


def build_pipeline(logins: LoginRegistry, errors: RepeatedErrors) -> Pipeline:
    """Return the pipeline of a server: around each step the layers that the settings ask for."""
    layers = Layers(
        messages=message_log.layers(),
        events=(logins.settling, permissions.from_settings().layer),
        handlers=(database.cleaning_up, forking.leaving),
    )
    return Pipeline(errors, layers, Unhandled() if settings.DEBUG else log_for_debugging)
