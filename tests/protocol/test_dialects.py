"""Dialects that the package does not speak have their place: each is a form of the event."""

import json
from base64 import b64encode
from itertools import count

import pytest

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.registry import Channels
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import Retentions, channel_topic
from django_socketio.sockets.encoder import Encoder
from django_socketio.transports.encoded import EncodedPacket, deflated, payload_parts
from tests.kit.receiver import Receiver

# Engine.IO 3 (https://github.com/socketio/engine.io-protocol/tree/v3): binary begins with the
# packet's type, and each packet of a payload with its length in characters.


def version_3(encoded):
    def content(packet):
        return packet if isinstance(packet, str) else b"\x04" + packet

    return EncodedPacket(list(map(content, encoded.contents)))


def version_3_payload(encoded):
    def part(packet):
        text = packet if isinstance(packet, str) else "b4" + b64encode(packet).decode()
        return f"{len(text)}:{text}".encode()

    return b"".join(map(part, encoded.contents))


def server_sent(event):
    return f"event: {event.data[0]}\ndata: {event.text}\n\n".encode()


def with_offset(event):
    offset = f"offset-{event.delivery.position.offset}"
    text = f"{event.text[:-1]},{json.dumps(offset)}]"
    data = [*event.data, offset]
    return EncodedEvent(event.namespace, data, event.id, text, event.attachments)


DIALECTS = {
    "websocket": lambda event: event.frames,
    "deflated": lambda event: event.render(deflated(10)).frames,
    "polling": lambda event: event.render(payload_parts),
    "version 3": lambda event: event.render(version_3).frames,
    "version 3, polling": lambda event: event.render(version_3_payload),
    "server-sent": lambda event: event.render(server_sent),
    "offset": lambda event: event.render(with_offset).frames,
    "offset, polling": lambda event: event.render(with_offset).render(payload_parts),
}


class Value:
    """A value that JSON does not know, and that counts how often it is encoded."""

    def __init__(self):
        self.encoded = count()

    def as_json(self):
        next(self.encoded)
        return "v"


@pytest.fixture
def channels():
    return Channels(
        MemoryRelay(Value.as_json, Retentions()), Encoder(Value.as_json).delivery, 1_000_000
    )


def receivers(channels, namespace="/"):
    """Put two receivers of each dialect on a channel."""
    all_of_them = {
        name: [Receiver(rendered, f"{name} {number}") for number in (1, 2)]
        for name, rendered in DIALECTS.items()
    }
    for pair in all_of_them.values():
        for receiver in pair:
            channels.add(channel_topic(namespace, "room"), receiver)
    return all_of_them


def publish(channels, *args, namespace="/"):
    return channels.publish(Envelope((channel_topic(namespace, "room"),), namespace, "ping", args))


def test_each_receiver_gets_an_event_in_its_dialect(channels):
    pairs = receivers(channels)
    assert publish(channels, "ü") == 2 * len(DIALECTS)
    assert {name: first.received for name, (first, _) in pairs.items()} == {
        "websocket": [b'\x81\x0f42["ping","\xc3\xbc"]'],
        "deflated": [b'\x81\x0f42["ping","\xc3\xbc"]'],  # it would not become smaller
        "polling": [[b'42["ping","\xc3\xbc"]']],
        "version 3": [b'\x81\x0f42["ping","\xc3\xbc"]'],
        "version 3, polling": [b'14:42["ping","\xc3\xbc"]'],
        "server-sent": [b'event: ping\ndata: ["ping","\xc3\xbc"]\n\n'],
        "offset": [b'\x81\x1a42["ping","\xc3\xbc","offset-1"]'],
        "offset, polling": [[b'42["ping","\xc3\xbc","offset-1"]']],
    }


def test_binary_has_the_form_of_each_dialect(channels):
    pairs = receivers(channels, "/chat")
    publish(channels, b"\x00\xff", namespace="/chat")
    text = b'451-/chat,["ping",{"_placeholder":true,"num":0}]'
    longer = text[:-1] + b',"offset-1"]'

    def frame(text):
        return b"\x81" + bytes([len(text)]) + text

    assert {name: first.received for name, (first, _) in pairs.items()} == {
        "websocket": [frame(text) + b"\x82\x02\x00\xff"],
        "deflated": [frame(text) + b"\x82\x02\x00\xff"],
        "polling": [[text, b"bAP8="]],
        "version 3": [frame(text) + b"\x82\x03\x04\x00\xff"],
        "version 3, polling": [b"%d:%b6:b4AP8=" % (len(text), text)],
        "server-sent": [b'event: ping\ndata: ["ping",{"_placeholder":true,"num":0}]\n\n'],
        "offset": [frame(longer) + b"\x82\x02\x00\xff"],
        "offset, polling": [[longer, b"bAP8="]],
    }


def test_a_form_is_rendered_once_and_only_for_receivers_that_need_it(channels):
    rendered = []

    def shown(event):
        rendered.append(event.data)
        return event.text

    DIALECTS["shown"] = lambda event: event.render(shown)
    try:
        publish(channels, 1)
        pairs = receivers(channels)
        assert publish(channels, 2) == 2 * len(DIALECTS)
    finally:
        del DIALECTS["shown"]
    assert rendered == [["ping", 2]]
    for first, second in pairs.values():
        assert first.received[0] is second.received[0]


def test_the_values_of_an_event_are_encoded_once_for_all_dialects(channels):
    value = Value()
    receivers(channels)
    publish(channels, value)
    assert next(value.encoded) == 1


def test_a_value_that_cannot_be_encoded_reaches_nobody(channels):
    pairs = receivers(channels)
    with pytest.raises(AttributeError):
        publish(channels, object())
    assert not any(receiver.received for pair in pairs.values() for receiver in pair)
