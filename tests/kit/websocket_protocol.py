"""The WebSocket protocol without I/O: bytes in, messages or a refusal out."""

import struct

from hypothesis import settings
from hypothesis import strategies as st

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from tests.kit.frames import CLOSE, FIN, PONG

repeatable = settings(derandomize=True, max_examples=60, deadline=None, database=None)


LIMIT = 1000


def read(data):
    """Return the server's frames as pairs of first byte and payload."""
    frames = []
    while data:
        size, start = data[1], 2
        assert size < 126
        frames.append((data[0], data[start : start + size]))
        data = data[start + size :]
    return frames


def talk(*pieces, limit=LIMIT, compression=False):
    """Return the protocol that received these pieces, and the messages they held."""
    protocol = WebSocketProtocol(limit, compression)
    messages = []
    for piece in pieces:
        messages += protocol.receive(piece)
        while protocol.rest:  # more than a batch
            messages += protocol.receive(b"")
    return protocol, messages


def messages_of(*pieces, **options):
    protocol, messages = talk(*pieces, **options)
    assert protocol.error is None
    assert protocol.data_to_send() == (b"", False)
    return messages


def failure_of(*pieces, **options):
    """Return the close code, its reason and the error by which the server ends the connection."""
    protocol, messages = talk(*pieces, **options)
    data, eof = protocol.data_to_send()
    [(first, content)] = read(data)
    assert (messages, first, eof) == ([], FIN | CLOSE, True)
    return struct.unpack_from("!H", content)[0], content[2:].decode(), protocol.error


def assert_refused(code, *pieces, **options):
    found, _, error = failure_of(*pieces, **options)
    assert found == code
    assert type(error) is ProtocolError
    assert str(error).startswith("WebSocket: ")


messages = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.binary(max_size=300)


keys = st.binary(min_size=4, max_size=4)


BAD_TEXTS = [
    b"\xff",
    b"\x80",
    b"a\xc3",
    b"\xc3(",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"ok\xf8\x88\x80\x80\x80",
]


def frame_of_pong(payload):
    return bytes([FIN | PONG, len(payload)]) + payload
