import base64

import pytest

from django_socketio.protocol.engineio.packets import PacketType
from django_socketio.protocol.websocket import frames as websocket
from django_socketio.transports import encoded
from django_socketio.transports.encoded import EncodedPacket, deflated, payload_parts

TEXT = '42["ü"]'
BINARY = b"\x00\xff"
LONG = '42["message","' + "x" * 1000 + '"]'


def test_frames_are_the_websocket_frames_of_all_packets_in_their_order():
    assert EncodedPacket([TEXT, BINARY]).frames == b'\x81\x0842["\xc3\xbc"]' + b"\x82\x02\x00\xff"


def test_parts_are_the_packets_as_a_payload_holds_them():
    assert EncodedPacket([TEXT, BINARY]).render(payload_parts) == [b'42["\xc3\xbc"]', b"bAP8="]


def test_compressed_frames_are_those_of_packets_that_become_smaller():
    frames = EncodedPacket([TEXT, LONG, BINARY]).render(deflated(100)).frames
    compressed = websocket.deflated_frame(LONG, 100)
    assert frames == b'\x81\x0842["\xc3\xbc"]' + compressed + b"\x82\x02\x00\xff"


def test_the_compressed_form_is_made_once_for_all_who_take_it():
    sent = EncodedPacket([LONG])
    assert sent.render(deflated(100)) is sent.render(deflated(100))
    assert sent.render(deflated(100)).frames is sent.render(deflated(100)).frames


def test_who_takes_compressed_frames_shares_the_plain_ones_where_nothing_is_compressed():
    sent = EncodedPacket([TEXT, LONG])
    assert sent.render(deflated(10_000)).frames is sent.frames


def test_the_compressed_form_does_not_stand_in_for_the_others():
    sent = EncodedPacket([LONG])
    assert sent.render(deflated(100)).contents == [LONG]
    assert (sent.frames, sent.render(payload_parts)) == (websocket.frame(LONG), [LONG.encode()])


FORMS = [lambda sent: sent.frames, lambda sent: sent.render(payload_parts)]


@pytest.mark.parametrize("first", FORMS, ids=["frames", "parts"])
def test_the_form_made_first_does_not_stand_in_for_the_other(first):
    sent = EncodedPacket([BINARY])
    first(sent)
    assert (sent.frames, sent.render(payload_parts)) == (b"\x82\x02\x00\xff", [b"bAP8="])


@pytest.mark.parametrize("form", FORMS, ids=["frames", "parts"])
def test_each_form_is_made_once_for_all_receivers(form):
    sent = EncodedPacket([TEXT, BINARY])
    assert form(sent) is form(sent)


def test_the_packets_stay_at_hand():
    assert EncodedPacket([TEXT, BINARY]).contents == [TEXT, BINARY]


def test_nothing_to_send_is_nothing_in_every_form():
    assert (EncodedPacket([]).frames, EncodedPacket([]).render(payload_parts)) == (b"", [])


def test_100_kilobytes_of_binary_take_both_forms():
    content = bytes(range(256)) * 400
    sent = EncodedPacket([content])
    assert sent.frames == b"\x82\x7f" + len(content).to_bytes(8, "big") + content
    assert sent.render(payload_parts) == [b"b" + base64.b64encode(content)]


@pytest.mark.parametrize(
    ("sent", "frame", "part"),
    [
        (encoded.PING, b"\x81\x012", b"2"),
        (encoded.PROBE_ANSWER, b"\x81\x063probe", b"3probe"),
        (encoded.one(PacketType.NOOP), b"\x81\x016", b"6"),
        (encoded.one(PacketType.CLOSE), b"\x81\x011", b"1"),
        (encoded.one(PacketType.OPEN, "{}"), b"\x81\x030{}", b"0{}"),
    ],
)
def test_a_single_packet_is_ready_for_both_transports(sent, frame, part):
    assert (sent.frames, sent.render(payload_parts)) == (frame, [part])
