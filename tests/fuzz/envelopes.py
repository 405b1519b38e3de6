"""Envelopes of the relay, as they come from Redis, where anything may write."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.envelope import Delivery, Envelope, EnvelopeKind, StreamPosition
from django_socketio.relay.redis.decoder import MessageDecoder
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.log import LogPart
from django_socketio.relay.redis.sequencer import Sequencer
from django_socketio.relay.redis.subscription import Beginning
from django_socketio.relay.topics import (
    DEFAULT_RETENTIONS,
    Topic,
    TopicKind,
    channel_topic,
    everyone_topic,
)
from tests.fuzz.engineio import refusal_is_fit_to_be_told
from tests.fuzz.packets import is_finite
from tests.fuzz.target import Target

TOPIC = channel_topic("/", "a")
LOGINS = Topic(TopicKind.CONTROL, name="logins")


def check_envelope(envelope: Envelope) -> None:
    """Check that every field is what the rest of the package takes it for."""
    assert all(type(topic) is Topic for topic in envelope.topics), envelope.topics
    assert type(envelope.topics) is tuple
    assert type(envelope.namespace) is type(envelope.name) is type(envelope.id) is str
    assert envelope.exclude is None or type(envelope.exclude) is str
    if is_finite(list(envelope.args)):
        assert wire.decode(wire.encode(envelope)) == envelope


def check(data: bytes) -> None:
    """Take any envelope, by itself and as a message of a channel."""
    try:
        envelope = wire.decode(data)
    except wire.UnknownKind as unknown:
        assert type(unknown.kind) is type(unknown.id) is str
        envelope = None
    except ProtocolError as error:
        refusal_is_fit_to_be_told(error)
        envelope = None
    else:
        check_envelope(envelope)
        content = json.loads(data)
        for attachment in content.get("attachments", ()):
            assert b64decode(attachment, validate=True) is not None
    delivered = receive(b"epoch 1 " + data, b"epoch 2 " + data, data)
    # What comes after something foreign is delivered all the same.
    contents = [delivery.envelope for delivery in delivered[:2]]
    if envelope is not None:
        assert contents == contents[:1] * len(contents)
    else:
        assert contents in ([], [placed(data)])


def placed(data: bytes) -> Envelope | None:
    """Return the envelope of an input that is a whole message, its place included."""
    try:
        return wire.decode(wire.decode_place(data)[1])
    except (ValueError, wire.UnknownKind):
        return None


class Log:
    """A log that has some messages: Redis is not needed to read what came from it."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._numbers = sorted(numbers)
        self.at: StreamPosition | None = None

    def position(self, topic: Topic) -> StreamPosition | None:
        return self.at

    def shared(self, key: str) -> None:
        return None

    def unused(self, topic: Topic) -> tuple[int, int]:
        return 0, 0

    def part(self, topic: Topic, after: StreamPosition | None, count: int | None) -> LogPart:
        return LogPart(self.at, self.entries(topic, after.offset if after else 0, count))

    def entries(
        self, topic: Topic, after: int, count: int | None = None
    ) -> list[tuple[int, bytes]]:
        return [(number, envelope_of(number)) for number in self._numbers if number > after]


def envelope_of(number: int) -> bytes:
    """Return the envelope of a numbered message."""
    return wire.encode(Envelope((TOPIC,), "/", "message", (number,), id=f"{number}"))


def message(epoch: str, number: int) -> bytes:
    """Return a message as Redis publishes it."""
    return f"{epoch} {number} ".encode() + envelope_of(number)


class CountingSequencer(Sequencer):
    """Counts what is told to be lost; knows the log."""

    count_of_losses = 0
    log: Log

    def tell_lost(self, topic: Topic) -> None:
        self.count_of_losses += 1


def sequencer(
    deliver: Callable[[Delivery], object], logged: Iterable[int] = ()
) -> CountingSequencer:
    """Return the sequencer of a process that has just subscribed."""
    log = Log(logged)
    decoder = MessageDecoder(log.shared, Keyspace("socketio"), None)
    sequencer = CountingSequencer(
        log, decoder, DEFAULT_RETENTIONS, lambda call, *args: call(*args), lambda topic: None
    )
    sequencer.log = log
    sequencer.add(TOPIC, deliver, Beginning(decoder.count))
    sequencer.locate((TOPIC,), lambda: {TOPIC: log.at})
    return sequencer


def receive(*messages: bytes) -> list[Delivery]:
    """Return what a process delivers of the messages of a topic."""
    delivered: list[Delivery] = []
    process = sequencer(delivered.append)
    for message in messages:
        process.receive(TOPIC, message)
    return delivered


def position_is_read(data: bytes) -> None:
    """Take any message of a topic, its position included."""
    receive(data, data)


ENVELOPES = (
    Envelope((TOPIC,), "/", "message", ("hello", {"a": [1, None]}), id="id1"),
    Envelope(
        (TOPIC, everyone_topic("/")),
        "/chat",
        "x",
        (b"\x00\xff", 12345678901234567890123),
        "s",
        id="id2",
    ),
    Envelope((), "/", "empty", (), id="id3"),
    Envelope((TOPIC, LOGINS), "", "ended", ("a", [1]), kind=EnvelopeKind.CONTROL, id="id4"),
)

# With a comma before them: the last of two fields of the same name counts.
_TOKENS = (
    b',"version":1',
    b',"version":2',
    b',"kind":"event"',
    b',"kind":"control"',
    b',"kind":"later"',
    b',"args":{}',
    b',"name":1',
    b',"topics":["later,x"]',
    b',"topics":[]',
    b',"topics":"ab"',
    b',"topics":[1,null]',
    b',"exclude":[]',
    b',"exclude":1',
    b',"id":[]',
    b',"id":{}',
    b',"id":null',
    b',"attachments":["AA=="]',
    b',"attachments":{}',
    b',"attachments":""',
    b',"packet":"1"',
    b',"packet":null',
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b'"',
    b"null",
    b"\xff",
)

TARGET = Target("relay envelopes", check, tuple(map(wire.encode, ENVELOPES)), _TOKENS)
POSITIONS = Target(
    "relay messages",
    position_is_read,
    tuple(b"epoch 7 " + wire.encode(envelope) for envelope in ENVELOPES),
    (b" ", b"-", b"0", b"99999999999999999999", b"_", b"- ", b"+1 ", b"\xff", *_TOKENS[:9]),
)
