import itertools
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.websocket import handshake as opening
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.protocol.websocket.frames import frame
from tests.kit.frames import BINARY, CLOSE, CONT, FIN, PING, PONG, TEXT, closing, length_of, sent
from tests.kit.websocket_protocol import (
    BAD_TEXTS,
    LIMIT,
    assert_refused,
    failure_of,
    frame_of_pong,
    keys,
    messages,
    messages_of,
    read,
    repeatable,
    talk,
)

# Messages received


@pytest.mark.parametrize("text", ["", "hello", "4ü😀", "\x00", "\ufeffx"])
def test_a_masked_text_frame_is_a_str(text):
    assert messages_of(sent(TEXT, text.encode())) == [text]


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"hello"])
def test_a_masked_binary_frame_is_bytes(content):
    [message] = messages_of(sent(BINARY, content))
    assert message == content
    assert type(message) is bytes


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x00\x01\x02\x03"])
def test_any_masking_key_will_do(key):
    assert messages_of(sent(TEXT, b"hello", key=key)) == ["hello"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
def test_every_size_up_to_the_limit_is_received(size):
    assert messages_of(sent(BINARY, b"x" * size), limit=100_000) == [b"x" * size]


def test_a_message_of_exactly_the_limit_is_received():
    assert messages_of(sent(TEXT, b"x" * LIMIT)) == ["x" * LIMIT]


def test_all_messages_of_one_piece_are_received_in_their_order():
    assert messages_of(sent(TEXT, b"a") + sent(BINARY, b"b") + sent(TEXT, b"c")) == ["a", b"b", "c"]


def test_a_message_is_received_with_its_last_byte_and_once():
    protocol = WebSocketProtocol(LIMIT)
    data = sent(TEXT, b"hello")
    assert [protocol.receive(bytes([byte])) for byte in data] == [[]] * (len(data) - 1) + [
        ["hello"]
    ]
    assert protocol.receive(b"") == []


def test_fragments_are_one_message():
    pieces = sent(TEXT, b"he", fin=False), sent(CONT, b"ll", fin=False), sent(CONT, b"o")
    assert messages_of(*pieces) == ["hello"]


def test_binary_fragments_are_one_message_of_bytes():
    assert messages_of(sent(BINARY, b"\xff", fin=False), sent(CONT, b"\xc3")) == [b"\xff\xc3"]


@pytest.mark.parametrize(("opcode", "message"), [(TEXT, ""), (BINARY, b"")])
def test_empty_fragments_are_an_empty_message(opcode, message):
    empty = sent(CONT, fin=False)
    assert messages_of(sent(opcode, fin=False), empty * 3, sent(CONT)) == [message]


def test_a_message_follows_a_fragmented_one_whatever_its_kind():
    fragmented = sent(TEXT, b"a", fin=False) + sent(CONT, b"b")
    pieces = fragmented, sent(BINARY, b"\xff"), sent(BINARY, b"\xc3", fin=False), sent(CONT)
    assert messages_of(*pieces, fragmented) == ["ab", b"\xff", b"\xc3", "ab"]


@st.composite
def fragmented(draw, message):
    """The frames of a message, cut at random bytes, with pings between them."""
    payload = message.encode() if isinstance(message, str) else message
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    parts = [payload[a:b] for a, b in itertools.pairwise([0, *cuts, len(payload)])]
    frames = []
    for number, part in enumerate(parts):
        opcode = CONT if number else TEXT if isinstance(message, str) else BINARY
        frames.append(sent(opcode, part, fin=number == len(parts) - 1, key=draw(keys)))
    return frames


@st.composite
def conversations(draw):
    """Messages, and the bytes that carry them in random fragments, in random pieces."""
    contents = draw(st.lists(messages, min_size=1, max_size=4))
    frames = [one for content in contents for one in draw(fragmented(content))]
    pings = draw(st.lists(st.integers(0, len(frames)), max_size=3))
    for place in sorted(pings, reverse=True):
        frames.insert(place, sent(PING, b"?"))
    data = b"".join(frames)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    pieces = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
    return contents, len(pings), pieces


@repeatable
@example((["x"] * 40, 0, [b"".join(sent(TEXT, b"x") for _ in range(40))]))
@given(conversations())
def test_messages_come_out_whole_however_they_were_cut(conversation):
    contents, pings, pieces = conversation
    protocol, received = talk(*pieces, limit=2000)
    assert (received, protocol.error) == (contents, None)
    assert protocol.data_to_send() == (frame_of_pong(b"?") * pings, False)


@settings(repeatable, max_examples=150)
@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_survived_and_cutting_them_changes_no_message(data, cut):
    whole, together = talk(data)
    pieces, apart = talk(data[:cut], data[cut:])
    assert together == apart
    assert repr(whole.error) == repr(pieces.error)


# Masking, reserved bits, opcodes, lengths


@pytest.mark.parametrize("first", [FIN | TEXT, FIN | BINARY, TEXT, FIN | PING, FIN | CLOSE])
def test_an_unmasked_frame_is_refused(first):
    assert_refused(1002, bytes([first, 2]) + b"\x03\xe8")


def test_an_unmasked_frame_is_refused_from_its_header():
    assert_refused(1002, bytes([FIN | TEXT, 100]))


@pytest.mark.parametrize("reserved", [0x10, 0x20, 0x40, 0x70])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_reserved_bits_are_refused(opcode, reserved):
    assert_refused(1002, sent(opcode, reserved=reserved))


WITHIN = sent(TEXT, b"a", fin=False)


@pytest.mark.parametrize(
    ("before", "first"),
    [
        (b"", FIN | TEXT | 0x20),
        (b"", FIN | BINARY | 0x40),
        (b"", FIN | PING | 0x10),
        (b"", FIN | 0x3),
        (b"", PING),
        (b"", CLOSE),
        (b"", CONT),
        (b"", FIN | CONT),
        (WITHIN, FIN | TEXT),
        (WITHIN, BINARY),
        (WITHIN, FIN | CONT | 0x40),
    ],
)
@pytest.mark.parametrize("length", [5, 125, 126, 127])
def test_a_frame_that_may_not_come_is_refused_from_its_first_two_bytes(before, first, length):
    assert_refused(1002, before + bytes([first, FIN | length]))


def test_reserved_bits_are_refused_in_continuations_too():
    assert_refused(1002, sent(TEXT, b"a", fin=False), sent(CONT, b"b", reserved=0x40))


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("fin", [True, False])
def test_reserved_opcodes_are_refused(opcode, fin):
    assert_refused(1002, sent(opcode, b"x", fin=fin))


@pytest.mark.parametrize(("size", "form"), [(0, 126), (125, 126), (0, 127), (126, 127), (900, 127)])
def test_a_length_in_more_bytes_than_it_needs_is_refused(size, form):
    assert_refused(1002, sent(TEXT, b"x" * size, form=form))


@pytest.mark.parametrize(("size", "form"), [(125, 126), (5, 127)])
@pytest.mark.parametrize("opcode", [PING, PONG])
def test_a_control_frame_has_its_length_in_one_byte(opcode, size, form):
    assert_refused(1002, sent(opcode, b"x" * size, form=form))


# The limit


@pytest.mark.parametrize("size", [LIMIT + 1, 65535, 65536, 2**31, 2**62, 2**63, 2**64 - 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_length_beyond_the_limit_is_refused_from_the_header_alone(opcode, size):
    code, _, error = failure_of(bytes([FIN | opcode]) + length_of(size))
    assert code == 1009
    assert type(error) is MessageTooBig


def test_the_refusal_of_a_big_message_names_the_limit_and_its_setting():
    _, _, error = failure_of(sent(TEXT, b"x" * 1001))
    assert "more than 1000 bytes" in str(error)
    assert "SOCKETIO_MAX_MESSAGE_SIZE" in str(error)


def test_fragments_that_add_up_to_the_limit_are_received():
    pieces = [sent(TEXT, b"x" * 400, fin=False), sent(CONT, b"x" * 600)]
    assert messages_of(*pieces) == ["x" * LIMIT]


@pytest.mark.parametrize("fin", [True, False])
def test_fragments_that_add_up_beyond_the_limit_are_refused_from_the_header(fin):
    last = bytes([FIN if fin else 0]) + length_of(401)
    pieces = [sent(TEXT, b"x" * 300, fin=False), sent(CONT, b"x" * 300, fin=False), last]
    code, _, error = failure_of(*pieces)
    assert code == 1009
    assert type(error) is MessageTooBig


def test_the_limit_is_of_each_message_not_of_all():
    assert messages_of(*[sent(BINARY, b"x" * LIMIT)] * 3) == [b"x" * LIMIT] * 3


def test_the_limit_counts_bytes_not_characters():
    code, _, error = failure_of(sent(TEXT, "ü".encode() * 501))
    assert (code, type(error)) == (1009, MessageTooBig)


@pytest.mark.parametrize("opcode", [PING, PONG])
def test_control_frames_between_fragments_do_not_count_towards_the_limit(opcode):
    control = sent(opcode, b"p" * 125)
    pieces = [sent(BINARY, b"x" * 950, fin=False), control, control, sent(CONT, b"x" * 50)]
    protocol, received = talk(*pieces)
    assert (received, protocol.error) == ([b"x" * LIMIT], None)


# Fragmentation


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_a_new_message_within_a_fragmented_one_is_refused(opcode, fin):
    assert_refused(1002, sent(TEXT, b"a", fin=False), sent(opcode, b"b", fin=fin))


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_of_nothing_is_refused(fin):
    assert_refused(1002, sent(CONT, b"x", fin=fin))


def test_a_continuation_of_a_message_that_is_complete_is_refused():
    protocol, received = talk(sent(TEXT, b"a", fin=False), sent(CONT, b"b"), sent(CONT, b"c"))
    assert received == ["ab"]
    assert type(protocol.error) is ProtocolError


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_is_refused(opcode):
    assert_refused(1002, sent(opcode, fin=False))


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 65535, 65536, 2**40, 2**64 - 1])
def test_a_control_frame_over_125_bytes_is_refused_from_the_header_alone(opcode, size):
    assert_refused(1002, bytes([FIN | opcode]) + length_of(size))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_close_frame_within_a_message_closes(opcode):
    protocol, messages = talk(sent(opcode, b"1", fin=False) + closing(1000) + sent(CONT, b"2"))
    assert (messages, protocol.error) == ([], None)
    assert protocol.data_to_send() == (b"\x88\x02\x03\xe8", True)


@pytest.mark.parametrize("before", [b"", "ü".encode()[:1]])
@pytest.mark.parametrize("size", [50, 200, 900])
@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_bad_text_is_refused_before_its_frame_is_complete(before, size, cut):
    first = [sent(TEXT, before, fin=False)] if before else []
    text = (("ü".encode()[1:] if before else b"") + b"abc\xf4\x90").ljust(size)
    frame = sent(CONT if before else TEXT, text)[: -(size - 8)]
    assert_refused(1007, *first, *(frame[at : at + cut] for at in range(0, len(frame), cut)))


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("size", [126, 500])
def test_a_control_frame_over_125_bytes_is_refused(opcode, size):
    assert_refused(1002, sent(opcode, b"\x03\xe8" + b"x" * (size - 2)))


# Text


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_text_that_is_not_utf_8_is_refused(text):
    assert_refused(1007, sent(TEXT, text))


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_text_that_is_not_utf_8_is_refused_however_it_is_split(text):
    for cut in range(len(text) + 1):
        assert_refused(1007, sent(TEXT, text[:cut], fin=False), sent(CONT, text[cut:]))


@pytest.mark.parametrize("text", BAD_TEXTS)
def test_the_same_bytes_are_fine_as_binary(text):
    assert messages_of(sent(BINARY, text)) == [text]


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xf4\x90"])
def test_bad_text_is_refused_before_its_message_is_complete(bad):
    assert_refused(1007, sent(TEXT, b"ok", fin=False), sent(CONT, bad, fin=False))


@pytest.mark.parametrize("text", ["ü", "€", "😀", "aü€😀z"])
def test_a_character_may_be_split_between_fragments(text):
    whole = text.encode()
    for cut in range(len(whole) + 1):
        assert messages_of(sent(TEXT, whole[:cut], fin=False), sent(CONT, whole[cut:])) == [text]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("text", ["a\r\nb\n\rc\x85\u2028", "\ufeffx\ufeff", "\x00\x1aü€😀" * 50])
def test_text_in_pieces_is_the_same_text(text, size):
    data = text.encode()
    frame = sent(TEXT, data)
    assert messages_of(*(frame[at : at + size] for at in range(0, len(frame), size))) == [text]
    first, last = sent(TEXT, data[:4], fin=False), sent(CONT, data[4:])
    assert messages_of(first, last) == [text]


def test_a_character_may_be_split_around_an_empty_fragment_and_a_pong():
    pieces = sent(TEXT, b"\xc3", fin=False), sent(CONT, fin=False), sent(PONG), sent(CONT, b"\xbc")
    assert messages_of(*pieces) == ["ü"]


def test_messages_before_a_bad_one_are_received():
    protocol, received = talk(sent(TEXT, b"good") + sent(TEXT, b"\xff") + sent(TEXT, b"late"))
    assert received == ["good"]
    assert type(protocol.error) is ProtocolError


@pytest.mark.parametrize(
    "after", [closing(1000), sent(TEXT, b"x"), sent(PING), sent(0x3), b"\x81\x00"]
)
def test_what_follows_bad_text_in_the_same_piece_does_not_change_the_answer(after):
    assert_refused(1007, sent(TEXT, b"\xff") + after)


# Control frames


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff", b"x" * 125])
def test_a_ping_is_answered_with_the_same_payload(payload):
    protocol, received = talk(sent(PING, payload))
    assert received == []
    assert protocol.data_to_send() == (frame_of_pong(payload), False)


def test_each_of_several_pings_is_answered_in_their_order():
    protocol, _ = talk(sent(PING, b"1") + sent(PING, b"2"), sent(PING, b"3"))
    answers = b"".join(map(frame_of_pong, [b"1", b"2", b"3"]))
    assert protocol.data_to_send() == (answers, False)


def test_what_was_taken_to_be_sent_is_not_given_again():
    protocol, _ = talk(sent(PING, b"1"))
    protocol.data_to_send()
    assert protocol.data_to_send() == (b"", False)


def test_a_pong_that_nobody_asked_for_is_ignored():
    assert messages_of(sent(PONG, b"x") + sent(TEXT, b"a")) == ["a"]


def test_control_frames_may_come_between_fragments():
    pieces = sent(TEXT, b"a", fin=False), sent(PING, b"?"), sent(PONG), sent(CONT, b"b")
    protocol, received = talk(*pieces)
    assert received == ["ab"]
    assert protocol.data_to_send() == (frame_of_pong(b"?"), False)


# The closing handshake


def answer_to(*pieces):
    protocol, _ = talk(*pieces)
    data, eof = protocol.data_to_send()
    assert eof
    [answer] = read(data)
    return answer, protocol.error


@pytest.mark.parametrize("reason", [b"", b"bye", "tschüß".encode(), b"x" * 123])
def test_a_close_is_echoed_with_its_whole_reason(reason):
    answer, error = answer_to(closing(1000, reason))
    assert answer == (FIN | CLOSE, b"\x03\xe8" + reason)
    assert error is None


def test_an_empty_close_is_answered_with_an_empty_one():
    assert answer_to(sent(CLOSE)) == ((FIN | CLOSE, b""), None)


GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", GOOD_CODES)
def test_the_close_codes_of_the_registry_and_of_applications_are_echoed(code):
    assert answer_to(closing(code)) == ((FIN | CLOSE, struct.pack("!H", code)), None)


@pytest.mark.parametrize("code", BAD_CODES)
def test_close_codes_that_nobody_may_send_are_refused(code):
    assert_refused(1002, closing(code))


def test_a_close_of_one_byte_is_refused():
    assert_refused(1002, sent(CLOSE, b"\x03"))


@pytest.mark.parametrize("reason", [b"\xff", b"a\xc3", b"\xed\xa0\x80"])
def test_a_close_reason_that_is_not_utf_8_is_refused(reason):
    assert_refused(1007, closing(1000, reason))
    assert "the reason of a close frame is not UTF-8" in str(talk(closing(1000, reason))[0].error)


def test_before_a_close_tcp_stays_open():
    protocol, _ = talk(sent(TEXT, b"x"), sent(PING))
    assert protocol.data_to_send()[1] is False


@pytest.mark.parametrize(
    "after", [sent(TEXT, b"late"), sent(PING, b"?"), closing(1000), b"\xff\x00 junk", sent(3)]
)
@pytest.mark.parametrize("joined", [True, False])
def test_what_comes_after_a_close_is_ignored(after, joined):
    pieces = [closing(1000), after]
    protocol, received = talk(*([b"".join(pieces)] if joined else pieces))
    assert (received, protocol.error) == ([], None)
    assert protocol.data_to_send() == (b"\x88\x02\x03\xe8", True)


@pytest.mark.parametrize("after", [sent(TEXT, b"late"), sent(PING, b"?"), closing(1000), b"\x00"])
def test_what_comes_after_an_error_is_ignored(after):
    protocol, _ = talk(sent(TEXT, b"\xff"))
    first, answer = protocol.error, protocol.data_to_send()
    assert answer[1] is True
    assert protocol.receive(after) == []
    assert (protocol.error, protocol.data_to_send()) == (first, (b"", False))


def test_messages_before_a_close_in_the_same_piece_are_received():
    assert talk(sent(TEXT, b"last") + closing(1001))[1] == ["last"]


def test_a_close_within_a_fragmented_message_ends_the_connection_without_that_message():
    protocol, received = talk(sent(TEXT, b"a", fin=False), closing(1000), sent(CONT, b"b"))
    data, eof = protocol.data_to_send()
    assert (received, read(data)[0][0], eof) == ([], FIN | CLOSE, True)


def test_a_close_of_the_server_is_sent_and_tcp_stays_open_for_the_answer():
    protocol = WebSocketProtocol(LIMIT)
    protocol.close(1001, "bye")
    assert protocol.data_to_send() == (b"\x88\x05\x03\xe9bye", False)


def test_the_answer_to_the_servers_close_closes_tcp_and_is_not_answered():
    protocol = WebSocketProtocol(LIMIT)
    protocol.close(1000)
    protocol.data_to_send()
    protocol.receive(closing(1000))
    assert protocol.data_to_send() == (b"", True)


def test_pings_are_still_answered_while_the_servers_close_is_on_its_way():
    protocol = WebSocketProtocol(LIMIT)
    protocol.close(1000)
    protocol.data_to_send()
    protocol.receive(sent(PING, b"?"))
    assert protocol.data_to_send() == (frame_of_pong(b"?"), False)


def test_a_second_close_does_nothing():
    protocol = WebSocketProtocol(LIMIT)
    protocol.close(1000)
    protocol.data_to_send()
    protocol.close(1011, "again")
    assert protocol.data_to_send() == (b"", False)


@pytest.mark.parametrize("data", [closing(1000), sent(TEXT, b"\xff"), b"\x81\x00"])
def test_a_close_after_the_end_does_nothing(data):
    protocol, _ = talk(data)
    protocol.data_to_send()
    protocol.close(1000)
    assert protocol.data_to_send() == (b"", False)


@pytest.mark.parametrize("before", [b"", b"\x81", sent(TEXT, b"a", fin=False), sent(TEXT, b"a")])
def test_the_end_of_tcp_is_answered_with_the_end_and_is_no_error(before):
    protocol, _ = talk(before)
    protocol.receive_eof()
    assert protocol.data_to_send() == (b"", True)
    assert protocol.error is None


def test_the_end_of_tcp_after_a_close_is_answered_with_nothing_more():
    protocol, _ = talk(closing(1000))
    protocol.data_to_send()
    protocol.receive_eof()
    assert protocol.data_to_send() == (b"", False)


# Frames sent


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x00"),
        (1, b"\x01"),
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (127, b"\x7e\x00\x7f"),
        (65535, b"\x7e\xff\xff"),
        (65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (100_000, b"\x7f\x00\x00\x00\x00\x00\x01\x86\xa0"),
    ],
)
def test_a_frame_has_the_shortest_length_field_and_no_mask(size, header):
    assert frame("x" * size) == b"\x81" + header + b"x" * size
    assert frame(b"\xff" * size) == b"\x82" + header + b"\xff" * size


@pytest.mark.parametrize(("characters", "header"), [(62, b"\x7c"), (63, b"\x7e\x00\x7e")])
def test_the_length_of_a_text_frame_counts_bytes(characters, header):
    assert frame("ü" * characters) == b"\x81" + header + "ü".encode() * characters


@repeatable
@given(messages)
def test_a_frame_masked_by_a_client_comes_back_as_the_same_message(message):
    size = 2 if len(plain := frame(message)) < 128 else 4
    assert messages_of(sent(plain[0] & 0xF, plain[size:]), limit=2000) == [message]


@pytest.mark.parametrize("limit", [1, 50, 124])
def test_a_small_limit_holds_for_short_texts(limit):
    fits, too_long = sent(TEXT, b"x" * limit), sent(TEXT, b"x" * (limit + 1))
    assert messages_of(fits, fits + fits, limit=limit) == ["x" * limit] * 3
    assert failure_of(too_long, limit=limit)[0] == 1009
    protocol, messages = talk(fits, fits + too_long, limit=limit)
    assert messages == ["x" * limit] * 2
    assert type(protocol.error) is MessageTooBig


# The opening handshake

REQUEST = opening.Request("HTTP/1.1", "Upgrade", "websocket", "dGhlIHNhbXBsZSBub25jZQ==", "13")
FIELDS = {
    "connection": "Connection",
    "upgrade": "Upgrade",
    "key": "Sec-WebSocket-Key",
    "version": "Sec-WebSocket-Version",
}
"""The header fields of a handshake, by their names in a request."""


def accept(**fields):
    """Return the answer's fields to a request with these instead of the usual."""
    return dict(opening.accept(REQUEST._replace(**fields)))


def refusal(**fields):
    """Return why a request with these fields is refused."""
    with pytest.raises(ProtocolError) as refused:
        accept(**fields)
    return str(refused.value)


def test_a_handshake_is_accepted_with_the_hash_of_its_key():
    # The example of RFC 6455, section 1.3
    assert accept() == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("connection", "keep-alive, Upgrade"),
        ("connection", "keep-alive,upgrade"),
        ("connection", "upgrade"),
        ("upgrade", "WebSocket"),
    ],
)
def test_a_handshake_may_be_written_as_browsers_and_proxies_do(field, value):
    assert accept(**{field: value}) == accept()


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_named(field):
    assert refusal(**{field: ""}).startswith(f"missing {FIELDS[field]}: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("upgrade", "h2c"),
        ("upgrade", "websocket, h2c"),
        ("connection", "keep-alive"),
        ("connection", "close"),
        ("version", "0"),
        ("version", "8"),
        ("version", "12"),
        ("version", "14"),
        ("version", "13.0"),
        ("version", "13,13"),
        ("key", "short"),
        ("key", "eA=="),
        ("key", "dGhlIHNhbXBsZSBub25jZSE="),
        ("key", f"{REQUEST.key},{REQUEST.key}"),
        ("key", f"{REQUEST.key[:12]} {REQUEST.key[12:]}"),
        ("key", "\xfc" * 24),
        ("key", "*"),
    ],
)
def test_a_field_with_another_value_is_refused_and_shown(field, value):
    problem = refusal(**{field: value})
    assert FIELDS[field] in problem
    assert value[:60] in problem


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["\x7f", "a\x01b", "\x9c", "\ud800", "x" * 100_000])
def test_what_is_shown_of_a_bad_field_is_short_and_printable(field, value):
    problem = refusal(**{field: value})
    assert len(problem) < 200
    assert problem.isprintable()


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/0.9"])
def test_a_request_before_http_1_1_is_refused(version):
    assert version in refusal(http_version=version)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("my-protocol", "my-protocol"),
        ("first, second", "first"),
        ("first,second,third", "first"),
        (" first ,\tsecond", "first"),
        (",first", "first"),
        ("v1.!#$%&'*+^_`|~-", "v1.!#$%&'*+^_`|~-"),
    ],
)
def test_the_first_subprotocol_that_is_offered_is_chosen(offered, chosen):
    # Browsers fail a connection whose server chooses none (WebSockets Standard, "establish").
    assert accept(subprotocols=offered) == {**accept(), "Sec-WebSocket-Protocol": chosen}


@pytest.mark.parametrize(
    "offered",
    [
        ",",
        "two words",
        "first, two words",
        "first;second",
        '"quoted"',
        "first, first",
        "fi\xfcrst",
        "first\r\nSet-Cookie: a=b",
        "a/b",
        "first, \x00",
    ],
)
def test_subprotocols_that_are_not_a_list_of_different_tokens_are_refused_and_shown(offered):
    problem = refusal(subprotocols=offered)
    assert "Sec-WebSocket-Protocol" in problem
    assert repr(offered[:60]) in problem


def test_long_subprotocols_are_shown_in_short():
    assert len(refusal(subprotocols="a b" * 10_000)) < 200
