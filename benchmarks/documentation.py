"""Writes ``docs/benchmarks.rst`` and its plots."""

import platform
import subprocess
from pathlib import Path

from benchmarks import report
from benchmarks.plots import draw_all
from benchmarks.servers import SERVERS

INTRODUCTION = """\
==========
Benchmarks
==========

django-socketio beside Socket.IO on Node, python-socketio, Django Channels and uWebSockets. Nothing
here is written by hand but the sentences: ``make bench`` installs the others, measures everything
in one go and writes this page; ``make bench-quick`` prints the first table in about two minutes.

Measured on {processor}, {cores} cores, Linux {kernel}, Python {python}, Node {node},
Redis {redis}. Compare numbers of one run only: ratios travel from machine to machine, rates do not.

How it is measured
==================

One process of each server on one core; the load generator, in C, on another. Messages have 57 bytes
(the whole Socket.IO packet). Each number is the median of {rounds} rounds; in each round every
server is started, measured and ended, then the next, so that what else happens on the machine hits
all alike. Connections are WebSockets from the start; deliveries are counted where they arrive.

"""

MAIN = """\
Against Socket.IO on Node
=========================

In brackets: the smallest and the largest of the rounds. Node's connections pass no middleware and
have no session in the first of the lines about connections; in the second they pass express-session
and Passport, ours Django's middleware with sessions and authentication in both. Node's memory is
measured with the HTTP requests let go of, as its documentation advises; ours keeps Django's request
for the handlers.

"""

COMPILED = """\
With the message path compiled (``docs/performance.rst``):

"""

OTHERS = """\
Against the others
==================

The ratio of django-socketio's median to that of the best server of each. For rates, above 1 is
ahead; for memory and latency, below 1. A connection is not the same work everywhere: ours passes
Django's middleware, then Socket.IO's CONNECT; Channels' its own middleware for sessions and
authentication, for none of Django's can run there, and then nothing; python-socketio's no
middleware.

"""

ALL = """\
All servers
===========

In brackets: the ratio to Socket.IO on Node. A dash: not measured, or the server could not do it
(it is not asked for a pace that is above its own peak). {generator} shows the load generator
with a server that does next to nothing: where a server comes near it, the generator or the kernel
is what is measured. With several messages in flight, a busy server answers more of them at once
than one that answers immediately; that is less work for both, and may bring it past that row.

"""

CPU = "Server CPU for each answer, delivery or connection, in microseconds:\n\n"

CURVES = """\
How cost grows
==============

Each point is one measurement of django-socketio, unless the legend names another server. CPU time
is that of the server process, for each answer, delivery or connection.

"""

RELAY = """\
Through Redis
=============

1,000 subscribers, two messages in flight; Redis {redis} on a Unix socket, on the core of the load
generator. Two processes share one core, with half of the subscribers each: what they deliver a
second is for the same CPU as one alone. Published: how many messages a second a script publishes as
fast as it can; Node's does not wait for Redis to take each message, the others do. Latency: from a
script that publishes 100 a second to ten sockets.

"""

PUBLISHING = """\
Publishing
==========

Scripts publish to one channel with one subscriber, as fast as they can, on the same core as Redis.
django-socketio waits for Redis's answer to each message or batch; Node's emitter waits for every
hundredth message, and python-socketio for each. Processor time is that of a message: in the script,
by the script's own measure, and in Redis, by ``INFO cpu``.

"""

ATTACKERS = """\
Beside attackers
================

A victim sends a message every 5 milliseconds and waits for its echo, while one other client sends
what costs the server most, as fast as it can: the same 64 KB again and again, or one POST after the
other. The server has one core; victim and attacker share the other. What the handlers of the
attacker's events compute themselves (1 ms in the third row) is part of what the victim waits for.

"""

SETUP = """\
How each is set up
==================

Versions are pinned in ``benchmarks/requirements.txt`` and ``benchmarks/package-lock.json``; the
servers are in ``benchmarks/peers/``.

"""


def version(*command):
    """Return the version that a program prints."""
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [word.removeprefix("v").removeprefix("=") for word in text.split()]
    return next(word for word in found if word[0].isdigit())


def machine():
    """Return what the results depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line for line in lines if line.startswith("model name")), "unknown: unknown")
    return {
        "processor": model.partition(":")[2].strip(),
        "cores": sum(line.startswith("processor") for line in lines),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "node": version("node", "--version"),
        "redis": version("redis-server", "--version"),
    }


def write(results, folder):
    """Write the page and the plots."""
    facts = {**results["machine"], "rounds": rounds(results), "generator": "The last row"}
    parts = [INTRODUCTION.format(**facts)]
    if "table" in results:
        parts += main_part(results["table"], facts)
    if "curves" in results:
        parts += curves_part(results["curves"], folder)
    if "relay" in results:
        parts += relay_part(results["relay"], facts)
    if "publishing" in results:
        parts += [PUBLISHING, table(report.rows_of_publishing(results["publishing"]))]
    if "attackers" in results:
        parts += [ATTACKERS, table(report.rows_of_attackers(results["attackers"]))]
    parts.append(SETUP)
    parts += [f"{server.title}\n    {server.notes}\n" for server in measured(results)]
    folder.joinpath("benchmarks.rst").write_text("".join(parts))


def measured(results):
    """Return the servers that the results are of."""
    names = set(results.get("table", SERVERS))
    return [server for name, server in SERVERS.items() if name in names]


def rounds(results):
    """Return how often the main table was measured."""
    runs = results.get("table", {}).get("ours", {}).values()
    return max((len(found) for found in runs), default=1)


def table(rows):
    """Return a table and an empty line."""
    return report.grid(list(rows)) + "\n\n"


def main_part(results, facts):
    """Return the sections of the main table."""
    rates = [line for line in report.OF_ALL if line.unit.endswith("/s")]
    others = [line for line in report.OF_ALL if line not in rates]
    return [
        *(MAIN, table(report.rows_against_node(results))),
        *(COMPILED, table(report.rows_against_node(results, "compiled"))),
        *(OTHERS, table(report.rows_against_others(results))),
        *(ALL.format(**facts), table(report.rows_of_all(results, rates))),
        table(report.rows_of_all(results, others)),
        *(CPU, table(report.rows_of_cpu(results))),
    ]


def curves_part(results, folder):
    """Draw the plots; return their section."""
    parts = [CURVES]
    for name, title, x, _ in draw_all(results, folder / "benchmarks"):
        parts.append(f".. image:: benchmarks/{name}.svg\n   :alt: {title}\n\n")
        parts.append(table(report.rows_of_curve(results[name], x)))
    return parts


def relay_part(results, facts):
    """Return the section of what goes through Redis."""
    parts = [RELAY.format(**facts), table(report.rows_of_relay(results))]
    ratio = report.best_of_peers(results)
    if ratio is not None:
        parts.append(
            f"django-socketio through Redis delivers {ratio:.2f} times what the best of the others "
            "does (one process).\n\n"
        )
    return parts
