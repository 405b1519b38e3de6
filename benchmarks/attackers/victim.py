"""A victim: sends a message, waits for its echo, and notes how long that took.

``python -m benchmarks.attackers.victim PORT SECONDS`` prints the times as JSON.
"""

import itertools
import json
import sys
import time

from benchmarks.attackers.wire import TIMEOUT, receive_until, text, websocket

PAUSE = 0.005
"""Seconds between a round trip and the next."""


def main(port, seconds):
    """Measure for some seconds."""
    times = []
    try:
        connection = websocket(port)
        connection.sendall(text('420["subscribe","echo"]'))
        receive_until(connection, b"430[")
        times.extend(round_trips(connection, seconds))
    except TimeoutError:
        times.append(TIMEOUT)  # or more
    print(json.dumps(summary(times)))


def round_trips(connection, seconds):
    """Yield how many seconds each round trip takes."""
    end = time.monotonic() + seconds
    for number in itertools.count():
        begin = time.monotonic()
        if begin >= end:
            return
        connection.sendall(text(f'42["message","{number:08}"]'))
        receive_until(connection, f"{number:08}".encode())
        yield time.monotonic() - begin
        time.sleep(PAUSE)


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
