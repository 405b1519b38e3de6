"""The numbers as Prometheus names them: what each of them tells."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django_socketio.monitoring.process import ProcessStats

PREFIX = "django_socketio_"


class Family(NamedTuple):
    """Numbers with one name.

    Attributes:
        name: without the suffix of its kind.
        help: what it tells, in a sentence.
        value: returns the number of a process, those of each label, or None if it has none.
        labels: the name of the label, if there is one.

    """

    name: str
    help: str
    value: Callable[[ProcessStats], Any]
    labels: tuple[str, ...] = ()


def _now(key: str, help: str, *labels: str, name: str = "") -> Family:
    return Family(PREFIX + (name or key), help, lambda one: one[key], labels)  # type: ignore[literal-required]


def _relay(key: str, help: str, name: str) -> Family:
    return Family(PREFIX + name, help, lambda one: one["relay"][key])  # type: ignore[literal-required]


def _measured(key: str, help: str, *labels: str, name: str = "") -> Family:
    def value(one: ProcessStats) -> Any:
        measured = one["measured"]
        return None if measured is None else measured[key]  # type: ignore[literal-required]

    return Family(PREFIX + (name or key), help, value, labels)


GAUGES = [
    _now("connections", "Open connections, by transport.", "transport"),
    _now("sockets", "Sockets, by namespace.", "namespace"),
    _now(
        "away",
        "Sockets whose connection broke and whose client may come back.",
        name="sockets_away",
    ),
    _now("channels", "Channels with sockets or event streams of this process."),
    _now("unsent_bytes", "Bytes that wait for clients."),
    _now("slow_clients", "Clients for which a quarter of the allowed bytes wait."),
    _now("handlers_busy", "Handlers that run."),
    _now("handlers_waiting", "Sockets with something to do that wait for a free greenlet."),
    _now("memory", "Resident memory of the process.", name="memory_bytes"),
    _now("descriptors", "Open descriptors.", name="open_descriptors"),
    _now("descriptors_limit", "Descriptors that the process may open.", name="max_descriptors"),
    _now("started", "When the process started, as a Unix time.", name="start_time_seconds"),
    Family(
        PREFIX + "relay_up",
        "Whether messages arrive from the relay.",
        lambda one: None if one["relay"]["alive"] is None else float(one["relay"]["alive"]),
    ),
    _relay(
        "lag",
        "Time of the last message to this process itself through the relay.",
        "relay_lag_seconds",
    ),
]

COUNTERS = [
    _now("refusals", "Refused requests, sockets, subscriptions and events.", "reason"),
    _now("recoveries", "Clients and topics that came back, by what was found.", "outcome"),
    _relay("reconnects", "Connections to the relay that were made again.", "relay_reconnects"),
    _relay(
        "failed_after_commit",
        "Messages that the relay did not take after a commit.",
        "failed_after_commit",
    ),
    _measured("connections", "Sessions that have begun.", name="connections_opened"),
    _measured("closes", "Sessions that have ended, by reason.", "reason"),
    _measured("messages_received", "Messages of clients."),
    _measured("bytes_received", "Bytes of clients' messages."),
    _measured("messages_sent", "Messages to clients."),
    _measured("bytes_sent", "Bytes to clients."),
    _measured("published", "Messages that this process has published."),
    _measured("delivered", "Published messages that came to this process."),
    _measured("receipts", "Sockets and event streams to which delivered messages were sent."),
    _measured("errors", "Exceptions of handlers.", "handler", name="handler_errors"),
]

HISTOGRAMS = [
    _measured("handlers", "Durations of handlers.", "handler", name="handler_seconds"),
    _measured(
        "waits",
        "Time that sockets with something to do waited for a greenlet.",
        name="queue_wait_seconds",
    ),
]
