"""The numbers of one process: what there is now, and what was counted since it started."""

import os
import resource
import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, cast

from django_socketio.concurrency.tallies import RECOVERIES, REFUSALS
from django_socketio.concurrency.workers import Workers
from django_socketio.monitoring.measures import Measures, Times
from django_socketio.publishing.deferring import failures
from django_socketio.relay.topics import TopicKind
from django_socketio.sockets.server import SocketServer
from django_socketio.transports.measured import SENT
from django_socketio.transports.websocket import WebSocketTransport

LARGEST = 100
"""Channels whose sizes a process tells."""

SLOW = 0.25
"""The share of ``SOCKETIO_MAX_UNSENT_BYTES`` from which a client counts as slow."""


class Start:
    """The time at which this process started: it was forked, or imported this module.

    An arbiter of gunicorn that preloads the site imports the module for all of its workers.

    Attributes:
        at: a Unix time.

    """

    at = time.time()

    @classmethod
    def note(cls) -> None:
        """Note that the process starts now."""
        cls.at = time.time()


os.register_at_fork(after_in_child=Start.note)


class RelayNumbers(TypedDict):
    """The relay, as a process sees it."""

    alive: bool | None
    deaf_since: float | None
    reconnects: int
    lag: float | None
    failed_after_commit: int


class MeasuredNumbers(TypedDict):
    """What is counted while ``SOCKETIO_METRICS`` is True, since the process started."""

    connections: int
    messages_received: int
    bytes_received: int
    messages_sent: int
    bytes_sent: int
    published: int
    delivered: int
    receipts: int
    closes: dict[str, int]
    handlers: dict[str, Times]
    errors: dict[str, int]
    waits: Times


class ProcessStats(TypedDict):
    """The numbers of a process; ``docs/monitoring.rst`` tells what each of them means."""

    process: str
    host: str
    pid: int
    started: float
    memory: int | None
    descriptors: int | None
    descriptors_limit: int
    connections: dict[str, int]
    sockets: dict[str, int]
    away: int
    channels: int
    largest: list[tuple[str, str, int]]
    unsent_bytes: int
    slow_clients: int
    handlers_busy: int
    handlers_waiting: int
    refusals: dict[str, int]
    recoveries: dict[str, int]
    relay: RelayNumbers
    measured: MeasuredNumbers | None


def process_stats(server: SocketServer | None, measures: Measures | None) -> ProcessStats:
    """Return the numbers of this process.

    Args:
        server: its server; None if it has none.
        measures: what the server counts; None if it does not.

    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    found: Any = {
        "process": process_name(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": Start.at,
        "memory": _memory(),
        "descriptors": _descriptors(),
        "descriptors_limit": limit,
        **_counted(server),
        "refusals": REFUSALS.counts(),
        "recoveries": RECOVERIES.counts(),
        "relay": _relay(server),
        "measured": None if server is None or measures is None else _measured(server, measures),
    }
    return cast(ProcessStats, found)


def process_name() -> str:
    """Return the name of this process in all numbers: its host and its id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _memory() -> int | None:
    """Return the memory of the process (its resident set) in bytes; None where it is not told."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return None


def _descriptors() -> int | None:
    """Return the number of open descriptors; None where it is not told."""
    with suppress(OSError):
        return len(os.listdir("/proc/self/fd"))
    return None


def _counted(server: SocketServer | None) -> dict[str, Any]:
    """Return the numbers of what a server has now."""
    if server is None:
        return {
            **{"connections": {}, "sockets": {}, "away": 0, "channels": 0, "largest": []},
            **{"unsent_bytes": 0, "slow_clients": 0, "handlers_busy": 0, "handlers_waiting": 0},
        }
    return {**_connections(server), **_sockets(server), **_channels(server), **_handlers(server)}


def _connections(server: SocketServer) -> dict[str, Any]:
    transports = [session.transport for session in list(server.engine.sessions.values())]
    kinds = Counter(one.name for one in transports)
    for other in list(server.engine.accepted):
        if not other.is_closed:
            is_websocket = isinstance(other, WebSocketTransport)
            kinds["raw_websocket" if is_websocket else "event_stream"] += 1
    unsent = [one.unsent for one in transports]
    slow = server.limits.max_unsent_bytes * SLOW
    return {
        "connections": dict(kinds),
        "unsent_bytes": sum(unsent),
        "slow_clients": sum(size > slow for size in unsent),
    }


def _sockets(server: SocketServer) -> dict[str, Any]:
    lifecycles = server.lifecycles()
    away = sum(getattr(one.socket, "is_away", False) for one in lifecycles)
    return {"sockets": dict(Counter(one.namespace for one in lifecycles)), "away": away}


def _channels(server: SocketServer) -> dict[str, Any]:
    sizes = server.channels.sizes()
    found = [(topic, size) for topic, size in sizes if topic.kind is TopicKind.CHANNEL]
    return {"channels": len(found), "largest": largest([(*t[1:], size) for t, size in found])}


def largest(channels: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Return the channels with the most subscribers: their namespace, their name and their size."""
    return sorted(channels, key=lambda one: (-one[2], one))[:LARGEST]


def _handlers(server: SocketServer) -> dict[str, int]:
    pool = server.executor
    if not isinstance(pool, Workers):
        return {"handlers_busy": 0, "handlers_waiting": 0}
    return {"handlers_busy": pool.busy, "handlers_waiting": pool.waiting}


def _relay(server: SocketServer | None) -> RelayNumbers:
    failed = failures()
    if server is None:
        none = {"alive": None, "deaf_since": None, "reconnects": 0}
        return {**none, "lag": None, "failed_after_commit": failed}  # type: ignore[typeddict-item]
    lag = server.relay.lag
    return {**server.relay.status(), "lag": lag, "failed_after_commit": failed}


def _measured(server: SocketServer, measures: Measures) -> MeasuredNumbers:
    channels: Any = server.channels
    return {
        "connections": measures.connections,
        "messages_received": measures.received,
        "bytes_received": measures.received_bytes,
        "messages_sent": SENT.messages,
        "bytes_sent": SENT.bytes,
        "published": channels.published,
        "delivered": channels.delivered,
        "receipts": channels.receipts,
        "closes": dict(measures.closes),
        "handlers": {name: times.times() for name, times in [*measures.handlers.items()]},
        "errors": dict(measures.errors),
        "waits": measures.waits.times(),
    }
