"""``emit`` in other ways than one by one: COMMAND URL SECONDS WAY.

The ways: "key" (one by one with idempotency keys), "greenlets" (100 of them at the same time), or
the number of messages in each ``emit_batch``.
"""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402

from benchmarks.publishers import pace  # noqa: E402

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.project.settings"
url, seconds, way = sys.argv[1:]
os.environ["BENCH_REDIS"] = url

import django  # noqa: E402

django.setup()

from django_socketio import emit, emit_batch  # noqa: E402

GREENLETS = 100


def by_key(number):
    """Publish a message with a key of its own."""
    key = f"order-{os.getpid()}-{number}"
    emit("message", pace.message(), channel=pace.CHANNEL, idempotency_key=key)
    return 1


def by_greenlets(number):
    """Have each greenlet publish ten messages."""
    gevent.joinall([gevent.spawn(ten) for _ in range(GREENLETS)], raise_error=True)
    return 10 * GREENLETS


def ten():
    """Publish ten messages, one by one."""
    for _ in range(10):
        emit("message", pace.message(), channel=pace.CHANNEL)


def by_batch(number):
    """Publish a batch."""
    with emit_batch() as batch:
        for _ in range(int(way)):
            batch.emit("message", pace.message(), channel=pace.CHANNEL)
    return int(way)


publish = {"key": by_key, "greenlets": by_greenlets}.get(way, by_batch)
publish(0)
count, begun, worked = 0, time.monotonic(), time.process_time()
while time.monotonic() - begun < float(seconds):
    count += publish(count + 1)
pace.tell(count, begun, worked)
