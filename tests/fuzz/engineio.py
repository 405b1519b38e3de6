"""Engine.IO payloads and packets."""

import re
from base64 import urlsafe_b64decode

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio import v3
from django_socketio.protocol.engineio.packets import (
    Packet,
    PacketType,
    decode,
    decode_payload,
    encode,
    join_payload,
    payload_part,
)
from tests.fuzz.target import Target

MAX_PACKETS = 8
_WHITESPACE = re.compile("[ \\t\\n\\v\\f\\r]")
# Padding may be missing, or more than is needed, as in JavaScript's readers.
_BASE64 = re.compile("((?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2,3})?)=*")


def expected(body: bytes) -> list[Packet] | None:
    """Read a payload a second time, as the specification says; None if it is to be refused."""
    try:
        parts = body.decode().split("\x1e")
    except UnicodeDecodeError:
        return None
    packets = [_packet(part) for part in parts]
    return None if len(parts) > MAX_PACKETS or None in packets else packets


def _packet(part: str) -> Packet | None:
    if part.startswith("b"):
        base64 = _BASE64.fullmatch(_WHITESPACE.sub("", part[1:]))
        return None if base64 is None else Packet(PacketType.MESSAGE, _decoded(base64[1]))
    if not part or part[0] not in "0123456":
        return None
    return Packet(PacketType(int(part[0])), part[1:])


def _decoded(base64: str) -> bytes:
    return urlsafe_b64decode(base64.replace("+", "-").replace("/", "_") + "==")


def refusal_is_fit_to_be_told(error: ProtocolError) -> None:
    """Check that what is said of bad input is short, and one line of a log."""
    assert len(str(error)) < 500, error
    assert str(error).isprintable(), repr(str(error))


def check(data: bytes) -> None:
    """Take any payload."""
    try:
        packets = list(decode_payload(data, MAX_PACKETS))
    except ProtocolError as error:
        refusal_is_fit_to_be_told(error)
        packets = None
    assert packets == expected(data)
    if packets is not None:
        again = join_payload(payload_part(encode(packet)) for packet in packets)
        assert list(decode_payload(again, MAX_PACKETS)) == packets
        assert [decode(encode(packet)) for packet in packets] == packets


TARGET = Target(
    "engine.io payloads",
    check,
    seeds=(
        b"",
        b"4hello",
        b"2probe\x1e3probe\x1e5",
        b"bAQIDBA==\x1e4x",
        b"b",
        b"0{}\x1e1\x1e6",
        '4ü😀\x1e451-["a",{"_placeholder":true,"num":0}]\x1ebAA=='.encode(),
    ),
    tokens=(b"\x1e", b"b", b"4", b"=", b"==", b"AAAA", b"/+", b"-_", b"\n", b"7", "é".encode()),
)


def check_old(data: bytes) -> None:
    """Take any payload of Engine.IO 3."""
    try:
        packets = list(v3.decode_payload(data, MAX_PACKETS))
    except ProtocolError as error:
        return refusal_is_fit_to_be_told(error)
    contents = [encode(packet) for packet in packets]
    assert list(v3.decode_payload(b"".join(map(v3.payload_part, contents)), MAX_PACKETS)) == packets
    assert list(v3.decode_payload(v3.binary_payload(contents), MAX_PACKETS)) == packets


OLD_TARGET = Target(
    "engine.io 3 payloads",
    check_old,
    seeds=(
        b"",
        b"6:4hello",
        b"6:2probe1:5",
        b"10:b4AQIDBA==2:4x",
        "3:4😀1:6".encode(),
        b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04",
    ),
    tokens=(b":", b"b4", b"4", b"=", b"AAAA", b"\x00", b"\x01", b"\xff", b"9", "é".encode()),
)


def check_form(data: bytes) -> None:
    """Take any form of JSONP."""
    try:
        assert isinstance(v3.jsonp_payload(data), bytes)
    except ProtocolError as error:
        refusal_is_fit_to_be_told(error)


FORMS = Target(
    "forms of jsonp",
    check_form,
    seeds=(b"d=6%3A4hello", b"d=4%3A4a%5Cnb", b"x=1&d=2", b"d=%ED%A0%80"),
    tokens=(b"&", b"=", b"%", b"%5C", b"\\n", b"+", b"d=", b";", b"%00"),
)
