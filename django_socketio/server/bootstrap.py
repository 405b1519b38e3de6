"""The server of a process, built from the settings."""

import re
from collections.abc import Callable
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
from django_socketio.events.client_events import ClientEvents, rules
from django_socketio.events.handlers import Call
from django_socketio.events.pipeline import HandlerLayer, Layers, Pipeline
from django_socketio.events.unhandled import Unhandled, log_for_debugging
from django_socketio.monitoring.answering import Numbers
from django_socketio.monitoring.instruments import Instruments, MeasuringInstruments
from django_socketio.publishing.values import encode_default
from django_socketio.relay.base import Relay
from django_socketio.security import permissions, signed_channels
from django_socketio.security.guard import Guard
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
    tracing,
    view_answers,
)
from django_socketio.server.deadlines import Timeouts
from django_socketio.server.handler_contexts import HandlerContexts
from django_socketio.server.watchdog import Watchdog
from django_socketio.sockets import old_clients
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.client import Client
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.presence import PresenceService
from django_socketio.sockets.relaying import RelayingClient
from django_socketio.sockets.server import Connect, Lost, Service, SocketServer
from django_socketio.transports import engine
from django_socketio.transports.engine import Engine
from django_socketio.transports.limits import Limits
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
        relay, executor: carries messages, runs handlers; by default those of the settings.
        clock: tells the time of deadlines; one of its own needs ``server.timers.call_due()``.
        make_errors, make_calls: make the log of handlers' errors and their calls to clients.
        worker_id, can_upgrade, signal_receiver: see ``Engine`` and ``SocketServer``.

    """
    limits, deadlines, instruments = conf.limits(), Timers(clock), _instruments()
    logins, throttle, guard = _gate(deadlines, executor or _checkers())
    executor = executor or _workers(limits.workers, instruments)
    return SocketServer(
        limits=limits,
        timers=deadlines,
        executor=executor,
        encoder=Encoder(encode_default),
        pipeline=_pipeline(logins, make_errors(deadlines), instruments.layers),
        calls=make_calls(executor, limits.max_waiting_calls),
        refusals=PermissionDenied,
        connect=_with_old_clients(instruments.connecting(_connecting(guard))),
        guard=guard,
        open_relay=_open_relay if relay is None else lambda lost: relay,
        open_engine=_engines(limits, deadlines, can_upgrade, worker_id, throttle, instruments),
        replay=retentions.replay(),
        make_channels=instruments.channels,
        services=(logins, *_services_of(executor, instruments)),
        signal_receiver=signal_receiver,
    )


def _gate(timers: Timers, executor: Executor) -> tuple[LoginRegistry, Throttle, Guard]:
    """Return what decides who may connect, for how long, and how fast."""
    logins = LoginRegistry(timers, conf.get("LOGIN_CHECK_INTERVAL"), executor)
    throttle = Throttle(conf.rates(), timers.clock)
    return logins, throttle, Guard(logins, throttle)


def _instruments() -> Instruments:
    """Return the parts of a server that count, or those that do not."""
    return MeasuringInstruments(PermissionDenied) if conf.get("METRICS") else Instruments()


def _apart_from(executor: Executor) -> Executor:
    """Return a pool for work of the server itself, beside that of the handlers."""
    return _checkers() if isinstance(executor, Workers) else executor


def _presence(executor: Executor) -> PresenceService:
    """Return what notes who is present; handlers that wait must not be in its way."""
    patterns = tuple(map(re.compile, conf.get("PRESENCE")))
    return PresenceService(
        patterns, conf.get("PRESENCE_GRACE"), _apart_from(executor), encode_default
    )


def http_timeouts() -> Timeouts:
    """Return the timeouts of HTTP clients."""
    return Timeouts(conf.get("REQUEST_TIMEOUT"), conf.get("SEND_TIMEOUT"))


def drain_seconds() -> float:
    """Return the seconds within which a worker that stops ends its sockets."""
    return float(conf.get("DRAIN_SECONDS"))


def _connecting(guard: Guard) -> Connect:
    def connect(server: SocketServer, session: Session, request: Any) -> Delegate:
        login, client_events = guard.begin(session, request), server.pipeline.client_events
        if client_events is None:
            client = Client(server, session, request, login)
        else:
            client = RelayingClient(server, session, request, login, client_events)
        return throttled(client, session, guard.meters(request))

    return connect


def _with_old_clients(connect: Connect) -> Connect:
    """Return what also connects clients of Socket.IO 1 and 2, where the settings admit them."""
    if not conf.get("ALLOW_EIO3"):
        return connect

    def connect_any(server: SocketServer, session: Session, request: Any) -> Delegate:
        return old_clients.delegate_of(connect(server, session, request), session)

    return connect_any


def _engines(
    limits: Limits,
    timers: Timers,
    can_upgrade: bool,
    worker_id: str,
    throttle: Throttle,
    instruments: Instruments,
) -> Callable[[engine.Connect], Engine]:
    """Return what opens the engine of a server."""
    dialects = instruments.dialects(conf.get("ALLOW_EIO3"))
    return lambda connect: Engine(
        limits, timers, can_upgrade, worker_id, throttle.welcome, connect, dialects
    )


def _around_checks(contexts: HandlerContexts) -> Callable[[Call], Call]:
    """Return what sets up the function of ``SOCKETIO_ALLOWED_CHANNELS`` as it does a handler."""
    return lambda call: locales.activating(contexts.around(call))


def _workers(size: int, instruments: Instruments) -> Workers:
    return instruments.workers(size, database.around_turn, database.give_back_of_worker)


def _checkers() -> Workers:
    """Return what checks logins: handlers that wait must not delay the check."""
    return Workers(1, database.around_turn, give_back=database.give_back_of_worker)


def _services_of(executor: Executor, instruments: Instruments) -> tuple[Service, ...]:
    """Return what works by itself: some services only where handlers run in greenlets."""
    services = _presence(executor), Numbers(instruments, _apart_from(executor))
    if not isinstance(executor, Workers):
        return services
    watchdog = Watchdog(conf.get("BLOCKED_AFTER"), all_handlers)
    return *services, watchdog, database.IdleConnections()


def _open_relay(lost: Lost) -> Relay:
    return relays.for_server(_scheduler(), lost)


def _scheduler() -> Callable[..., object]:
    """Return a function by which the relay's thread calls others in this event loop."""
    loop = gevent.get_hub().loop
    # Where gevent has patched threads, the relay's is a greenlet of this very loop.
    patched = monkey.is_module_patched("threading")
    return CallsInTurns(loop.run_callback if patched else loop.run_callback_threadsafe)


def _pipeline(
    logins: LoginRegistry, errors: RepeatedErrors, measuring: tuple[HandlerLayer, ...]
) -> Pipeline:
    """Return the pipeline of a server: around each step the layers that the settings ask for."""
    forking.install()
    contexts, signed = handler_contexts.from_settings(), signed_channels.from_settings()
    allowed = permissions.from_settings(_around_checks(contexts), signed.has_granted)
    layers = Layers(
        messages=(signed.layer, *message_log.layers()),
        events=(logins.settling, allowed.layer),
        handlers=(
            *tracing.layers(),
            *measuring,
            database.cleaning_up,
            locales.layer,
            contexts.layer,
            forking.leaving,
            view_answers.layer,
        ),
    )
    unhandled = Unhandled() if settings.DEBUG else log_for_debugging
    return Pipeline(errors, layers, unhandled, _client_events())


def _client_events() -> ClientEvents | None:
    """Return the relaying of client events; None where the settings admit none."""
    setting, are_logged = conf.get("CLIENT_EVENTS"), message_log.activity()
    return ClientEvents(rules(setting), are_logged) if setting else None
