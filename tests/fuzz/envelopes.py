"""Envelopes of the relay, as they come from Redis, where anything may write."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.base import Envelope
from django_socketio.relay.redis.keys import Names
from django_socketio.relay.redis.sequencer import Receiver
from tests.fuzz.engineio import refusal_is_fit_to_be_told
from tests.fuzz.packets import is_finite
from tests.fuzz.target import Target

TOPIC = "channel,/,a"


def check_envelope(envelope: Envelope) -> None:
    """Check that every field is what the rest of the package takes it for."""
    assert all(type(topic) is str for topic in envelope.topics), envelope.topics
    assert type(envelope.topics) is tuple
    assert type(envelope.namespace) is type(envelope.event) is type(envelope.id) is str
    assert envelope.exclude is None or type(envelope.exclude) is str
    if is_finite(list(envelope.args)):
        assert wire.decode(wire.encode(envelope)) == envelope


def check(data: bytes) -> None:
    """Take any envelope, by itself and as a message of a channel."""
    try:
        envelope = wire.decode(data)
    except ProtocolError as error:
        refusal_is_fit_to_be_told(error)
        envelope = None
    else:
        check_envelope(envelope)
        content = json.loads(data)
        for attachment in content["attachments"]:
            assert b64decode(attachment, validate=True) is not None
    delivered = receive(b"epoch 1 " + data, b"epoch 2 " + data, data)
    # What comes after something foreign is delivered all the same.
    assert delivered[:2] == ([] if envelope is None else delivered[:1] * len(delivered[:2]))


class Log:
    """A publisher that has kept some messages: Redis is not needed to read what came from it."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._numbers = sorted(numbers)
        self.at: tuple[str, int] | None = None

    def position(self, topic: str) -> tuple[str, int] | None:
        return self.at

    def shared(self, key: str) -> None:
        return None

    def log(self, topic: str, after: int, count: int | None = None) -> list[tuple[int, bytes]]:
        return [(number, envelope_of(number)) for number in self._numbers if number > after]


def envelope_of(number: int) -> bytes:
    """Return the envelope of a numbered message."""
    return wire.encode(Envelope((TOPIC,), "/", "message", (number,), id=f"{number}"))


def message(epoch: str, number: int) -> bytes:
    """Return a message as Redis publishes it."""
    return f"{epoch} {number} ".encode() + envelope_of(number)


class CountingReceiver(Receiver):
    """Counts what is told to be lost; knows the log."""

    losses = 0
    log: Log

    def _count(self, topic: str) -> None:
        self.losses += 1


def receiver(deliver: Callable[[Envelope], object], logged: Iterable[int] = ()) -> CountingReceiver:
    """Return the receiver of a process that has just subscribed."""
    names = Names("socketio")
    log = Log(logged)
    receiver = CountingReceiver(log, names, lambda call, *args: call(*args), lambda topic: None)
    receiver._lost, receiver.log = receiver._count, log
    receiver.add(TOPIC, deliver)
    receiver.locate(TOPIC, has_past=False)
    return receiver


def receive(*messages: bytes) -> list[Envelope]:
    """Return what a process delivers of the messages of a topic."""
    delivered: list[Envelope] = []
    process = receiver(delivered.append)
    for message in messages:
        process.receive(TOPIC, message)
    return delivered


def position_is_read(data: bytes) -> None:
    """Take any message of a topic, its position included."""
    receive(data, data)


ENVELOPES = (
    Envelope((TOPIC,), "/", "message", ("hello", {"a": [1, None]}), None, "id1"),
    Envelope(
        (TOPIC, "everyone,/"), "/chat", "x", (b"\x00\xff", 12345678901234567890123), "s", "id2"
    ),
    Envelope((), "/", "empty", (), None, "id3"),
)

# With a comma before them: the last of two fields of the same name counts.
_TOKENS = (
    b',"version":1',
    b',"version":2',
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
