"""The events of a stream that a test has opened by Django's test client."""

from typing import Any, NamedTuple

from django_socketio.protocol import json
from django_socketio.protocol.event_stream import DEFAULT_EVENT


class StreamEvent(NamedTuple):
    """An event of a stream, as a page gets it.

    Attributes:
        type: the name of the event.
        data: its argument, the list of its arguments if there are several, or None.

    """

    type: str
    data: Any


def stream_events(response: Any) -> list[StreamEvent]:
    """Return the events that a stream has brought since the last call.

    Args:
        response: the response of an ``EventStreamView`` to Django's test client.

    Raises:
        AssertionError: the response is no event stream; the text has its status.

    """
    stream = getattr(response, "event_stream", None)
    if stream is None:
        status = response.status_code
        raise AssertionError(f"The response has status {status} and is no event stream")
    blocks = stream.take().decode().split("\n\n")
    return [event for block in blocks if (event := _event(block))]


def _event(block: str) -> StreamEvent | None:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
    if "data" not in fields:
        return None
    return StreamEvent(fields.get("event", DEFAULT_EVENT), json.loads(fields["data"]))
