"""The form of an event in event streams, rendered once for all streams of the process."""

import base64
import re
from collections.abc import Iterable
from typing import Any

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.logs import get_logger
from django_socketio.protocol import event_stream, json
from django_socketio.relay.topics import Topic, TopicKind

logger = ClientLog(get_logger("django_socketio.streams"))

RESET = "reset"
"""The event that tells a client that messages are missing."""

_begin_of_data = re.compile(r'\["(?:[^"\\]|\\.)*"').match
"""Finds the name of an event in its JSON text."""


def block(encoded: EncodedEvent) -> bytes:
    """Return an event as fields of an event stream, without its id; b"" if it has no such form.

    Its data is the argument of the event as JSON, the list of the arguments if there are several,
    and null without any. Bytes are texts in base64.
    """
    name = encoded.data[0]
    if not event_stream.fits_a_field(name):
        logger.error("Event streams left out an event: its name has a line break: %.100r", name)
        return b""
    return event_stream.event(name, _data(encoded))


def _data(encoded: EncodedEvent) -> str:
    count = len(encoded.data) - 1
    if count == 0:
        return "null"
    text = encoded.text if not encoded.attachments else _with_base64(encoded)
    begin = _begin_of_data(text)
    arguments = text[begin.end() + 1 : -1] if begin else ""
    return arguments if count == 1 else f"[{arguments}]"


def _with_base64(encoded: EncodedEvent) -> str:
    """Return the JSON text of an event with base64 in the places of its attachments."""
    texts = [base64.b64encode(one).decode() for one in encoded.attachments]
    return json.dumps(_filled(json.loads(encoded.text), texts))


def _filled(value: Any, texts: list[str]) -> Any:
    if isinstance(value, list):
        return [_filled(item, texts) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is True:  # nothing else that looks like one is sent beside bytes
        return texts[value["num"]]
    return {key: _filled(item, texts) for key, item in value.items()}


def reset(topics: Iterable[Topic]) -> bytes:
    """Return the event that tells of which channels and audiences messages are missing."""
    channels, audiences = [], set()
    for topic in topics:
        if topic.kind is TopicKind.CHANNEL:
            channels.append(topic.name)
        else:
            audiences.add(topic.kind.value)
    data = {"channels": channels, "audiences": sorted(audiences)}
    return event_stream.event(RESET, json.dumps(data))
