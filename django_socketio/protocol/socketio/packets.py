"""Socket.IO v5 packets and their encoding.

https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md
(sections "Exchange protocol" and "Packet encoding")
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from django_socketio.exceptions import MisplacedAttachment, ProtocolError
from django_socketio.protocol import json, stdjson
from django_socketio.protocol.socketio.attachments import attach, check_placeholders, detach_to
from django_socketio.protocol.socketio.payloads import (
    check_ack,
    check_connect,
    check_connect_error,
    check_disconnect,
    check_event,
)


class PacketType(IntEnum):
    """The packet types, with the specification's numbers."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


@dataclass(slots=True)
class Packet:
    """A packet. Binary is in ``data`` as ``bytes``, so EVENT and ACK serve for both kinds."""

    type: PacketType
    namespace: str = "/"
    data: Any = None
    id: int | None = None


_BINARY = {PacketType.EVENT: PacketType.BINARY_EVENT, PacketType.ACK: PacketType.BINARY_ACK}
_PLAIN = {binary: plain for plain, binary in _BINARY.items()}
_DIGITS = "0123456"
_TYPES = {_DIGITS[type]: type for type in PacketType}

_EVENT = PacketType.EVENT
_PLAIN_EVENT = "2["
"""How most packets begin: events for "/" that want no acknowledgment."""

# <packet type>[<# of binary attachments>-][<namespace>,][<acknowledgment id>][JSON]
_HEADER = re.compile(r"([0-6])(?:([0-9]+)-)?(?:(/[^,]*),?)?([0-9]+)?")
_MAX_ID_DIGITS = 16  # ids are JavaScript's safe integers


def encode(packet: Packet, default: json.Default | None = None) -> list[str | bytes]:
    """Return the packet's text, followed by its attachments ("Packet encoding").

    ``default`` turns values that JSON does not know into ones that it knows.

    Raises:
        TypeError, ValueError: the data cannot be written as JSON.

    """
    if packet.data is None:
        return [_header(packet.type, packet.namespace, packet.id, 0)]
    text, attachments = encode_data(packet.data, default)
    type = packet.type
    if attachments:
        if type not in _BINARY:
            raise TypeError(f"binary cannot travel in a {type.name} packet")
        type = _BINARY[type]
    return [_header(type, packet.namespace, packet.id, len(attachments)) + text, *attachments]


def encode_data(data: Any, default: json.Default | None = None) -> tuple[str, Sequence[bytes]]:
    """Return the data of a packet as JSON text with placeholders, and its attachments.

    Raises:
        TypeError, ValueError: the data cannot be written as JSON.

    """
    try:
        return json.dumps_fast(data), ()
    except TypeError:
        return _encode_with_help(data, default)


def event_header(namespace: str, id: int | None, attachments: int) -> str:
    """Return the part of an EVENT, or of a BINARY_EVENT, before its data."""
    type = PacketType.BINARY_EVENT if attachments else _EVENT
    return _header(type, namespace, id, attachments)


def _encode_with_help(data: Any, default: json.Default | None) -> tuple[str, Sequence[bytes]]:
    """Encode data that holds binary, or values that only ``default`` knows how to write."""
    text, attachments = _dumps(data, default)
    if attachments:
        check_placeholders(text, attachments)
    return text, attachments


def _dumps(data: Any, default: json.Default | None) -> tuple[str, list[bytes]]:
    # JSON's writer asks for help where it meets bytes: no search for them is needed beforehand.
    attachments: list[bytes] = []
    try:
        return json.dumps_fast(data, detach_to(attachments, default)), attachments
    except TypeError:
        attachments = []
        return stdjson.dumps(data, detach_to(attachments, default)), attachments


def _header(type: PacketType, namespace: str, id: int | None, attachments: int) -> str:
    if namespace == "/" and id is None and not attachments:
        return _DIGITS[type]
    count = f"{attachments}-" if attachments else ""
    name = "" if namespace == "/" else f"{namespace},"
    return f"{int(type)}{count}{name}{'' if id is None else id}"


class Decoder:
    """Puts the packets of one session together again from its messages.

    Args:
        max_attachments: how many binary attachments a packet may have.

    """

    __slots__ = ("_attachments", "_expected", "_max_attachments", "_packet")

    def __init__(self, max_attachments: int) -> None:
        self._max_attachments = max_attachments
        self._packet: Packet | None = None
        self._expected = 0
        self._attachments: list[bytes] = []

    def feed(self, data: str | bytes) -> Packet | None:
        """Return the packet that this message completes, if it completes one.

        Raises:
            MisplacedAttachment: the packet that it completes has to be refused; the messages after
                it can be read.
            ProtocolError: the message is not what the specification allows here.

        """
        if isinstance(data, bytes):
            return self._feed_attachment(data)
        if self._packet is not None:
            raise ProtocolError("text came where a binary attachment was expected")
        if data.startswith(_PLAIN_EVENT):
            return Packet(_EVENT, "/", _checked_event(_loads(data[1:])))
        packet, expected = _decode(data, self._max_attachments)
        if not expected:
            return packet
        self._packet, self._expected = packet, expected
        return None

    def _feed_attachment(self, data: bytes) -> Packet | None:
        if self._packet is None:
            raise ProtocolError("a binary attachment came that no packet announced")
        self._attachments.append(data)
        if len(self._attachments) < self._expected:
            return None
        packet, attachments = self._packet, self._attachments
        self._packet, self._attachments = None, []
        try:
            return replace(packet, data=attach(packet.data, attachments))
        except MisplacedAttachment as error:
            error.packet = packet
            raise


def _decode(text: str, max_attachments: int) -> tuple[Packet, int]:
    """Return the packet, and how many attachments follow it."""
    header = _HEADER.match(text)
    if header is None:
        raise ProtocolError(f"a Socket.IO packet starts with a digit from 0 to 6: {text[:20]!r}")
    digit, count, namespace, id = header.groups()
    type = _TYPES[digit]
    attachments = _check_count(type, count, max_attachments)
    data = _loads(text[header.end() :])
    _CHECKS[type](data)
    type = _PLAIN.get(type, type)
    return Packet(type, namespace or "/", data, _check_id(type, id)), attachments


def _check_count(type: PacketType, count: str | None, maximum: int) -> int:
    if (count is not None) != (type in _PLAIN):
        raise ProtocolError(
            f"{type.name} with {count[:20] if count else 'no'} number of attachments"
        )
    if count is None:
        return 0
    count = count.lstrip("0") or "0"  # any number of zeros is still a number
    if len(count) > 9 or int(count) > maximum:
        raise ProtocolError(
            f"a packet has {count[:20]} attachments, at most {maximum} are allowed "
            "(SOCKETIO_MAX_ATTACHMENTS)"
        )
    return int(count)


def _check_id(type: PacketType, id: str | None) -> int | None:
    if id is None and type is PacketType.ACK:
        raise ProtocolError("an ACK without the id of its event")
    if id is not None and (type not in _BINARY or len(id) > _MAX_ID_DIGITS):
        raise ProtocolError(f"{type.name} with the acknowledgment id {id[:20]}")
    return None if id is None else int(id)


def _loads(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProtocolError(f"the packet's payload is not JSON: {error}") from None


def _checked_event(data: Any) -> Any:
    check_event(data)
    return data


_CHECKS: dict[PacketType, Callable[[Any], None]] = {
    PacketType.CONNECT: check_connect,
    PacketType.DISCONNECT: check_disconnect,
    PacketType.EVENT: check_event,
    PacketType.BINARY_EVENT: check_event,
    PacketType.ACK: check_ack,
    PacketType.BINARY_ACK: check_ack,
    PacketType.CONNECT_ERROR: check_connect_error,
}
