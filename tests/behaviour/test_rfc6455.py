"""RFC 6455 over a real connection, by its sections, against the raw echo of the tests' project.

Every category of Autobahn's fuzzing client is here: framing (1), pings and pongs (2), reserved bits
(3), opcodes (4), fragmentation (5), UTF-8 (6), closing (7), limits (9), the rest (10). Compression
(12, 13) is off, which is shown as well; ``test_compression.py`` has it on.
"""

import os
import socket

import pytest
from django.test.utils import override_settings

from tests.kit.frames import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    PING,
    PONG,
    TEXT,
    closing,
    length_of,
    mask,
    sent,
)
from tests.kit.http import TIMEOUT, WEBSOCKET_PATH, read_all
from tests.kit.live import LiveServer
from tests.kit.raw_websocket import WEBSOCKET_FIELDS, RawWebSocket, request

LIMIT = 4_000_000


@pytest.fixture(scope="module")
def port():
    with override_settings(SOCKETIO_MAX_MESSAGE_SIZE=LIMIT, SOCKETIO_MAX_UNSENT_BYTES=LIMIT):
        server = LiveServer()
        yield server.port
        server.stop()


@pytest.fixture
def ws(port):
    connection = RawWebSocket(port)
    assert connection.head.startswith(b"HTTP/1.1 101 ")
    yield connection
    connection.socket.close()


@pytest.fixture
def echoes(ws):
    """Whether these bytes are answered by these frames, after which the connection still works."""

    def check(pieces, frames):
        ws.send(*pieces)
        assert [ws.frame() for _ in frames] == frames
        ws.send(sent(TEXT, b"still here"))
        assert ws.frame() == (FIN | TEXT, b"still here")
        ws.leave()

    return check


@pytest.fixture
def fails(ws):
    """Whether these bytes end the connection with this code, after these frames."""

    def check(code, *pieces, before=()):
        ws.send(*pieces)
        assert [ws.frame() for _ in before] == list(before)
        assert ws.code() == code

    return check


# 4.2 The opening handshake


def test_4_2_2_the_accept_key_is_that_of_the_request(ws):
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in ws.head


@pytest.mark.parametrize("missing", WEBSOCKET_FIELDS)
def test_4_2_1_a_handshake_without_one_of_its_fields_is_refused(port, missing):
    headers = {name: value for name, value in WEBSOCKET_FIELDS.items() if name != missing}
    connection = RawWebSocket(port, headers)
    status = b" 426 " if missing == "Upgrade" else b" 400 "  # a view that serves WebSockets only
    assert status in connection.head.partition(b"\r\n")[0]
    connection.socket.close()


BAD_FIELDS = [
    ("Upgrade", "h2c"),
    ("Connection", "keep-alive"),
    ("Sec-WebSocket-Key", "short"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "8"),
    ("Sec-WebSocket-Version", "14"),
    ("Sec-WebSocket-Protocol", "two words"),
]


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS)
def test_4_2_1_a_handshake_with_a_bad_field_is_refused_and_told_the_version(port, name, value):
    connection = RawWebSocket(port, {**WEBSOCKET_FIELDS, name: value})
    status = b" 426 " if name == "Upgrade" else b" 400 "
    assert status in connection.head.partition(b"\r\n")[0]
    if name == "Sec-WebSocket-Version":
        assert b"Sec-WebSocket-Version: 13" in connection.head  # 4.4
    connection.socket.close()


@pytest.mark.parametrize("path", ["/echo/socket.io", WEBSOCKET_PATH])
@pytest.mark.parametrize(
    ("name", "value"), [("Content-Length", "6"), ("Transfer-Encoding", "chunked")]
)
def test_a_handshake_with_a_body_is_refused(port, path, name, value):
    """RFC 9110, section 7.8: the body comes before the other protocol begins."""
    connection = RawWebSocket(port, {**WEBSOCKET_FIELDS, name: value}, path=path)
    assert b" 400 " in connection.head.partition(b"\r\n")[0]
    connection.socket.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("Upgrade", "WebSocket"), ("Connection", "keep-alive, Upgrade"), ("Connection", "upgrade")],
)
def test_4_2_1_names_are_read_whatever_their_case(port, name, value):
    connection = RawWebSocket(port, {**WEBSOCKET_FIELDS, name: value})
    assert b" 101 " in connection.head.partition(b"\r\n")[0]
    connection.leave()
    connection.socket.close()


OFFERED = "first, second\r\nSec-WebSocket-Protocol: third"


@pytest.mark.parametrize(
    ("path", "chosen"), [("/echo/socket.io", b"third"), (WEBSOCKET_PATH, b"first")]
)
def test_4_2_2_one_subprotocol_is_chosen_the_preferred_one_of_a_view(port, path, chosen):
    fields = {**WEBSOCKET_FIELDS, "Sec-WebSocket-Protocol": OFFERED}
    connection = RawWebSocket(port, fields, path=path)
    assert connection.head.lower().count(b"sec-websocket-protocol") == 1
    assert b"\r\nSec-WebSocket-Protocol: " + chosen in connection.head
    connection.socket.close()


def test_4_2_2_no_subprotocol_is_chosen_where_the_view_speaks_none_that_is_offered(port):
    connection = RawWebSocket(port, {**WEBSOCKET_FIELDS, "Sec-WebSocket-Protocol": "first"})
    assert b"sec-websocket-protocol" not in connection.head.lower()
    connection.leave()
    connection.socket.close()


def test_4_2_2_no_subprotocol_is_chosen_where_none_is_offered(ws):
    assert b"sec-websocket-protocol" not in ws.head.lower()


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_4_1_a_handshake_is_a_get(port, method):
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    connection.sendall(request({**WEBSOCKET_FIELDS, "Content-Length": "0"}, method))
    assert b" 101 " not in connection.recv(1000).partition(b"\r\n")[0]
    connection.close()


def test_9_1_compression_is_not_promised_to_those_who_offer_it(port):
    extensions = "permessage-deflate; client_max_window_bits"
    connection = RawWebSocket(port, {**WEBSOCKET_FIELDS, "Sec-WebSocket-Extensions": extensions})
    assert b"sec-websocket-extensions" not in connection.head.lower()
    connection.leave()
    connection.socket.close()


def test_frames_that_come_with_the_handshake_are_read(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
    connection.sendall(request(WEBSOCKET_FIELDS) + sent(TEXT, b"early") + closing(1000))
    assert read_all(connection).endswith(b"\r\n\r\n\x81\x05early\x88\x02\x03\xe8")
    connection.close()


# 5.2 Frames (Autobahn 1, 9.1, 9.2, 9.5, 9.6)

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", SIZES)
def test_5_2_every_form_of_a_length(echoes, opcode, size):
    payload = b"*" * size
    echoes([sent(opcode, payload)], [(FIN | opcode, payload)])


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(("size", "chop"), [(125, 1), (126, 1), (65536, 997), (4_000_000, 65_537)])
def test_5_2_frames_arrive_in_any_pieces(ws, opcode, size, chop):
    payload = (b"0123456789\xc3\xbc" * (size // 12 + 1))[:size]
    payload = payload.decode(errors="ignore").encode() if opcode == TEXT else payload
    ws.chop(sent(opcode, payload), chop)
    assert ws.frame() == (FIN | opcode, payload)
    ws.leave()


@pytest.mark.parametrize(("size", "form"), [(0, 126), (125, 126), (125, 127), (65535, 127)])
def test_5_2_a_length_has_its_shortest_form(fails, size, form):
    fails(1002, sent(BINARY, bytes(size), form=form))


@pytest.mark.parametrize("size", [2**63, 2**64 - 1])
def test_5_2_a_length_of_64_bits_has_its_first_bit_clear(ws, size):
    ws.send(bytes([FIN | BINARY]) + length_of(size, 127))
    assert ws.code() in (1002, 1009)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("payload", [b"", b"hello"])
def test_5_1_frames_that_are_not_masked_end_the_connection(fails, opcode, payload):
    fails(1002, bytes([FIN | opcode, len(payload)]) + payload)


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 1_000_001])
@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
def test_5_3_any_masking_key_unmasks(ws, size, key):
    payload = os.urandom(size)
    ws.send(sent(BINARY, payload, key=key))
    assert ws.frame() == (FIN | BINARY, payload)


# 5.5.2, 5.5.3 Pings and pongs (Autobahn 2)


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(125)), b"\xff" * 125])
@pytest.mark.parametrize("chop", [1, 1000])
def test_5_5_2_a_ping_is_answered_with_its_payload(ws, payload, chop):
    ws.chop(sent(PING, payload), chop)
    assert ws.frame() == (FIN | PONG, payload)
    ws.leave()


def test_5_5_2_pings_are_answered_in_their_order(echoes):
    payloads = [f"ping {number}".encode() for number in range(10)]
    pings = [sent(PING, payload) for payload in payloads]
    echoes([b"".join(pings)], [(FIN | PONG, payload) for payload in payloads])


@pytest.mark.parametrize("payload", [b"", b"unasked"])
def test_5_5_3_a_pong_that_nobody_asked_for_is_ignored(echoes, payload):
    echoes([sent(PONG, payload) + sent(PING, b"x")], [(FIN | PONG, b"x")])


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 127, 65536])
def test_5_5_a_control_frame_has_at_most_125_bytes(ws, opcode, size):
    ws.send(sent(opcode, bytes(size))[:14])  # its header is enough
    assert ws.code() == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_5_5_a_control_frame_is_whole(fails, opcode):
    fails(1002, sent(opcode, fin=False), sent(CONT))


# 5.2 Reserved bits and opcodes (Autobahn 3 and 4)

HELLO = sent(TEXT, b"hello")
HELLO_BACK = (FIN | TEXT, b"hello")


@pytest.mark.parametrize("reserved", range(0x10, 0x80, 0x10))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("before", [0, 1])
def test_5_2_reserved_bits_are_clear(fails, reserved, opcode, before):
    data = HELLO * before + sent(opcode, b"", reserved=reserved) + sent(PING)
    fails(1002, data, before=[HELLO_BACK] * before)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"hello"])
@pytest.mark.parametrize("before", [0, 1])
def test_5_2_reserved_opcodes_end_the_connection(fails, opcode, payload, before):
    fails(1002, HELLO * before + sent(opcode, payload) + HELLO, before=[HELLO_BACK] * before)


# 5.4 Fragmentation (Autobahn 5)


def fragments(opcode, *payloads, between=b""):
    """Return a message in fragments, with something between each two of them."""
    last = len(payloads) - 1
    frames = [
        sent(opcode if number == 0 else CONT, payload, fin=number == last)
        for number, payload in enumerate(payloads)
    ]
    return between.join(frames)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("chop", [1, 10_000])
@pytest.mark.parametrize("parts", [(b"", b""), (b"a", b""), (b"", b"a"), (b"a", b"b", b"c")])
def test_5_4_fragments_are_one_message(ws, opcode, chop, parts):
    ws.chop(fragments(opcode, *parts), chop)
    assert ws.frame() == (FIN | opcode, b"".join(parts))
    ws.leave()


@pytest.mark.parametrize("chop", [1, 10_000])
@pytest.mark.parametrize("payload", [b"", b"ping"])
def test_5_4_a_ping_between_fragments_is_answered_before_the_message(ws, chop, payload):
    ws.chop(fragments(TEXT, b"one", b"two", between=sent(PING, payload)), chop)
    assert ws.frame() == (FIN | PONG, payload)
    assert ws.frame() == (FIN | TEXT, b"onetwo")
    ws.leave()


def test_5_4_several_pings_between_fragments(ws):
    ws.send(sent(TEXT, b"1", fin=False) + sent(CONT, b"2", fin=False) + sent(PING, b"a"))
    assert ws.frame() == (FIN | PONG, b"a")
    ws.send(sent(CONT, b"3", fin=False) + sent(PING, b"b") + sent(CONT, b"4"))
    assert [ws.frame(), ws.frame()] == [(FIN | PONG, b"b"), (FIN | TEXT, b"1234")]
    ws.leave()


def test_5_4_a_pong_between_fragments_is_ignored(ws):
    ws.send(fragments(TEXT, b"1", b"2", between=sent(PONG, b"x")))
    assert ws.frame() == (FIN | TEXT, b"12")


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize("payload", [b"", b"x"])
@pytest.mark.parametrize("before", [0, 1])
def test_5_4_nothing_is_continued(fails, fin, payload, before):
    data = HELLO * before + sent(CONT, payload, fin=fin) + HELLO
    fails(1002, data, before=[HELLO_BACK] * before)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_5_4_a_message_does_not_begin_within_another(fails, opcode, fin):
    fails(1002, sent(TEXT, b"one", fin=False), sent(opcode, b"two", fin=fin))


def test_5_4_a_message_that_is_complete_is_not_continued(fails):
    data = fragments(TEXT, b"1", b"2") + sent(CONT, b"3")
    fails(1002, data, before=[(FIN | TEXT, b"12")])


# 8.1 UTF-8 (Autobahn 6)

GOOD_TEXTS = [
    "",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\x00",
    "\x7f",
    "\x80",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\ufdd0\ufffe\uffff",  # noncharacters are characters all the same
    "\U00010000",
    "\U0010ffff",
    "".join(chr((plane << 16) | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF)),
]


@pytest.mark.parametrize("text", GOOD_TEXTS, ids=ascii)
@pytest.mark.parametrize("form", ["frame", "fragments", "bytes"])
def test_8_1_text_is_received(ws, text, form):
    data = text.encode()
    if form == "fragments":
        ws.send(fragments(TEXT, b"", *(bytes([byte]) for byte in data), b""))
    else:
        ws.chop(sent(TEXT, data), 1 if form == "bytes" else 1000)
    assert ws.frame() == (FIN | TEXT, data)
    ws.leave()


KOSME = "κόσμε".encode()
BAD_TEXTS = [
    b"\xce",  # cut short
    b"\xe1\xbd",
    b"\xf0\x90\x80",
    b"\x80",  # a continuation of nothing
    b"\xbf\x80",
    bytes(range(0x80, 0xC0)),
    b"\xc0\x20",  # leads without what they lead
    b"\xe0\x20",
    b"\xf0\x20",
    b"\xc0\xaf",  # longer than needed
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf8\x88\x80\x80\x80",  # of 5 and 6 bytes
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xf4\x90\x80\x80",  # beyond the last character
    b"\xf7\xbf\xbf\xbf",
    b"\xed\xa0\x80",  # surrogates, alone and in pairs
    b"\xed\xaf\xbf",
    b"\xed\xb0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xed\xaf\xbf\xed\xbf\xbf",
    b"\xfe",  # no part of any text
    b"\xff",
    b"\xfe\xfe\xff\xff",
    KOSME + b"\xed\xa0\x80edited",
]


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.parametrize("form", ["frame", "fragments", "bytes"])
def test_8_1_what_is_not_text_ends_the_connection(ws, text, form):
    if form == "fragments":
        ws.send(fragments(TEXT, *(bytes([byte]) for byte in text)))
    else:
        ws.chop(sent(TEXT, text), 1 if form == "bytes" else 1000)
    assert ws.code() == 1007


@pytest.mark.parametrize("bad", [b"\xf4\x90", b"\xed\xa0\x80", b"\xc0", b"\x80"])
def test_8_1_bad_text_is_refused_before_its_message_is_complete(ws, bad):
    ws.send(sent(TEXT, KOSME, fin=False), sent(CONT, bad, fin=False))
    assert ws.code() == 1007


@pytest.mark.parametrize("size", [100, 1000, 100_000])
@pytest.mark.parametrize("chop", [1, 7, 1000])
@pytest.mark.parametrize("first", [TEXT, CONT])
def test_8_1_bad_text_is_refused_before_its_frame_is_complete(ws, size, chop, first):
    if first == CONT:
        ws.send(sent(TEXT, KOSME[:3], fin=False))  # a character that the next frame completes
    begin = KOSME[3:] if first == CONT else KOSME
    header = bytes([FIN | first]) + length_of(size) + b"\x01\x80\xfe\x3c"
    ws.chop(header + mask(begin + b"\xf4\x90", b"\x01\x80\xfe\x3c"), chop)
    assert ws.code() == 1007


def test_8_1_a_character_may_be_split_anywhere_within_a_frame(ws):
    text = "aü€😀" * 30
    ws.chop(sent(TEXT, text.encode()), 1)
    assert ws.frame() == (FIN | TEXT, text.encode())
    ws.leave()


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_8_1_the_same_bytes_are_fine_as_binary_even_in_pieces(ws, text):
    ws.chop(fragments(BINARY, text, text), 3)
    assert ws.frame() == (FIN | BINARY, text * 2)


# 5.5.1, 7 Closing (Autobahn 7)

GOOD_CODES = [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", GOOD_CODES)
@pytest.mark.parametrize("reason", [b"", b"bye", b"*" * 123])
def test_7_4_a_close_frame_is_answered_with_its_code(fails, code, reason):
    fails(code, closing(code, reason))


@pytest.mark.parametrize("code", BAD_CODES)
@pytest.mark.parametrize("reason", [b"", b"bye"])
def test_7_4_codes_that_are_not_for_the_wire_are_refused(fails, code, reason):
    fails(1002, closing(code, reason))


def test_7_1_5_a_close_frame_without_a_code(fails):
    fails(None, sent(CLOSE))


def test_5_5_1_a_close_frame_of_one_byte_is_refused(fails):
    fails(1002, sent(CLOSE, b"\x03"))


@pytest.mark.parametrize("reason", [b"\xff", KOSME + b"\xed\xa0\x80edited"])
def test_5_5_1_a_reason_that_is_not_text_is_refused(fails, reason):
    fails(1007, closing(1000, reason))


@pytest.mark.parametrize(
    "after", [sent(PING, b"x"), sent(TEXT, b"x"), sent(CONT, b"x"), closing(1001), b"\xff" * 9]
)
@pytest.mark.parametrize("together", [True, False])
def test_5_5_1_nothing_is_read_after_a_close_frame(ws, after, together):
    ws.send(*([closing(1000) + after] if together else [closing(1000), after]))
    assert ws.code() == 1000


@pytest.mark.parametrize("chop", [1, 1000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_5_4_a_close_frame_may_come_within_a_message(ws, chop, opcode):
    ws.chop(sent(opcode, b"one", fin=False) + closing(1000) + sent(CONT, b"two"), chop)
    assert ws.code() == 1000


def test_7_1_what_came_before_a_close_frame_is_answered(ws):
    ws.send(sent(PING, b"p") + HELLO + closing(1000))
    # A pong may come at any time after its ping (5.5.3).
    assert {ws.frame(), ws.frame()} == {(FIN | PONG, b"p"), HELLO_BACK}
    assert ws.code() == 1000


def test_7_1_1_a_big_message_is_answered_whole_before_the_close(ws):
    payload = b"x" * 256 * 1024
    ws.send(sent(TEXT, payload) + closing(1000))
    assert ws.frame() == (FIN | TEXT, payload)
    assert ws.code() == 1000


# 9, 10 Limits and speed


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [64, 1024, 65_536])
def test_9_a_message_in_many_fragments(ws, opcode, size):
    payload = b"*" * 1_000_000
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)]
    ws.send(fragments(opcode, *pieces))
    assert ws.frame() == (FIN | opcode, payload)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 16, 125, 1024, 16_384])
def test_9_many_messages_come_back_in_their_order(ws, opcode, size):
    payloads = [f"{number:0{size}}".encode()[:size] for number in range(100)]
    ws.send(b"".join(sent(opcode, payload) for payload in payloads))
    assert [ws.frame() for _ in payloads] == [(FIN | opcode, payload) for payload in payloads]
    ws.leave()


def test_10_4_a_message_beyond_the_limit_is_refused_with_1009(ws):
    ws.send(bytes([FIN | BINARY]) + length_of(LIMIT + 1))
    assert ws.code() == 1009


def test_10_1_a_message_in_frames_of_1300_bytes(ws):
    payload = b"*" * 65_536
    pieces = [payload[start : start + 1300] for start in range(0, len(payload), 1300)]
    ws.send(fragments(TEXT, *pieces))
    assert ws.frame() == (FIN | TEXT, payload)
    ws.leave()
