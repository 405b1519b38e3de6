"""What holds for any bytes: a little of ``make fuzz``, the same every time."""

import json
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import MessageTooBig, ProtocolError
from django_socketio.protocol.engineio import packets as engineio
from django_socketio.protocol.socketio import packets as socketio
from django_socketio.protocol.socketio.payloads import RESERVED_EVENTS
from django_socketio.protocol.websocket.connection import WebSocketProtocol
from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind
from tests.fuzz import engineio as payloads
from tests.fuzz import envelopes, frames, heads, packets, requests
from tests.fuzz.targets import TARGETS

repeatable = settings(derandomize=True, max_examples=150, deadline=None, database=None)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes(target):
    for data in target.inputs(seed=1, count=3000):
        try:
            target.check(data)
        except Exception as error:
            raise AssertionError(f"({target.name!r}, {data!r})") from error


# Inputs that were findings once.

FOUND = [
    (payloads, b"bAQID==\x1e4x"),
    (frames, b"*\xfe\xfe\xfe\xfe\xa5=\xc0\x88\x82\x00\x00\x00\x00\x03\xe8\xfe\x01-"),
    (frames, b"*!\x88\x85\x00\x00\x00\x00\x03\xe8bye"),
    (frames, b"*\x89\xfe\x01\x00" + b"x" * 300),
    (frames, b"*a\xa4\x81a\xa4\x81a\xa4\xa1"),
    (frames, b"*\x01\x82\0\0\0\0ab\x88\x82\0\0\0\0\x03\xe8\x80\x80\0\0\0\0"),
    (packets, b'6000000000000000000001-/admin,456[{"a":0}]\x1e\0x'),
    (packets, b"0" + b"1234567890" * 60 + b'-/admin,456[{"a":0}]'),
    (packets, b'51-["a"' + b',{"_placeholder":true,"num":0}' * 4 + b"]\x1e\0x"),
    (
        envelopes,
        b'{"version":2,"kind":"event","id":"id2","topics":[",/"],"exclude":"s",'
        b'"packet":"51-/chat,[\\"x\\",{\\"_placeholder\\":true,\\"Num\\":0},'
        b'{\\"_placeholder\\":true,\\"num\\":0}]","attachments":["AP8="]}',
    ),
    (
        envelopes,
        b'@ 0 {"version":2,"kind":"event","id":"a","topics":["channel,/,a"],"exclude":null,'
        b'"packet":"2[\\"a\\"]","attachments":[]}',
    ),
    (
        envelopes,
        b'{"version":2,"kind":"event","topics":["channel,/,a"],"exclude":null,"id":[],'
        b'"packet":"2[\\"a\\"]",'
        b'"attachments":[]}',
    ),
]


def test_a_length_that_is_a_digit_to_unicode_only():
    requests.check_body(b"\xb2")


def test_a_head_that_ends_with_two_bare_line_feeds_is_read_the_same_in_pieces():
    heads.check_fields(b"Host: localhost\r\nX-Field: a\r\n\n\r\n\r\r\n \xd0")


@pytest.mark.parametrize(("module", "data"), FOUND, ids=range(len(FOUND)))
def test_what_was_found_before(module, data):
    module.check(data)


# What was encoded is decoded to the same

numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec=None), max_size=20)
scalars = st.none() | st.booleans() | numbers | texts
keys = texts.filter(lambda key: key != "_placeholder")
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)
values = st.recursive(
    scalars | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
)
names = texts.filter(lambda name: name not in RESERVED_EVENTS)
namespaces = st.just("/") | st.text(st.characters(exclude_characters=",", codec="utf-8")).map(
    lambda text: "/" + text
)
ids = st.none() | st.integers(0, 10**16 - 1)


@repeatable
@given(namespaces, names, st.lists(values, max_size=4), ids)
def test_an_event_survives_its_encoding(namespace, name, args, id):
    assert_survives(socketio.Packet(socketio.PacketType.EVENT, namespace, [name, *args], id))


@repeatable
@given(namespaces, st.lists(values, max_size=4), st.integers(0, 10**16 - 1))
def test_an_acknowledgment_survives_its_encoding(namespace, args, id):
    assert_survives(socketio.Packet(socketio.PacketType.ACK, namespace, args, id))


@repeatable
@given(namespaces, st.none() | st.dictionaries(keys, json_values, max_size=4))
def test_a_connect_survives_its_encoding(namespace, auth):
    assert_survives(socketio.Packet(socketio.PacketType.CONNECT, namespace, auth))


def assert_survives(packet):
    decoder, decoded = socketio.Decoder(1_000_000), None
    for message in socketio.encode(packet):
        assert decoded is None
        decoded = decoder.feed(message)
    assert decoded == packet


payload_packets = st.builds(
    engineio.Packet,
    st.sampled_from(engineio.PacketType),
    st.text(st.characters(codec="utf-8", exclude_characters="\x1e")),
) | st.builds(engineio.Packet, st.just(engineio.PacketType.MESSAGE), st.binary())


@repeatable
@given(st.lists(payload_packets, min_size=1, max_size=10))
def test_a_payload_survives_its_encoding(packets):
    contents = map(engineio.encode, packets)
    body = engineio.join_payload(map(engineio.payload_part, contents))
    assert list(engineio.decode_payload(body, len(packets))) == packets
    with pytest.raises(ProtocolError, match="SOCKETIO_MAX_PAYLOAD_PACKETS"):
        list(engineio.decode_payload(body, len(packets) - 1))


topics = st.builds(Topic, st.sampled_from(TopicKind), namespaces, st.text())


@repeatable
@given(
    st.lists(topics, max_size=4).map(tuple),
    namespaces,
    names,
    st.lists(values, max_size=4).map(tuple),
    st.none() | texts,
)
def test_an_envelope_survives_its_encoding(topics, namespace, event, args, exclude):
    envelope = Envelope(topics, namespace, event, args, exclude)
    assert wire.decode(wire.encode(envelope)) == envelope


good_fields = {
    "version": st.just(2),
    "kind": st.just("event"),
    "id": st.just("id"),
    "topics": st.just(["channel,/,a", "later,/,b"]),
    "exclude": st.none(),
    "packet": st.just('2["a",1]'),
    "attachments": st.just([]),
}


@repeatable
@given(
    st.sampled_from(list(good_fields)).flatmap(
        lambda name: st.fixed_dictionaries({**good_fields, name: json_values})
    )
)
def test_an_envelope_with_anything_in_one_of_its_fields(content):
    envelopes.check(json.dumps(content).encode())


# Big and nasty: what takes longer than its size makes reasonable

MB = 1_000_000
PLACE = '{"_placeholder":true,"num":0}'

TEXTS = {
    "digits": "2" + "1" * MB,
    "digits of a number": "2[" + "1" * MB + "]",
    "many long numbers": "2[" + ",".join(["1" * 4000] * 250) + "]",
    "a number that is tiny": '2["a",1e-' + "9" * MB + "]",
    "a number with a long fraction": '2["a",0.' + "1" * MB + "]",
    "arrays in arrays": "2" + "[" * MB,
    "objects in objects": "2[" + '{"a":' * (MB // 5),
    "arrays in arrays, closed": '2["a",' + "[" * (MB // 2) + "]" * (MB // 2) + "]",
    "deep, but allowed": '2["a",' + "[" * 900 + "]" * 900 + "]",
    "a namespace": "2/" + "x" * MB,
    "commas": "2/" + "," * MB,
    "dashes": "51" + "-" * MB,
    "a count": "5" + "1" * MB + "-[]",
    "quotes": "2" + '"' * MB,
    "escapes": '2["' + "\\u0041" * (MB // 6) + '"]',
    "lone surrogates": '2["' + "\\ud800" * (MB // 6) + '"]',
    "backslashes": '2["' + "\\" * MB,
    "spaces": "2" + " " * MB,
    "empty strings": "2[" + '"",' * (MB // 3) + '""]',
    "the same key": '2["a",{' + '"k":1,' * (MB // 6) + '"k":1}]',
    "reserved name": '2["' + "x" * MB + '"]',
    "placeholders": '51-["a"' + f",{PLACE}" * (MB // 30) + "]",
    "an event's name that is a number": "2[" + "1" * 4000 + "]",
    "letters": "x" * MB,
}


def takes_less_than(limit, call, *args):
    """Whether a call takes less than ``limit`` seconds of the processor, at best."""
    for _ in range(5):
        began = time.thread_time()
        call(*args)
        if time.thread_time() - began < limit:
            return True
    return False


@pytest.mark.parametrize("name", TEXTS)
def test_a_megabyte_of_a_packet_is_read_in_a_blink(name):
    assert takes_less_than(0.15, read_packet, TEXTS[name])


def read_packet(text):
    decoder = socketio.Decoder(10)
    try:
        packet = decoder.feed(text) or decoder.feed(b"x")
        if packet is not None:
            socketio.encode(packet)
    except ProtocolError as error:
        assert len(str(error)) < 500
    except ValueError as error:  # of encoding: Python's stack may be too small for it
        assert "nested too deeply" in str(error)


BODIES = {
    "separators": b"\x1e" * MB,
    "noops": b"6\x1e" * (MB // 2),
    "base64": b"b" + b"A" * MB,
    "base64 with a mistake at its end": b"b" + b"A" * MB + b"!",
    "padding": b"b" + b"=" * MB,
    "many base64": b"b\x1e" * (MB // 2),
    "UTF-8 with a mistake at its end": "ü".encode() * (MB // 2) + b"\xff",
    "mistakes": b"\xff" * MB,
    "letters": b"x" * MB,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_megabyte_of_a_payload_is_read_in_a_blink(name):
    assert takes_less_than(0.3, read_payload, BODIES[name])


def read_payload(body):
    try:
        list(engineio.decode_payload(body, 100_000))
    except ProtocolError as error:
        assert len(str(error)) < 500


STREAMS = {
    "fragments of nothing": frames.sent(0x01) + frames.sent(0x00) * (MB // 6),
    "texts of nothing": frames.sent(0x81) * (MB // 6),
    "pings": frames.sent(0x89) * (MB // 6),
    "pongs": frames.sent(0x8A) * (MB // 6),
    "fragments of one byte": frames.sent(0x02, b"x") + frames.sent(0x00, b"x") * (MB // 7),
    "a close frame first": frames.sent(0x88) + frames.sent(0x81) * (MB // 6),
    "a mistake first": frames.sent(0x83) + frames.sent(0x81) * (MB // 6),
    "compressed texts of nothing": frames.sent(0xC1, b"\0") * (MB // 7),
    "compressed texts of 16 streams": frames.sent(0xC1, b"\3\0" * 15 + b"\0") * (MB // 37),
    "compressed fragments": frames.sent(0x41, frames.FLUSHED)
    + frames.sent(0, frames.FLUSHED) * (MB // 11),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [MB, 1000, 10])
def test_frames_take_as_long_as_their_number_allows(name, size):
    data = STREAMS[name][: MB // 10]  # 16,666 frames
    assert takes_less_than(0.8, read_frames, data, size)


@pytest.mark.parametrize("opcode", [0x81, 0x82])
def test_a_megabyte_in_small_pieces_is_not_copied_again_and_again(opcode):
    data = bytes([opcode, 0xFF]) + MB.to_bytes(8, "big") + bytes(4) + b"x" * MB
    assert takes_less_than(0.5, read_frames, data, 1000)


def test_a_message_in_single_bytes_takes_little_more_than_its_size():
    data = bytes([0x81, 0xFF]) + MB.to_bytes(8, "big") + bytes(4) + "€".encode() * (MB // 20)
    protocol = WebSocketProtocol(MB)
    tracemalloc.start()
    try:
        for at in range(0, len(data), 2):
            protocol.receive(data[at : at + 2])
        assert tracemalloc.get_traced_memory()[0] < MB
    finally:
        tracemalloc.stop()


def read_frames(data, size):
    protocol = WebSocketProtocol(MB, compression=True)
    for start in range(0, len(data), size):
        protocol.receive(data[start : start + size])
        while protocol.rest:
            protocol.receive(b"")
        protocol.data_to_send()


def test_a_message_beyond_the_limit_is_never_collected():
    for first in (0x81, 0x82, 0x01, 0x02):
        protocol = WebSocketProtocol(1000)
        protocol.receive(bytes([first, 0xFF]) + (2**62).to_bytes(8, "big"))
        assert isinstance(protocol.error, MessageTooBig)


# What a process delivers of a topic whose messages come late, twice or never

arrivals = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(1, 8)), max_size=20)


@repeatable
@given(arrivals, st.sets(st.integers(1, 8)))
def test_messages_of_a_topic_are_delivered_in_order_once_or_told_lost(arrivals, logged):
    delivered, epoch, last, lost = [], None, 0, 0
    sequencer = envelopes.sequencer(delivered.append, logged)
    reached = {}
    for name, number in arrivals:
        told, before = sequencer.count_of_losses, len(delivered)
        reached[name] = max(reached.get(name, 0), number)
        sequencer.log.at = StreamPosition(name, reached[name])
        sequencer.receive(envelopes.TOPIC, envelopes.message(name, number))
        news = [delivery.envelope.args[0] for delivery in delivered[before:]]
        if name == epoch and number <= last:
            assert news == []  # it was there before
            continue
        begins = last if name == epoch else None
        missing = expected_missing(epoch, begins, number, logged)
        assert news == [*missing, number]
        lost = number_of_lost(epoch, begins, number, missing)
        assert (sequencer.count_of_losses - told > 0) == lost
        epoch, last = name, number


def expected_missing(epoch, last, number, logged):
    """Return what the log has between the last message and this one, of the same epoch."""
    if epoch is None or last is None:
        return []
    return [between for between in range(last + 1, number) if between in logged]


def number_of_lost(epoch, last, number, missing):
    """Whether messages are missing for good: of this epoch, or all those of a new one."""
    if epoch is None:
        return False
    if last is None:
        return number != 1
    return len(missing) < number - last - 1
