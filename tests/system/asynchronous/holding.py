"""Event loops that run until they are told to end, while others are asked what they see."""

import asyncio
import os

_held = []


def say(text):
    os.write(1, f"{text}\n".encode())


async def hold():
    """Wait in the running loop until ``release`` is called."""
    released = asyncio.Event()
    _held.append((asyncio.get_running_loop(), released))
    say("holding")
    await released.wait()
    return "released"


def release():
    """Have all loops go on; return how many there were."""
    count = len(_held)
    while _held:
        loop, released = _held.pop()
        loop.call_soon_threadsafe(released.set)
    return count
