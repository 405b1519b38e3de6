"""Event streams as bytes: HTML Standard, sections 9.2.5 and 9.2.6.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from typing import Final

CONTENT_TYPE: Final = "text/event-stream"

COMMENT: Final = b":\n\n"
"""An empty comment: clients ignore it, and proxies see that the connection is alive."""

DEFAULT_EVENT: Final = "message"
"""The type of events that have no ``event`` field."""


def fits_a_field(text: str) -> bool:
    """Return whether a text can be the value of a field: a line break would end it."""
    return "\n" not in text and "\r" not in text


def event(name: str, data: str) -> bytes:
    """Return the fields of an event, without the empty line that ends the event.

    Args:
        name: the type of the event. ``fits_a_field`` is true of it.
        data: a text without line breaks, such as JSON that is not indented. It is not empty, or
            clients would ignore the event.

    """
    field = "" if name == DEFAULT_EVENT else f"event: {name}\n"
    return f"{field}data: {data}\n".encode("utf-8", "replace")


def identity(id: str) -> bytes:
    """Return the field with the id by which a client comes back, and the end of its event.

    Without other fields before it, it is an event that clients do not dispatch. They remember the
    id all the same.
    """
    return f"id: {id}\n\n".encode() if id else b"\n"


def retry(seconds: float) -> bytes:
    """Return the field with the time after which a client comes back."""
    return b"retry: %d\n" % round(seconds * 1000)
