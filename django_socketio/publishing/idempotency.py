"""Idempotency keys: a task that runs again sends its messages once."""

from collections.abc import Iterable
from typing import Any

from django.utils.crypto import salted_hmac

from django_socketio.protocol import json
from django_socketio.relay.topics import Topic, key_of_topic

LONGEST = 255
"""Characters of an idempotency key."""


def digest(key: Any, event: str, topics: Iterable[Topic], function: str) -> str:
    """Return the name of an idempotency key in the relay; "" without a key.

    The name is a keyed hash: a key may hold the number of an order or worse. A key counts for an
    event and its audiences, in whichever order they are given. Errors tell the name of the function
    that got the key.

    Raises:
        TypeError, ValueError: the key is no text of 1 to 255 characters.

    """
    if key is None:
        return ""
    if not isinstance(key, str):
        raise TypeError(f"{function}(idempotency_key=…) takes a string, not {type(key).__name__}")
    if not 0 < len(key) <= LONGEST:
        raise ValueError(
            f"{function}(idempotency_key=…) takes a string of 1 to {LONGEST} characters, not "
            f"{len(key)}"
        )
    text = json.dumps([key, event, *sorted(map(key_of_topic, topics))])
    return salted_hmac("django_socketio.idempotency", text, algorithm="sha256").hexdigest()[:32]
