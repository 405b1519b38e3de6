"""The rows of the tables of ``socketio_top``: what processes, channels and handlers do a second."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django_socketio.logs import printable
from django_socketio.monitoring.answering import SocketInfo
from django_socketio.monitoring.measures import BOUNDS
from django_socketio.monitoring.process import MeasuredNumbers, ProcessStats

Row = dict[str, Any]


class Sample(NamedTuple):
    """The numbers of all processes at one time.

    Attributes:
        at: the time of a monotonic clock.
        processes: the numbers by the name of the process.
        silent: how many processes have not answered.

    """

    at: float
    processes: dict[str, ProcessStats]
    silent: int = 0


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its head.
        key: names the value in rows.
        show: returns a value, which is not None, as text.
        is_text: whether it is sorted and aligned as text.

    """

    title: str
    key: str
    show: Callable[[Any], str] = str
    is_text: bool = False


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _size(value: float) -> str:
    for unit in ("", "k", "M"):
        if value < 1000:
            return f"{_number(value)}{unit}"
        value /= 1000
    return f"{_number(value)}G"


def _milliseconds(value: float) -> str:
    return f"{value * 1000:,.1f}"


def _duration(seconds: float) -> str:
    hours, minutes = int(seconds) // 3600, int(seconds) // 60 % 60
    if hours >= 48:
        return f"{hours // 24}d"
    return f"{hours}h{minutes:02}" if hours else f"{minutes}m{int(seconds) % 60:02}"


PROCESSES = [
    Column("PROCESS", "process", is_text=True),
    Column("UP", "up", _duration),
    Column("CONN", "connections", _number),
    Column("SOCKETS", "sockets", _number),
    Column("CHANNELS", "channels", _number),
    Column("IN/S", "received", _number),
    Column("OUT/S", "sent", _number),
    Column("B IN/S", "bytes_received", _size),
    Column("B OUT/S", "bytes_sent", _size),
    Column("UNSENT", "unsent", _size),
    Column("SLOW", "slow", _number),
    Column("BUSY", "busy", _number),
    Column("WAIT", "waiting", _number),
    Column("HANDLER MS", "handler", _milliseconds),
    Column("LAG MS", "lag", _milliseconds),
    Column("MEM", "memory", _size),
]

CHANNELS = [
    Column("CHANNEL", "channel", is_text=True),
    Column("NAMESPACE", "namespace", is_text=True),
    Column("SUBSCRIBERS", "subscribers", _number),
    Column("PROCESSES", "processes", _number),
]

HANDLERS = [
    Column("HANDLER", "handler", is_text=True),
    Column("CALLS/S", "calls", _number),
    Column("MEAN MS", "mean", _milliseconds),
    Column("99% < MS", "most", _milliseconds),
    Column("ERRORS", "errors", _number),
    Column("CALLS", "total", _number),
]

SOCKETS = [
    Column("SOCKET", "id", is_text=True),
    Column("USER", "user", is_text=True),
    Column("TRANSPORT", "transport", is_text=True),
    Column("PROCESS", "process", is_text=True),
    Column("CHANNELS", "channels", is_text=True),
]


def of_processes(before: Sample | None, now: Sample, time: float) -> list[Row]:
    """Return a row for each process; ``time`` is the Unix time."""
    return [_of_process(before, one, now, time) for one in now.processes.values()]


def _of_process(before: Sample | None, one: ProcessStats, now: Sample, time: float) -> Row:
    return {
        "process": printable(one["process"]),
        "up": max(0.0, time - one["started"]),
        "connections": sum(one["connections"].values()),
        "sockets": sum(one["sockets"].values()),
        "channels": one["channels"],
        "unsent": one["unsent_bytes"],
        "slow": one["slow_clients"],
        "busy": one["handlers_busy"],
        "waiting": one["handlers_waiting"],
        "lag": one["relay"]["lag"],
        "memory": one["memory"],
        **_rates(_earlier(before, one), one["measured"], _seconds(before, now)),
    }


def _earlier(before: Sample | None, one: ProcessStats) -> MeasuredNumbers | None:
    """Return what a process had counted before; None where that is not known.

    A process that begins anew may get the name of an earlier one, in a container for example.
    """
    earlier = None if before is None else before.processes.get(one["process"])
    if earlier is None or earlier["started"] != one["started"]:
        return None
    return earlier["measured"]


def _seconds(before: Sample | None, now: Sample) -> float:
    return 0.0 if before is None else now.at - before.at


def _rates(first: MeasuredNumbers | None, last: MeasuredNumbers | None, seconds: float) -> Row:
    """Return what a process did a second; None where that is not known."""
    if first is None or last is None or seconds <= 0:
        return dict.fromkeys(["received", "sent", "bytes_received", "bytes_sent", "handler"])
    calls, spent = (
        sum(times[key] for times in last["handlers"].values())
        - sum(times[key] for times in first["handlers"].values())
        for key in ("count", "seconds")
    )
    return {
        "received": (last["messages_received"] - first["messages_received"]) / seconds,
        "sent": (last["messages_sent"] - first["messages_sent"]) / seconds,
        "bytes_received": (last["bytes_received"] - first["bytes_received"]) / seconds,
        "bytes_sent": (last["bytes_sent"] - first["bytes_sent"]) / seconds,
        "handler": spent / calls if calls > 0 else None,
    }


def of_channels(now: Sample) -> list[Row]:
    """Return a row for each of the largest channels, over all processes."""
    sizes, processes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for one in now.processes.values():
        for namespace, name, size in one["largest"]:
            sizes[namespace, name] += size
            processes[namespace, name] += 1
    return [
        {
            "channel": printable(name),
            "namespace": printable(namespace),
            "subscribers": size,
            "processes": processes[namespace, name],
            "address": (namespace, name),
        }
        for (namespace, name), size in sizes.items()
    ]


def of_handlers(before: Sample | None, now: Sample) -> list[Row]:
    """Return a row for each handler, over all processes."""
    seconds = _seconds(before, now)
    return [_of_handler(name, one, seconds) for name, one in _handlers(before, now).items()]


class _Totals:
    """The calls of a handler in all processes.

    Attributes:
        new: those since the sample before, of the processes in both; None if there is none.

    """

    def __init__(self) -> None:
        self.count = self.errors = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.new: int | None = None

    def add(self, name: str, last: MeasuredNumbers, first: MeasuredNumbers | None) -> None:
        """Add the calls in a process: those that are known now, and before."""
        times = last["handlers"][name]
        self.count += times["count"]
        self.seconds += times["seconds"]
        self.errors += last["errors"].get(name, 0)
        self.buckets = [a + b for a, b in zip(self.buckets, times["buckets"], strict=True)]
        if first is not None:
            known = first["handlers"].get(name)
            self.new = (self.new or 0) + times["count"] - (0 if known is None else known["count"])


def _handlers(before: Sample | None, now: Sample) -> dict[str, _Totals]:
    found: dict[str, _Totals] = {}
    for one in now.processes.values():
        if (measured := one["measured"]) is not None:
            for name in measured["handlers"]:
                found.setdefault(name, _Totals()).add(name, measured, _earlier(before, one))
    return found


def _of_handler(name: str, one: _Totals, seconds: float) -> Row:
    return {
        "handler": printable(name),
        "calls": None if one.new is None or seconds <= 0 else one.new / seconds,
        "mean": one.seconds / one.count if one.count else None,
        "most": _most(one),
        "errors": one.errors,
        "total": one.count,
    }


def _most(totals: _Totals) -> float | None:
    """Return the bound below which 99 of 100 durations are; None if there is none."""
    seen = 0
    for bound, number in zip(BOUNDS, totals.buckets, strict=False):
        seen += number
        if totals.count and seen >= 0.99 * totals.count:
            return bound
    return None


def of_sockets(sockets: Iterable[SocketInfo]) -> list[Row]:
    """Return a row for each socket of a channel."""
    return [
        {
            "id": printable(one["id"]),
            "user": printable(one["user"] or "-"),
            "transport": printable(one["transport"]),
            "process": printable(one["process"]),
            "channels": printable(" ".join(one["channels"])),
        }
        for one in sockets
    ]
