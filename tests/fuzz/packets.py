"""Socket.IO packets, with the state that a decoder keeps from one message to the next."""

import json
import math

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.socketio.packets import Decoder, Packet, PacketType, encode
from django_socketio.protocol.socketio.payloads import RESERVED_EVENTS
from tests.fuzz.engineio import refusal_is_fit_to_be_told
from tests.fuzz.target import Target

MAX_ATTACHMENTS = 3
DIGITS = "0123456789"
UNKNOWN = object()
"""What cannot be said by a reader that keeps to Python's own stack."""


def messages(data: bytes) -> list[str | bytes]:
    """Return the messages that an input stands for: parts that begin with NUL are binary."""
    return [
        part[1:] if part.startswith(b"\0") else part.decode(errors="replace")
        for part in data.split(b"\x1e")
    ]


def take(text: str, place: int) -> int:
    """Return where the digits at this place end."""
    while place < len(text) and text[place] in DIGITS:
        place += 1
    return place


def expected(text: str) -> tuple[str, str | None, str, str | None, object] | None:
    """Read a packet's text a second time: type, count, namespace, id, payload; None if bad."""
    if text[:1] not in tuple("0123456"):
        return None
    place, count, namespace = 1, None, "/"
    end = take(text, place)
    if end > place and text[end : end + 1] == "-":
        count, place = text[place:end], end + 1
    if text[place : place + 1] == "/":
        comma = text.find(",", place)
        end = len(text) if comma < 0 else comma
        namespace, place = text[place:end], end + 1
    end = take(text, place)
    id = text[place:end] or None
    return (text[0], count, namespace, id, payload(text[end:]))


def payload(text: str) -> object:
    """Return the value of a payload: None without one, ``payload`` itself if it is not JSON."""
    if not text:
        return None
    try:
        return json.loads(text, parse_constant=lambda name: int("not JSON"))
    except RecursionError:
        return UNKNOWN
    except ValueError:
        return payload


def is_allowed(packet: tuple[str, str | None, str, str | None, object]) -> bool:
    """Whether the specification allows what was read."""
    type, count, _, id, data = packet
    if data is payload or (count is not None) != (type in "56"):
        return False
    if count is not None and int(count.lstrip("0")[:20] or "0") > MAX_ATTACHMENTS:
        return False
    if (id is None and type in "36") or (id is not None and (type not in "2356" or len(id) > 16)):
        return False
    if type in "25":
        name = data[0] if isinstance(data, list) and data else None
        return (isinstance(name, str) and name not in RESERVED_EVENTS) or (
            isinstance(name, (int, float)) and not isinstance(name, bool)
        )
    kinds = {"0": (dict, type_of_none), "1": type_of_none, "4": (dict, str)}
    return isinstance(data, kinds.get(type, list))


type_of_none = type(None)


def name_of(value: str | int | float) -> str:
    """Return an event's name, of which JavaScript makes a string."""
    if isinstance(value, float) and (not value.is_integer() or abs(value) >= 1e21):
        return repr(value)
    return value if isinstance(value, str) else str(int(value))


def is_finite(value: object) -> bool:
    """Whether no number in it is beyond what JSON can write (1e999 is read as infinity)."""
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def attachments_of(value: object) -> int:
    """Return how many values are binary."""
    if isinstance(value, (dict, list)):
        return sum(map(attachments_of, value.values() if isinstance(value, dict) else value))
    return isinstance(value, bytes)


def keys_of(value: object) -> set[str]:
    """Return the keys of all objects in it."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return {*value, *keys_of([*value.values()])} if isinstance(value, dict) else set()


def check(data: bytes) -> None:
    """Take any messages of one session, up to the first that is refused."""
    decoder, waits_for_binary = Decoder(MAX_ATTACHMENTS), False
    for message in messages(data):
        read = None if isinstance(message, bytes) else expected(message)
        try:
            packet = decoder.feed(message)
        except ProtocolError as error:
            refusal_is_fit_to_be_told(error)
            fine = read is not None and read[4] is not UNKNOWN and is_allowed(read)
            assert waits_for_binary or isinstance(message, bytes) or not fine, error
            return
        if read is not None and read[4] is not UNKNOWN:
            assert not waits_for_binary
            assert is_allowed(read)
        waits_for_binary = packet is None
        if packet is not None:
            check_packet(packet)
            check_as_read(packet, read)


def check_as_read(packet: Packet, read: tuple | None) -> None:
    """Compare with what the other reader found in a packet without attachments."""
    if read is None or read[4] is UNKNOWN:
        return
    type, _, namespace, id, data = read
    if type in "25":
        data = [name_of(data[0]), *data[1:]]
    plain = {"5": "2", "6": "3"}.get(type, type)
    id = None if id is None else int(id)
    assert packet == Packet(PacketType(int(plain)), namespace, data, id)


def check_packet(packet: Packet) -> None:
    """Check that a packet can be sent on, and costs no more than it did."""
    assert attachments_of(packet.data) <= MAX_ATTACHMENTS
    if not is_finite(packet.data):
        return
    again, decoder = None, Decoder(MAX_ATTACHMENTS)
    try:
        messages = encode(packet)
    except ValueError:
        assert attachments_of(packet.data)
        assert "_placeholder" in keys_of(packet.data)
        return
    for message in messages:
        assert again is None
        again = decoder.feed(message)
    assert again == packet


TARGET = Target(
    "socket.io packets",
    check,
    seeds=(
        b'2["hello",1]',
        b'213["message",{"a":[1,2,3.5,null,true,"x"]}]',
        b'2/admin,456["project:delete",123]',
        b"0/admin,",
        b'0{"token":"123"}',
        b"1/admin,",
        b"3/admin,456[]",
        b'4/admin,{"message":"Not authorized"}',
        b'51-["hello",{"_placeholder":true,"num":0}]\x1e\0\x03\x02\x01',
        b'52-/admin,7["a",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]'
        b"\x1e\0abc\x1e\0\xff\xfe",
        b'61-/admin,456[{"_placeholder":true,"num":0}]\x1e\0\x01',
        b'50-["nothing"]',
        b'2["big",12345678901234567890123,1e999,"\\ud800"]',
    ),
    tokens=(
        b"\x1e",
        b"\x1e\0bin",
        b"/",
        b",",
        b"-",
        b"1-",
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b'{"_placeholder":true,"num":0}',
        b'{"_placeholder":true,"num":1}',
        b'["connect"]',
        b"NaN",
        b"Infinity",
        b"1e400",
        b"0123456789012345678",
        b"\\ud800",
        b"5",
        b"6",
        b"null",
        "٣".encode(),
        b" ",
    ),
)
