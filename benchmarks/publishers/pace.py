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
    begun, worked = time.monotonic(), time.process_time()
    count = 0
    while (passed := time.monotonic() - begun) < seconds:
        yield max(0.0, count / rate - passed) if rate else 0.0
        count += 1
    tell(count, begun, worked)


def tell(count, begun, worked):
    """Print how many messages were published a second, how many in all, and microseconds for each.

    Args:
        begun: ``time.monotonic()`` at the beginning.
        worked: ``time.process_time()`` at the beginning.

    """
    passed, worked = time.monotonic() - begun, time.process_time() - worked
    print(json.dumps({"rate": count / passed, "count": count, "cpu_us": worked / count * 1e6}))


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
