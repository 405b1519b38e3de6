"""How cost grows: what is varied, and what is measured at each point."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load import SOCKETIO

CPU, RATE, P99 = "cpu_us", "rate", "p99_us"
BIG = 1_000_000


@dataclass(frozen=True)
class Series:
    """What is measured at a point.

    Args:
        title: its name in the plot.
        mode, options: the load generator's.
        value: the generator's name for it.
        scale: what it is multiplied by.

    """

    title: str
    mode: str
    options: dict
    value: str = CPU
    scale: float = 1.0


@dataclass(frozen=True)
class Curve:
    """A plot.

    Args:
        name: what selects it on the command line, and the plot's file name.
        title: what it shows.
        x, y: what the axes show.
        points: the values of x.
        at: returns the series to measure for an x.
        servers: whom to measure.
        environ: returns variables of the server for an x: each point has its own process then.

    """

    name: str
    title: str
    x: str
    y: str
    points: tuple
    at: Callable
    servers: tuple = ("ours",)
    environ: Callable | None = None


def subscribe(channel):
    """Return the request to be on a channel."""
    return SOCKETIO.subscription(channel)


ECHO = {"subscribe": subscribe("echo"), "connections": 100}


def patterns(x):
    """Echo, with so many patterns registered that do not match."""
    return [Series("echo", "echo", ECHO)]


def channels_of_a_socket(x):
    """Echo, on sockets with so many channels."""
    return [Series("echo", "echo", {**ECHO, "subscribe": subscribe("echo-%j"), "channels": x})]


def sockets(x):
    """Fan-out to so many, and echo beside so many."""
    fanout = {"subscribe": subscribe("room-1"), "connections": x, "in_flight": 2}
    series = [Series("fan-out, each delivery", "fanout", fanout)]
    if x <= MOST_BESIDE:
        beside = {**ECHO, "hold": x, "hold_subscribe": subscribe("room-1")}
        series.append(Series("echo of 100 others, each", "echo", beside))
    return series


MOST_BESIDE = 10_000


def channels_of_a_process(x):
    """Fan-out to 100 on one channel, with so many other channels in the process."""
    holders = min(x, 1000)
    return [
        Series(
            "fan-out to 100, each delivery",
            "fanout",
            {
                "subscribe": subscribe("room-1"),
                "connections": 100,
                "in_flight": 2,
                "message": '42["publish","room-1","%p"]',
                "hold": holders,
                "hold_subscribe": subscribe("other-%i-%j"),
                "hold_channels": x // holders,
            },
        )
    ]


def sizes(x):
    """Messages of so many bytes: both ways, in, out."""
    few = {**ECHO, "connections": 10, "size": x}
    take = {**few, "message": '420["take","%p"]', "answer": "430["}
    give = {**few, "message": f'42["give",{x - len("42[`message`,``]")},"%p"]', "size": 57}
    return [
        Series("echo: in and out", "echo", few),
        Series("in", "echo", take),
        Series("out", "echo", give),
    ]


def sizes_of_node(x):
    """Messages of so many bytes both ways."""
    return sizes(x)[:1]


def crowd(x):
    """What single sockets do, with so many others on the same channel."""
    held = {"hold": x, "hold_subscribe": subscribe("room-1")}
    turns = [subscribe("room-1"), '420["unsubscribe","room-1"]']
    changing = {**held, "connections": 10, "message": turns, "answer": "430["}
    return [
        Series("subscribe or unsubscribe", "echo", changing),
        Series("connect and leave", "connect", {**held, "connections": 32}),
    ]


def beside_big(x):
    """Echo of ten sockets, beside so many that echo 1 MB without pause."""
    options = {
        **ECHO,
        "connections": 10 + x,
        "big_count": x,
        "big": SOCKETIO.message,
        "big_size": BIG,
    }
    return [
        Series("median", "echo", options, "p50_us", 0.001),
        Series("99th percentile", "echo", options, "p99_us", 0.001),
    ]


EACH = "server CPU, µs each"
CURVES = (
    Curve(
        "patterns",
        "Registered patterns that do not match",
        "patterns",
        EACH,
        (1, 10, 100, 1000),
        patterns,
        environ=lambda x: {"BENCH_PATTERNS": str(x)},
    ),
    Curve(
        "channels-of-a-socket",
        "Channels of a socket",
        "channels",
        EACH,
        (1, 3, 10, 30, 100),
        channels_of_a_socket,
    ),
    Curve(
        "sockets",
        "Sockets in one process",
        "sockets",
        EACH,
        (10, 100, 1000, 5000, 10_000, 15_000),
        sockets,
    ),
    Curve(
        "channels-of-a-process",
        "Channels in one process",
        "channels",
        EACH,
        (1, 100, 1000, 10_000, 100_000),
        channels_of_a_process,
    ),
    Curve(
        "crowd",
        "Sockets that come, go and change channels beside others",
        "other sockets on the channel",
        EACH,
        (1, 100, 1000, 10_000),
        crowd,
    ),
    Curve(
        "size",
        "Size of a message",
        "bytes",
        EACH,
        (16, 100, 1000, 10_000, 100_000, BIG),
        sizes,
        servers=("ours", "node"),
    ),
    Curve(
        "big",
        "Round trip of ten sockets beside others that echo 1 MB",
        "sockets that echo 1 MB",
        "ms",
        (0, 1, 2, 4),
        beside_big,
        servers=("ours", "node", "ceiling"),
    ),
)
