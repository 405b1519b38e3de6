"""A victim: sends a message, waits for its echo, and notes how long that took.

``python -m benchmarks.attackers.victim PORT SECONDS`` prints the times as JSON.
"""

import json
import sys
import time

from benchmarks.attackers.wire import receive_until, text, websocket

PAUSE = 0.005
"""Seconds between a round trip and the next."""


def main(port, seconds):
    """Measure for some seconds."""
    connection = websocket(port)
    connection.sendall(text('420["subscribe","echo"]'))
    receive_until(connection, b"430[")
    print(json.dumps(summary(round_trips(connection, seconds))))


def round_trips(connection, seconds):
    """Return how many seconds each round trip took."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        connection.sendall(text(f'42["message","{len(times):08}"]'))
        receive_until(connection, f"{len(times):08}".encode())
        times.append(time.monotonic() - begin)
        time.sleep(PAUSE)
    return times


def summary(times):
    """Return how many round trips there were, and their milliseconds."""
    times = sorted(times)
    share = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    last = len(times) - 1
    return {"count": len(times)} | {
        name: round(times[int(last * part)] * 1000, 2) for name, part in share.items()
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
