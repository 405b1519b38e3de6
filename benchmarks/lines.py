"""The lines of the main table: what is measured, and what was aimed at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        name: what selects it on the command line.
        title: what is measured.
        unit: of the value.
        run: the run of the load generator that measures it (see ``RUNS``).
        value: the generator's name for it.
        least, dream: the ratios to Socket.IO on Node that were aimed at.
        less: whether less is better.
        peer: the server that ours is compared with.
        scale: what the generator's value is multiplied by.

    """

    name: str
    title: str
    unit: str
    run: str
    value: str
    least: float
    dream: float
    less: bool = False
    scale: float = 1.0
    peer: str = "node"


FANOUT = "``send_and_broadcast_channel``"

LINES = (
    Line("echo", "echo, 100 sockets, one in flight", "round trips/s", "echo", "rate", 1.1, 1.4),
    Line("echo-8", "echo, 100 sockets, 8 in flight", "round trips/s", "echo-8", "rate", 1.7, 2.3),
    Line(
        "fan-out", "to 1,000 subscribers, 2 in flight", "deliveries/s", "fan-out", "rate", 3.0, 4.0
    ),
    Line("fan-out-1", "the same, one in flight", "deliveries/s", "fan-out-1", "rate", 1.8, 2.5),
    Line("fan-out-5000", "to 5,000, 2 in flight", "deliveries/s", "fan-out-5000", "rate", 3.0, 4.0),
    Line(
        "memory",
        "memory of an idle socket on one channel",
        "KB",
        "fan-out-5000",
        "memory_kb_each",
        1.0,
        0.5,
        less=True,
    ),
    Line("connect", "new connections, 32 at once", "connections/s", "connect", "rate", 1.0, 2.0),
    Line(
        "connect-session",
        "the same, beside Node with sessions as well",
        "connections/s",
        "connect",
        "rate",
        1.0,
        2.0,
        peer="node-session",
    ),
    Line(
        "paced",
        "p99 latency of a broadcast to 1,000, at half of Node's peak rate",
        "ms",
        "paced",
        "p99_us",
        1.0,
        0.5,
        less=True,
        scale=0.001,
    ),
    Line(
        "paced-own",
        "the same, each server at half of its own peak rate",
        "ms",
        "paced-own",
        "p99_us",
        1.0,
        0.5,
        less=True,
        scale=0.001,
    ),
)

RUNS = {
    # The first of a server's life: what later runs leave behind would hide what a socket takes.
    "fan-out-5000": ("fanout", {"channel": "room-1", "connections": 5000, "in_flight": 2}),
    "fan-out": ("fanout", {"channel": "room-1", "connections": 1000, "in_flight": 2}),
    "fan-out-1": ("fanout", {"channel": "room-1", "connections": 1000, "in_flight": 1}),
    "paced": ("fanout", {"channel": "room-1", "connections": 1000}),
    "paced-own": ("fanout", {"channel": "room-1", "connections": 1000}),
    "echo": ("echo", {"channel": "echo", "connections": 100, "in_flight": 1}),
    "echo-8": ("echo", {"channel": "echo", "connections": 100, "in_flight": 8}),
    # Node compiles its code for some seconds: by then it is as fast as it gets.
    "connect": ("connect", {"connections": 32, "warm": 3}),
}
"""The load generator's mode and options for each run, in the order in which they are made."""

NEEDS = {"paced": "fan-out", "paced-own": "fan-out"}
"""Runs whose rate comes from another one."""


def runs_for(lines):
    """Return the names of the runs that some lines need, in order."""
    wanted = {line.run for line in lines}
    wanted |= {NEEDS[run] for run in wanted if run in NEEDS}
    return [run for run in RUNS if run in wanted]
