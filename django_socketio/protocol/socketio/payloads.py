"""The payloads that Socket.IO allows for each type of packet.

https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md
(section "Exchange protocol"). All raise ``ProtocolError`` for another one.
"""

from typing import Any

from django_socketio.exceptions import ProtocolError

RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Names with a meaning of their own in the official clients; an EVENT must not carry them."""


def check_event(data: Any) -> None:
    """Check the payload of an EVENT; make a string of its name."""
    # "The payload is mandatory and MUST be a non-empty array"
    if not isinstance(data, list) or not data:
        raise ProtocolError(f"an EVENT's payload is a non-empty array, not {_kind(data)}")
    name = data[0]
    if type(name) in (int, float):  # JavaScript takes numbers as names too
        name = data[0] = _as_javascript(name)
    if not isinstance(name, str):
        raise ProtocolError(f"an event's name is a string or a number, not {_kind(name)}")
    if name in RESERVED_EVENTS:
        raise ProtocolError(f"the event name {name!r} is reserved")


def _as_javascript(number: int | float) -> str:
    """Return a number as the text that is a name of events for JavaScript."""
    is_whole = isinstance(number, int) or (number.is_integer() and abs(number) < 1e21)
    return str(int(number)) if is_whole else repr(number)


def check_ack(data: Any) -> None:
    """Check the payload of an ACK."""
    # "The payload is mandatory and MUST be an array (possibly empty)"
    if not isinstance(data, list):
        raise ProtocolError(f"an ACK's payload is an array, not {_kind(data)}")


def check_connect(data: Any) -> None:
    """Check the payload of a CONNECT."""
    if data is not None and not isinstance(data, dict):
        raise ProtocolError(f"a CONNECT's payload is an object, not {_kind(data)}")


def check_disconnect(data: Any) -> None:
    """Check that a DISCONNECT has no payload."""
    if data is not None:
        raise ProtocolError(f"a DISCONNECT has no payload, not {_kind(data)}")


def check_connect_error(data: Any) -> None:
    """Check the payload of a CONNECT_ERROR."""
    if not isinstance(data, (dict, str)):
        raise ProtocolError(f"a CONNECT_ERROR's payload is an object, not {_kind(data)}")


def _kind(value: Any) -> str:
    if value == []:
        return "an empty array"
    names = {dict: "an object", list: "an array", str: "a string", type(None): "nothing"}
    return names.get(type(value), f"a {type(value).__name__}")
