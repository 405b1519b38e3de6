"""permessage-deflate (RFC 7692), by its sections: bytes in, messages out, and the other way."""

import itertools
import random
import tracemalloc
import zlib
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.websocket import handshake as opening
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.protocol.websocket.deflate import MAX_STREAMS
from django_socketio.protocol.websocket.frames import deflated_frame
from tests.kit import websocket_protocol
from tests.kit.frames import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    FLUSHED,
    PING,
    PONG,
    RSV1,
    TEXT,
    closing,
    compressed,
    deflated,
    inflated,
    length_of,
    sent,
)
from tests.kit.websocket_protocol import BAD_TEXTS, LIMIT, frame_of_pong, keys, messages, repeatable


def stored(payload):
    """The payload in blocks without compression, the largest that it can become with zlib."""
    return deflated(payload, level=0)


talk = partial(websocket_protocol.talk, compression=True)
messages_of = partial(websocket_protocol.messages_of, compression=True)
failure_of = partial(websocket_protocol.failure_of, compression=True)
assert_refused = partial(websocket_protocol.assert_refused, compression=True)


def assert_too_big(*pieces, limit=LIMIT):
    code, reason, error = failure_of(*pieces, limit=limit)
    assert (code, type(error)) == (1009, MessageTooBig)
    assert str(error) == reason
    assert reason == f"a message has more than {limit} bytes (SOCKETIO_MAX_MESSAGE_SIZE)"


# 7.2.3 One message in the forms that DEFLATE has for it

HELLO = {
    "fixed codes": deflated(b"Hello"),
    "not compressed": stored(b"Hello"),
    "a last block": deflated(b"Hello", flush=zlib.Z_FINISH) + b"\x00",
    "two blocks": deflated(b"He") + FLUSHED + deflated(b"llo"),
    "two last blocks": deflated(b"He", flush=zlib.Z_FINISH)
    + deflated(b"llo", flush=zlib.Z_FINISH)
    + b"\x00",
    "empty blocks": (b"\x00" + FLUSHED) * 20 + deflated(b"Hello"),
}


def test_7_2_3_1_the_bytes_are_those_of_deflate():
    assert HELLO["fixed codes"].hex() == "f248cdc9c90700"
    assert HELLO["not compressed"].hex() == "000500faff48656c6c6f00"
    assert HELLO["a last block"].hex() == "f348cdc9c9070000"


@pytest.mark.parametrize("form", HELLO)
@pytest.mark.parametrize(("opcode", "message"), [(TEXT, "Hello"), (BINARY, b"Hello")])
def test_7_2_3_a_compressed_message_in_one_frame(form, opcode, message):
    assert messages_of(sent(opcode, HELLO[form], reserved=RSV1)) == [message]


@pytest.mark.parametrize("form", HELLO)
def test_a_compressed_message_is_received_with_its_last_byte_and_once(form):
    data = sent(TEXT, HELLO[form], reserved=RSV1)
    for cut in range(1, len(data)):
        protocol = WebSocketProtocol(LIMIT, compression=True)
        assert [protocol.receive(data[:cut]), protocol.receive(data[cut:])] == [[], ["Hello"]]


@pytest.mark.parametrize("form", HELLO)
def test_7_2_3_1_a_compressed_message_may_be_cut_anywhere_into_fragments(form):
    content = HELLO[form]
    for cut in range(len(content)):
        first = sent(TEXT, content[:cut], fin=False, reserved=RSV1)
        middle = sent(CONT, fin=False) + sent(PING, b"?")
        protocol, received = talk(first + middle + sent(CONT, content[cut:]))
        assert (received, protocol.error) == (["Hello"], None)
        assert protocol.data_to_send() == (frame_of_pong(b"?"), False)


def test_7_2_3_2_the_window_of_the_message_before_is_not_there():
    # What a client sends that goes on with its window, though it has agreed not to.
    compressor = zlib.compressobj(wbits=-15)
    first, second = (
        compressor.compress(b"Hello") + compressor.flush(zlib.Z_SYNC_FLUSH) for _ in range(2)
    )
    first, second = (
        sent(TEXT, data.removesuffix(FLUSHED), reserved=RSV1) for data in (first, second)
    )
    assert messages_of(first) == ["Hello"]
    protocol, received = talk(first, second)
    assert received == ["Hello"]
    assert str(protocol.error) == "WebSocket: a compressed message cannot be inflated"


@pytest.mark.parametrize("content", [b"\x00", b""])
@pytest.mark.parametrize(("opcode", "message"), [(TEXT, ""), (BINARY, b"")])
def test_7_2_3_6_an_empty_message(content, opcode, message):
    assert messages_of(sent(opcode, content, reserved=RSV1)) == [message]


def test_7_2_1_the_last_fragment_of_a_flushed_message_may_be_empty():
    first = sent(TEXT, deflated(b"Hello") + FLUSHED, fin=False, reserved=RSV1)
    assert messages_of(first, sent(CONT)) == ["Hello"]


def test_6_each_message_says_by_itself_whether_it_is_compressed():
    plain, fragments = sent(TEXT, b"a"), sent(TEXT, b"b", fin=False) + sent(CONT, b"c")
    pieces = plain, compressed(TEXT, b"d"), fragments, compressed(BINARY, b"e"), plain
    assert messages_of(*pieces) == messages_of(b"".join(pieces)) == ["a", "d", "bc", b"e", "a"]


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_7_1_2_messages_in_every_window_are_inflated(bits, level):
    payload = random.Random(bits).randbytes(20_000) * 2
    frame = sent(BINARY, deflated(payload, bits, level), reserved=RSV1)
    assert messages_of(frame, limit=len(payload)) == [payload]


@st.composite
def conversations(draw):
    """Messages, some compressed, in random fragments and pieces."""
    contents = draw(st.lists(messages, min_size=1, max_size=4))
    data = b""
    for content in contents:
        payload = content.encode() if isinstance(content, str) else content
        reserved = draw(st.sampled_from([0, RSV1, RSV1]))
        if reserved:
            payload = deflated(payload, draw(st.integers(9, 15)), draw(st.integers(0, 9)))
        cuts = sorted(draw(st.lists(st.integers(0, max(0, len(payload) - 1)), max_size=3)))
        parts = [payload[a:b] for a, b in itertools.pairwise([0, *cuts, len(payload)])]
        for number, part in enumerate(parts):
            opcode = CONT if number else TEXT if isinstance(content, str) else BINARY
            fin = number == len(parts) - 1
            data += sent(opcode, part, fin, draw(keys), reserved=0 if number else reserved)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return contents, [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]


@repeatable
@given(conversations())
def test_messages_come_out_whole_however_they_were_compressed_and_cut(conversation):
    contents, pieces = conversation
    assert messages_of(*pieces, limit=2000) == contents


@settings(repeatable, max_examples=150)
@given(st.binary(max_size=40), st.booleans(), st.integers(0, 60))
def test_any_compressed_bytes_are_survived_and_cutting_them_changes_nothing(content, fin, cut):
    data = sent(BINARY, content, fin, reserved=RSV1) + sent(CONT, content)
    whole, together = talk(data)
    pieces, apart = talk(data[:cut], data[cut:])
    assert together == apart
    assert repr(whole.error) == repr(pieces.error)
    assert whole.data_to_send() == pieces.data_to_send()


# What is refused


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_6_1_control_frames_are_never_compressed(opcode):
    assert_refused(1002, sent(opcode, deflated(b"\x03\xe8"), reserved=RSV1))


@pytest.mark.parametrize("reserved", [0, RSV1])
def test_6_1_the_bit_is_that_of_the_first_frame(reserved):
    content = deflated(b"Hello") if reserved else b"Hello"
    first = sent(TEXT, content[:3], fin=False, reserved=reserved)
    assert_refused(1002, first, sent(CONT, content[3:], reserved=RSV1))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_new_message_within_a_compressed_one_is_refused(opcode):
    first = sent(TEXT, deflated(b"Hello"), fin=False, reserved=RSV1)
    assert_refused(1002, first, compressed(opcode, b"x"))


def test_a_close_within_a_compressed_message_closes():
    protocol, received = talk(sent(TEXT, b"\xf2", fin=False, reserved=RSV1) + closing(1000))
    assert (received, protocol.error) == ([], None)
    assert protocol.data_to_send() == (b"\x88\x02\x03\xe8", True)


@pytest.mark.parametrize("reserved", [0x20, 0x10, 0x30, 0x60, 0x50])
def test_the_other_reserved_bits_still_mean_nothing(reserved):
    assert_refused(1002, sent(TEXT, deflated(b"Hello"), reserved=reserved))


@pytest.mark.parametrize(
    "content",
    [
        b"\x06",  # a kind of block that is not defined (RFC 1951, section 3.2.3)
        b"\x00\x05\x00\x00\x00Hello\x00",  # a length and its complement that disagree
        b"\xf2\x00\x11\x00\x00",  # looks back to before its beginning
        zlib.compress(b"Hello"),  # zlib's format is another
        deflated(b"Hello", flush=zlib.Z_FINISH),  # 7.2.1 asks for an empty block after it
    ],
)
def test_7_2_2_what_is_no_deflate_is_refused(content):
    code, reason, error = failure_of(sent(TEXT, content, reserved=RSV1))
    assert (code, reason) == (1002, "a compressed message cannot be inflated")
    assert type(error) is ProtocolError


# (After 1 byte there is an empty message, after 6 the content goes on with what was removed.)
@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8, 9, 10])
def test_7_2_2_a_message_that_ends_within_a_block_is_refused(size):
    assert_refused(1002, sent(TEXT, stored(b"Hello")[:size], reserved=RSV1))


@pytest.mark.parametrize("first", [b"", sent(TEXT, b"", fin=False) + sent(CONT)])
def test_a_message_that_was_cut_off_is_not_taken_for_a_shorter_one(first):
    content = deflated(b"aaa2 ag2dga dhh dfd2dheag 2bc2ebf g 2dee1h g1")
    for size in range(1, len(content)):
        protocol, received = talk(first + sent(TEXT, content[:size], reserved=RSV1))
        assert received == [""] * bool(first)
        assert str(protocol.error).startswith("WebSocket: a")


def test_7_2_3_5_streams_in_one_message_are_few():
    empty = b"\x03\x00"
    enough = empty * (MAX_STREAMS - 1) + b"\x00"
    assert messages_of(sent(TEXT, enough, reserved=RSV1)) == [""]
    assert_refused(1002, sent(TEXT, empty + enough, reserved=RSV1))
    _, _, error = failure_of(sent(BINARY, empty * 500_000, reserved=RSV1), limit=1_000_000)
    assert "more than 16 last blocks" in str(error)


# Text is checked once it is inflated


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_compressed_text_that_is_not_utf_8_is_refused(text):
    assert_refused(1007, compressed(TEXT, text))
    assert messages_of(compressed(BINARY, text)) == [text]


@pytest.mark.parametrize("text", ["ü", "€", "😀", "aü€😀z"])
def test_a_character_may_be_split_between_compressed_fragments(text):
    whole = text.encode()
    for cut in range(1, len(whole)):
        first = sent(TEXT, deflated(whole[:cut]) + FLUSHED, fin=False, reserved=RSV1)
        assert messages_of(first, sent(CONT, deflated(whole[cut:]))) == [text]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_compressed_bytes_are_not_taken_for_text_while_they_come(size):
    text = "".join(map(chr, range(0x20, 0x3000)))
    content = deflated(text.encode())
    with pytest.raises(UnicodeDecodeError):
        content.decode()
    frames = sent(TEXT, content[:900], fin=False, reserved=RSV1) + sent(CONT, content[900:])
    pieces = [frames[at : at + size] for at in range(0, len(frames), size)]
    assert messages_of(*pieces, limit=100_000) == [text]


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80"])
def test_text_that_is_not_compressed_is_still_refused_before_its_frame_is_complete(bad):
    assert_refused(1007, sent(TEXT, bad.ljust(500))[:100])


# The limit is that of the inflated message


def test_a_compressed_message_of_exactly_the_limit_is_received():
    assert messages_of(compressed(TEXT, b"x" * LIMIT)) == ["x" * LIMIT]


def test_a_compressed_message_beyond_the_limit_is_refused():
    assert_too_big(compressed(TEXT, b"x" * (LIMIT + 1)))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("beyond", [0, 1, 1000])
def test_compressed_fragments_are_counted_together(opcode, beyond):
    first = sent(opcode, deflated(b"x" * LIMIT) + FLUSHED, fin=False, reserved=RSV1)
    last = sent(CONT, deflated(b"y" * beyond))
    if beyond:
        assert_too_big(first, last)
    else:
        assert len(messages_of(first, last)[0]) == LIMIT


def test_a_fragmented_message_is_refused_with_the_fragment_that_is_too_much():
    part = deflated(b"x" * 600) + FLUSHED
    first = sent(TEXT, part, fin=False, reserved=RSV1)
    assert_too_big(first, sent(CONT, part, fin=False))


def test_the_limit_is_of_each_compressed_message_not_of_all():
    assert messages_of(*[compressed(BINARY, b"x" * LIMIT)] * 3) == [b"x" * LIMIT] * 3


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_message_of_the_limit_that_compressing_makes_larger_is_received(level):
    payload = random.Random(1).randbytes(100_000)
    content = deflated(payload, level=level)
    assert len(content) > len(payload)
    assert messages_of(sent(BINARY, content, reserved=RSV1), limit=100_000) == [payload]


def test_fixed_codes_make_a_message_larger_by_an_eighth_and_no_more():
    compressor = zlib.compressobj(wbits=-15, strategy=zlib.Z_FIXED)
    payload = bytes(range(144, 256)) * 100
    random.Random(1).shuffle(shuffled := bytearray(payload))
    content = compressor.compress(shuffled) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert messages_of(
        sent(BINARY, content.removesuffix(FLUSHED), reserved=RSV1), limit=len(payload)
    ) == [bytes(shuffled)]


@pytest.mark.parametrize("size", [LIMIT + LIMIT // 8 + 65, 2**31, 2**64 - 1])
def test_more_than_a_message_could_become_is_refused_from_the_header_alone(size):
    assert_too_big(bytes([FIN | RSV1 | BINARY]) + length_of(size))


def test_what_is_not_compressed_may_not_be_larger_for_it():
    assert_too_big(bytes([FIN | BINARY]) + length_of(LIMIT + 1))


@pytest.mark.parametrize("streams", [1, 2, MAX_STREAMS])
def test_a_bomb_is_inflated_to_the_limit_and_no_further(streams):
    size = 64_000_000 // streams
    compressor = zlib.compressobj(wbits=-15)
    zeros = bytes(1_000_000)
    bomb = b"".join(compressor.compress(zeros) for _ in range(size // len(zeros)))
    bomb = (bomb + compressor.flush(zlib.Z_FINISH)) * streams + b"\x00"
    frame = sent(BINARY, bomb, key=bytes(4), reserved=RSV1)
    assert len(frame) < 1_000_000
    tracemalloc.start()
    try:
        assert_too_big(frame, limit=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


# Frames sent


@pytest.mark.parametrize("message", ["x" * 50, "ü€😀" * 2000, b"\x00\xff" * 70_000, "x" * 99_999])
def test_a_compressed_frame_is_smaller_and_holds_the_message(message):
    frame = deflated_frame(message, 1)
    assert inflated(frame) == message
    assert len(frame) < len(message)


def test_what_is_sent_needs_no_larger_window_than_was_agreed():
    text = random.Random(1).randbytes(5000).hex()
    assert inflated(deflated_frame(text * 4, 1), bits=12) == text * 4


@pytest.mark.parametrize(("message", "size"), [("x" * 100, 100), ("ü" * 50, 100), (b"x" * 9, 9)])
def test_the_threshold_counts_bytes(message, size):
    assert deflated_frame(message, size) is not None
    assert deflated_frame(message, size + 1) is None


@pytest.mark.parametrize("message", ["", "2", "3probe", "Hello", random.Random(1).randbytes(9000)])
def test_what_would_not_become_smaller_is_not_compressed(message):
    assert deflated_frame(message, 1) is None


@repeatable
@given(st.text(st.sampled_from("aü😀"), min_size=100, max_size=1000))
def test_a_compressed_frame_masked_by_a_client_comes_back_as_the_same_message(message):
    frame = deflated_frame(message, 1)
    content = frame[{126: 4}.get(frame[1], 2) :]
    assert messages_of(sent(TEXT, content, reserved=RSV1), limit=4000) == [message]


# 7.1 What is agreed to

NO_CONTEXT = "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12"


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ("permessage-deflate", ""),
        ("permessage-deflate; client_max_window_bits", ""),
        ("permessage-deflate;client_max_window_bits=15", "; client_max_window_bits=15"),
        ("permessage-deflate; client_max_window_bits=8", "; client_max_window_bits=8"),
        ('permessage-deflate; client_max_window_bits="10"', "; client_max_window_bits=10"),
        ("permessage-deflate; server_no_context_takeover", ""),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", ""),
        ("permessage-deflate; server_max_window_bits=12", ""),
        ("permessage-deflate; server_max_window_bits=15; client_max_window_bits", ""),
        ("permessage-bzip2, permessage-deflate", ""),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", ""),
        ("permessage-deflate; new=1, permessage-deflate; server_no_context_takeover", ""),
        (
            "permessage-deflate; client_max_window_bits=10, permessage-deflate",
            "; client_max_window_bits=10",
        ),
    ],
)
def test_the_first_offer_that_can_be_met_is_agreed_to(offered, agreed):
    assert opening.agree_to_compression(offered) == f"permessage-deflate; {NO_CONTEXT}{agreed}"


@pytest.mark.parametrize(
    "parameters",
    [
        "unknown",
        "server_max_window_bits",
        *(f"server_max_window_bits={bits}" for bits in ("7", "8", "11", "16", "012", "x", "12.0")),
        *(f"client_max_window_bits={bits}" for bits in ("7", "16", "09", "-12")),
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=12; server_max_window_bits=12",
        "client_max_window_bits; client_max_window_bits=12",
    ],
)
def test_an_offer_that_cannot_be_met_is_declined(parameters):
    assert opening.agree_to_compression(f"permessage-deflate; {parameters}") is None


@pytest.mark.parametrize("offered", ["", "permessage-bzip2", "x-webkit-deflate-frame", "a, b; c=d"])
def test_nothing_else_is_agreed_to(offered):
    assert opening.agree_to_compression(offered) is None


@pytest.mark.parametrize(
    "offered",
    [
        ";",
        "permessage-deflate;",
        "permessage-deflate; =1",
        "a b",
        'a; b="',
        "a; b=\x01",
        "ü",
        "a;b=()",
    ],
)
def test_what_is_no_list_of_extensions_is_refused(offered):
    with pytest.raises(ProtocolError, match="Sec-WebSocket-Extensions is expected to be a list of"):
        opening.agree_to_compression(offered)
