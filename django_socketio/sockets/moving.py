"""A socket as one process hands it over to another: JSON text, and the attachments of events."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.offsets import Sent
from django_socketio.protocol import json
from django_socketio.relay.base import Reached
from django_socketio.relay.envelope import Delivery, Envelope, StreamPosition
from django_socketio.relay.topics import Topic, topic_of_key

Packed = tuple[str, list[bytes]]
"""The text, and the attachments of all events."""


class Moved(NamedTuple):
    """What another process needs to go on with a socket.

    Attributes:
        id: its public id.
        context: its context.
        placed: the channels that a handler has put it on.
        names: all its channels.
        audiences: the topics of its user, Django session and groups.
        reached: the positions up to which its topics were delivered.
        watched: the channels of which the client is told who is there, and up to which positions.
        last_ack: the ack id of the last event that the client was to answer.
        proof: see ``LoginState.proof``.
        events: the events that are kept for the client.

    """

    id: str
    context: dict[str, Any]
    placed: tuple[str, ...]
    names: tuple[str, ...]
    audiences: tuple[Topic, ...]
    reached: Reached
    watched: dict[str, str]
    last_ack: int
    proof: list[str]
    events: list[Sent]

    def pack(self, now: float) -> Packed:
        """Return it as it travels."""
        content = {
            **self._asdict(),
            "audiences": [*map(str, self.audiences)],
            "reached": [[str(topic), *(at or ())] for topic, at in self.reached.items()],
        }
        events, attachments = pack_events(self.events, now)
        return json.dumps({**content, "events": events}), attachments


def unpack(packed: Packed, namespace: str, now: float) -> Moved:
    """Return what another process has packed.

    Raises:
        ValueError, TypeError, KeyError: it is in no form that this process knows.

    """
    text, attachments = packed
    content = json.loads(text)
    found = {name: content[name] for name in Moved._fields}
    events = unpack_events(found["events"], attachments, namespace, now)
    return Moved(**found)._replace(
        placed=tuple(found["placed"]),
        names=tuple(found["names"]),
        audiences=tuple(map(_topic, found["audiences"])),
        reached={_topic(key): StreamPosition(*at) if at else None for key, *at in found["reached"]},
        events=events,
    )


def _topic(key: str) -> Topic:
    topic = topic_of_key(key)
    if topic is None:
        raise ValueError(f"no topic of this process: {key!r:.100}")
    return topic


def as_json(context: dict[str, Any]) -> dict[str, Any] | None:
    """Return a context as another process would read it; None if that is another one."""
    try:
        copy = json.loads(json.dumps(context))
    except (TypeError, ValueError):
        return None
    return copy if _is_same(copy, context) else None


def _is_same(copy: Any, value: Any) -> bool:
    """Return whether a copy equals a value, and all of it has the same types: no subclasses."""
    if type(copy) is not type(value) or copy != value:
        return False
    if isinstance(value, dict):
        return all(type(key) is str and _is_same(copy[key], one) for key, one in value.items())
    return not isinstance(value, list) or all(map(_is_same, copy, value))


# Events


def pack_events(events: Sequence[Sent], now: float) -> tuple[list[list[Any]], list[bytes]]:
    """Return events as they travel, and their attachments."""
    packed = [_packed(sent, now) for sent in events]
    return packed, [one for sent in events for one in sent.source.attachments]


def _packed(sent: Sent, now: float) -> list[Any]:
    source, envelope = sent.source, None
    if source.delivery is not None:
        envelope = source.delivery.envelope
    of = [] if envelope is None else [envelope.id, *map(str, envelope.topics)]
    return [sent.offset, now - sent.at, source.text, len(source.attachments), of]


def unpack_events(
    packed: Sequence[Sequence[Any]], attachments: Sequence[bytes], namespace: str, now: float
) -> list[Sent]:
    """Return the events that another process has packed.

    Raises:
        ValueError, TypeError, KeyError: they are in no form that this process knows.

    """
    found, rest = [], [*attachments]
    for offset, age, text, count, of, *_ in packed:
        own, rest = rest[:count], rest[count:]
        source = EncodedEvent(
            namespace, json.loads(text), None, text, own, _delivery(namespace, of)
        )
        found.append(Sent(source, offset, now - age))
    return found


def _delivery(namespace: str, of: Sequence[str]) -> Delivery | None:
    if not of:
        return None
    id, *keys = of
    topics = tuple(topic for topic in map(topic_of_key, keys) if topic is not None)
    return Delivery(Envelope(topics, namespace, "", (), id=id), topics[0])
