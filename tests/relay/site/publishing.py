"""What each kind of publisher does: publish, and note what it was told."""

import json
import os
import time

from django_socketio import NoSocket, RelayError, broadcast_channel


def publish(channel, content):
    """Publish a message; return what was told, when, and after how many seconds."""
    begun = time.monotonic()
    try:
        told = broadcast_channel(content, channel)
    except (NoSocket, RelayError) as error:
        told = f"{type(error).__name__}: {error}"
    now = time.monotonic()
    return {"content": content, "told": told, "at": now, "seconds": now - begun}


def publish_and_say(channel, content):
    """Publish a message, and print what was told: one line, in one piece."""
    os.write(1, f"told: {json.dumps(publish(channel, content))}\n".encode())


def was_accepted(one):
    """Whether a publisher was told that a message was received."""
    return isinstance(one["told"], int)
