"""How often to publish, and what is said of it."""

import asyncio
import json
import sys
import time

CHANNEL = "room-1"
PADDING = "x" * 21


def message():
    """Return a message of the usual size with its time stamp."""
    return f"T{time.monotonic_ns():019d}{PADDING}"


def arguments():
    """Return the URL of Redis, the seconds and the rate."""
    url, seconds, rate = sys.argv[1:]
    return url, float(seconds), float(rate)


def times(seconds, rate):
    """Yield the seconds to wait before each message."""
    begun = time.monotonic()
    count = 0
    while (passed := time.monotonic() - begun) < seconds:
        yield max(0.0, count / rate - passed) if rate else 0.0
        count += 1
    print(json.dumps({"rate": count / (time.monotonic() - begun)}))


def run(publish, seconds, rate):
    """Call a function with message after message."""
    for pause in times(seconds, rate):
        if pause:
            time.sleep(pause)
        publish(message())


async def run_async(publish, seconds, rate):
    """Await a coroutine function with message after message."""
    for pause in times(seconds, rate):
        if pause:
            await asyncio.sleep(pause)
        await publish(message())
