"""``group_send`` of a layer of ``channels_redis``."""

import asyncio
import os

import orjson
from django.utils.module_loading import import_string

from benchmarks.publishers import pace

url, seconds, rate = pace.arguments()


async def main():
    """Publish, in one event loop: ``async_to_sync`` for each message would take longer."""
    layer = import_string(os.environ["BENCH_LAYER"])(hosts=[url])

    async def publish(message):
        text = orjson.dumps(["message", message]).decode()
        await layer.group_send(pace.CHANNEL, {"type": "say", "text": text})

    await pace.run_async(publish, seconds, rate)


asyncio.run(main())
