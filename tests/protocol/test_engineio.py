from base64 import encodebytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.engineio.packets import Packet, PacketType

repeatable = settings(derandomize=True, max_examples=60, deadline=None, database=None)

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1e"))
packets = st.builds(Packet, st.sampled_from(PacketType), text) | st.builds(
    Packet, st.just(PacketType.MESSAGE), st.binary()
)

ON_WEBSOCKET = [
    (Packet(PacketType.OPEN, "{}"), "0{}"),
    (Packet(PacketType.CLOSE), "1"),
    (Packet(PacketType.PING), "2"),
    (Packet(PacketType.PING, "probe"), "2probe"),
    (Packet(PacketType.PONG, "probe"), "3probe"),
    (Packet(PacketType.MESSAGE, "hello"), "4hello"),
    (Packet(PacketType.MESSAGE), "4"),
    (Packet(PacketType.UPGRADE), "5"),
    (Packet(PacketType.NOOP), "6"),
    (Packet(PacketType.MESSAGE, b"\x01\x02"), b"\x01\x02"),
    (Packet(PacketType.MESSAGE, b""), b""),
]


@pytest.mark.parametrize(("packet", "content"), ON_WEBSOCKET)
def test_a_packet_is_a_digit_and_its_text_or_its_bytes_alone(packet, content):
    assert engineio.encode(packet) == content


@pytest.mark.parametrize(("packet", "content"), ON_WEBSOCKET)
def test_a_websocket_message_is_a_packet(packet, content):
    assert engineio.decode(content) == packet


@pytest.mark.parametrize("content", ["7", "9x", "abc", "c4", "-1", " 4", "٤", "\x1e", "\x00"])
def test_an_unknown_packet_type_is_refused_and_named(content):
    with pytest.raises(ProtocolError) as error:
        engineio.decode(content)
    assert repr(content[0]) in str(error.value)


def test_an_empty_text_is_no_packet():
    with pytest.raises(ProtocolError, match="from 0 to 6"):
        engineio.decode("")


@repeatable
@given(packets)
def test_a_packet_comes_back_from_a_websocket_message(packet):
    assert engineio.decode(engineio.encode(packet)) == packet


@repeatable
@given(st.lists(packets, min_size=1, max_size=10))
def test_packets_come_back_from_a_payload_in_their_order(sent):
    contents = map(engineio.encode, sent)
    body = engineio.join_payload(map(engineio.payload_part, contents))
    assert list(engineio.decode_payload(body, max_packets=10)) == sent


@repeatable
@given(st.binary(max_size=40))
def test_any_body_is_packets_or_a_protocol_error(body):
    try:
        packets = list(engineio.decode_payload(body, max_packets=3))
    except ProtocolError:
        return
    assert 1 <= len(packets) <= 3


@pytest.mark.parametrize(
    ("packet", "part"),
    [
        (Packet(PacketType.MESSAGE, "hello"), b"4hello"),
        (Packet(PacketType.MESSAGE, "ü"), b"4\xc3\xbc"),
        (Packet(PacketType.MESSAGE, b"\x01\x02\x03\x04"), b"bAQIDBA=="),
        (Packet(PacketType.MESSAGE, b"\xfb\xff"), b"b+/8="),
        (Packet(PacketType.MESSAGE, b""), b"b"),
        (Packet(PacketType.NOOP), b"6"),
    ],
)
def test_binary_is_base64_after_a_b_in_a_payload(packet, part):
    assert engineio.payload_part(engineio.encode(packet)) == part
    assert list(engineio.decode_payload(part, max_packets=1)) == [packet]


def test_packets_of_a_payload_are_separated_by_the_record_separator():
    assert engineio.join_payload([b"4hello", b"2", b"bAQIDBA=="]) == b"4hello\x1e2\x1ebAQIDBA=="


def test_a_payload_may_mix_text_and_binary():
    packets = list(engineio.decode_payload(b"4hello\x1ebAQIDBA==\x1e4w", max_packets=3))
    assert [packet.data for packet in packets] == ["hello", b"\x01\x02\x03\x04", "w"]


@pytest.mark.parametrize(
    "body",
    [b"", b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b", b"4a\x1e7", b"abc", b"4a\x1eabc"],
)
def test_a_payload_with_something_that_is_no_packet_is_refused_as_a_whole(body):
    with pytest.raises(ProtocolError, match="from 0 to 6"):
        list(engineio.decode_payload(body, max_packets=10))


@pytest.mark.parametrize(
    "text",
    [
        "+/8AAQ==\n",  # Java and MIME: a line break at the end
        "+/8A\r\nAQ==\r\n",  # and within, every 76 characters
        " +/8A\tAQ = =\f",
        "+/8AAQ",  # without padding
        "+/8AAQ=",
        "+/8AAQ====",
        "-_8AAQ==",  # the alphabet for URLs
        "-_8AAQ",
        "-/8A\nAQ",
    ],
)
def test_base64_is_taken_as_the_encoders_of_clients_write_it(text):
    packets = engineio.decode_payload(f"b{text}\x1e4after".encode(), max_packets=2)
    assert [packet.data for packet in packets] == [b"\xfb\xff\x00\x01", "after"]


def test_binary_may_be_base64_on_a_websocket_as_well():
    # The official client's option forceBase64
    assert engineio.decode("bAQIDBA==") == Packet(PacketType.MESSAGE, b"\x01\x02\x03\x04")
    with pytest.raises(ProtocolError, match=r"not base64: 'AQ\?'"):
        engineio.decode("bAQ?")


def test_long_binary_in_lines_of_76_characters():
    data = bytes(range(256)) * 40
    (packet,) = engineio.decode_payload(b"b" + encodebytes(data), max_packets=1)
    assert packet == Packet(PacketType.MESSAGE, data)


@pytest.mark.parametrize(
    "body", [b"b!!!!", b"bAQ?ID", b"bA", b"bAQIDB", b"bA===", "bü".encode(), b"bAQ==AQ==", b"b=AQ"]
)
def test_binary_that_is_not_base64_is_refused_and_named(body):
    with pytest.raises(ProtocolError, match="not base64") as error:
        list(engineio.decode_payload(body, max_packets=10))
    assert repr(body.decode()[1:]) in str(error.value)


def test_long_binary_that_is_not_base64_is_quoted_in_short():
    with pytest.raises(ProtocolError, match="not base64") as error:
        list(engineio.decode_payload(b"b" + b"?" * 100_000, max_packets=1))
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("body", [b"4\xff", b"4\xc3", b"4\xed\xa0\x80", b"\x80"])
def test_a_payload_that_is_not_utf_8_is_refused(body):
    with pytest.raises(ProtocolError, match="not UTF-8"):
        list(engineio.decode_payload(body, max_packets=10))


def test_as_many_packets_as_allowed_are_taken():
    body = engineio.join_payload([b"4"] * 1000)
    assert len(list(engineio.decode_payload(body, max_packets=1000))) == 1000


@pytest.mark.parametrize("count", [4, 100_000])
def test_more_packets_than_allowed_are_refused_with_the_name_of_the_setting(count):
    with pytest.raises(ProtocolError, match=r"more than 3 packets \(SOCKETIO_MAX_PAYLOAD_PACKETS"):
        list(engineio.decode_payload(engineio.join_payload([b"4"] * count), max_packets=3))


@pytest.mark.parametrize("content", ["2[]", "", b"x", b""])
def test_messages_are_written_and_read_as_their_packets_are(content):
    message = engineio.encode_message(content)
    assert message == engineio.encode(Packet(PacketType.MESSAGE, content))
    assert engineio.message_in(message) == content


@pytest.mark.parametrize("data", ["", "2", "3probe", "x", "\uff14", "\U0001d7d2"])
def test_what_is_no_message_is_not_taken_for_one(data):
    assert engineio.message_in(data) is None


def test_100_kilobytes_of_binary_come_back_from_a_payload():
    packet = Packet(PacketType.MESSAGE, bytes(range(256)) * 400)
    assert list(engineio.decode_payload(engineio.payload_part(engineio.encode(packet)), 1)) == [
        packet
    ]
