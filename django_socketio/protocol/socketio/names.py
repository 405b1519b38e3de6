"""Names of events and namespaces, as a server may use them."""

from django_socketio.exceptions import EventError
from django_socketio.protocol.socketio.payloads import RESERVED_EVENTS

POSITIONS = "_positions"
"""The event that tells a client positions of topics; of one that its socket has left, null."""

MISSED = "_missed"
"""The event that tells a client that messages of a topic will not come."""

FRAGMENT = "_fragment"
"""The event that has ``live.js`` change the page: nobody else may send HTML under its name."""


PRESENCE = "_presence"
"""The event by which a client asks who is on a channel, and is told that, and each change."""


def check_event_name(event: str) -> None:
    """Check the name of an event that is to be sent.

    Raises:
        EventError: it is not a string, or reserved by Socket.IO or by this package.

    """
    if not isinstance(event, str):
        raise EventError(f"an event's name is a string, not {event!r}")
    if event in RESERVED_EVENTS:
        raise EventError(
            f"the event name {event!r} is reserved: official clients give it a meaning of their own"
        )
    if event in (POSITIONS, MISSED):
        raise EventError(f"the event name {event!r} is reserved: docs/delivery.rst says for what")
    if event == PRESENCE:
        raise EventError(f"the event name {event!r} is reserved: docs/presence.rst says for what")
    if event == FRAGMENT:
        raise EventError(f"the event name {event!r} is reserved: emit_template sends it")


def check_namespace(namespace: str) -> str:
    """Return the namespace as the protocol writes it, with its leading slash.

    Raises:
        EventError: it is not a string, or holds a comma or a control character.

    """
    if not isinstance(namespace, str) or not namespace.isprintable() or "," in namespace:
        raise EventError(f"a namespace is a name like '/admin', without commas; got {namespace!r}")
    return namespace if namespace.startswith("/") else f"/{namespace}"
