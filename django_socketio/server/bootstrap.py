"""The server of a process, built from the settings."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from django.conf import settings
from django.core.exceptions import PermissionDenied
from gevent import monkey

from django_socketio import conf
from django_socketio.concurrency import timers
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.in_turns import CallsInTurns
from django_socketio.concurrency.repeated import RepeatedErrors
from django_socketio.concurrency.timers import Clock, Timers
from django_socketio.concurrency.workers import Workers
from django_socketio.events import all_handlers
from django_socketio.events.handlers import Call
from django_socketio.events.pipeline import Layers, Pipeline
from django_socketio.events.unhandled import Unhandled, log_for_debugging
from django_socketio.publishing.values import encode_default
from django_socketio.relay.base import Relay
from django_socketio.security import permissions
from django_socketio.security.login_registry import LoginRegistry
from django_socketio.security.throttling import Throttle, throttled
from django_socketio.server import (
    database,
    forking,
    handler_contexts,
    locales,
    message_log,
    relays,
    retentions,
    view_answers,
)
from django_socketio.server.deadlines import Timeouts
from django_socketio.server.handler_contexts import HandlerContexts
from django_socketio.server.watchdog import Watchdog
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.client import Client
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.server import Connect, Lost, Service, SocketServer
from django_socketio.transports.engine import Engine
from django_socketio.transports.session import Delegate, Session


def build_server(
    *,
    relay: Relay | None = None,
    executor: Executor | None = None,
    clock: Clock = timers.clock,
    make_errors: Callable[[Timers], RepeatedErrors] = RepeatedErrors,
    make_calls: Callable[[Executor, int], Calls] = Calls,
    worker_id: str = "",
    can_upgrade: bool = True,
    signal_receiver: object = None,
) -> SocketServer:
    """Return a server as the settings describe it; it has not started.

    Args:
        relay: carries messages; by default the relay that ``SOCKETIO_RELAY_URL`` names.
        executor: runs the handlers; by default ``SOCKETIO_WORKERS`` greenlets of an event loop.
        clock: tells the time of deadlines; one of its own needs ``server.timers.call_due()``.
        make_errors, make_calls: make the log of handlers' errors and their calls to clients.
        worker_id, can_upgrade, signal_receiver: see ``Engine`` and ``SocketServer``.

    """
    forking.install()
    limits, deadlines, throttle = conf.limits(), Timers(clock), Throttle(conf.rates(), clock)
    logins = LoginRegistry(deadlines, conf.get("LOGIN_CHECK_INTERVAL"), executor or _checkers())
    executor = executor or _workers(limits.workers)
    return SocketServer(
        limits=limits,
        timers=deadlines,
        executor=executor,
        encoder=Encoder(encode_default),
        pipeline=_pipeline(logins, make_errors(deadlines)),
        calls=make_calls(executor, limits.max_waiting_calls),
        refusals=PermissionDenied,
        connect=_connecting(logins, throttle),
        open_relay=_open_relay if relay is None else lambda lost: relay,
        open_engine=partial(Engine, limits, deadlines, can_upgrade, worker_id, throttle.welcome),
        replay=retentions.replay(),
        services=(logins, *_services_of(executor)),
        signal_receiver=signal_receiver,
    )


def http_timeouts() -> Timeouts:
    """Return the timeouts of HTTP clients."""
    return Timeouts(conf.get("REQUEST_TIMEOUT"), conf.get("SEND_TIMEOUT"))


def _connecting(logins: LoginRegistry, throttle: Throttle) -> Connect:
    def connect(server: SocketServer, session: Session, request: Any) -> Delegate:
        client = Client(server, session, request, logins.begin(session, request))
        meters = throttle.meters(request.META.get("REMOTE_ADDR") or "")
        return throttled(client, session, meters)

    return connect


def _around_checks(contexts: HandlerContexts) -> Callable[[Call], Call]:
    """Return what sets up the function of ``SOCKETIO_ALLOWED_CHANNELS`` as it does a handler."""
    return lambda call: locales.activating(contexts.around(call))


def _workers(size: int) -> Workers:
    return Workers(size, database.around_turn, give_back=database.give_back_of_worker)


def _checkers() -> Workers:
    """Return what checks logins: handlers that wait must not delay the check."""
    return Workers(1, database.around_turn)


def _services_of(executor: Executor) -> tuple[Service, ...]:
    """Return the services that a pool of greenlets needs, and the event loop that they share."""
    if not isinstance(executor, Workers):
        return ()
    watchdog = Watchdog(conf.get("BLOCKED_AFTER"), all_handlers)
    return watchdog, database.IdleConnections(executor)


def _open_relay(lost: Lost) -> Relay:
    return relays.for_server(_scheduler(), lost)


def _scheduler() -> Callable[..., object]:
    """Return a function by which the relay's thread calls others in this event loop."""
    loop = gevent.get_hub().loop
    # Where gevent has patched threads, the relay's is a greenlet of this very loop.
    patched = monkey.is_module_patched("threading")
    return CallsInTurns(loop.run_callback if patched else loop.run_callback_threadsafe)


def _pipeline(logins: LoginRegistry, errors: RepeatedErrors) -> Pipeline:
    """Return the pipeline of a server: around each step the layers that the settings ask for."""
    contexts = handler_contexts.from_settings()
    layers = Layers(
        messages=message_log.layers(),
        events=(logins.settling, permissions.from_settings(_around_checks(contexts)).layer),
        handlers=(
            database.cleaning_up,
            locales.layer,
            contexts.layer,
            forking.leaving,
            view_answers.layer,
        ),
    )
    return Pipeline(errors, layers, Unhandled() if settings.DEBUG else log_for_debugging)
