"""The id of an event in a stream: the positions of all topics of the stream.

A client keeps the id of the last event, without understanding it, and presents it when it comes
back: ``8-letter-hash.epoch.offset`` for each topic, joined by ``~``. A further part without dots is
the id of a message for several topics, of which the positions of some do not tell that the client
has it. A last part ``*`` says that the position of a topic is missing.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from django_socketio.channels.positions import NOWHERE, parse_position
from django_socketio.exceptions import PositionError
from django_socketio.protocol import event_stream
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind

MAX_LENGTH = 4000
"""Characters of an id. Clients send it as a header field, and servers take a few kilobytes."""

MAX_SEEN = 16
"""Messages for several topics that an id names."""

ID_LENGTH = 8
"""Characters of the id of a message that an id of the stream has."""

PLACE = 60
"""Characters that the id has for a topic, about."""

UNKNOWN = "*"

_is_place = re.compile(r"([\w-]{8})\.([0-9A-Za-z]{1,64})\.([0-9]{1,16})", re.ASCII).fullmatch
_is_message = re.compile(r"[0-9a-f]{8}", re.ASCII).fullmatch


@lru_cache(1024)
def short_name(topic: Topic) -> str:
    """Return eight letters for a topic."""
    return urlsafe_b64encode(blake2b(str(topic).encode(), digest_size=6).digest()).decode()


class Presented(NamedTuple):
    """What a client presents when it comes back.

    Attributes:
        at: positions by the short names of topics.
        seen: the first characters of the ids of messages that it has, besides.
        is_whole: whether a topic without a position is new to the client. Otherwise, its position
            was not known.
        page: the position of a channel, which a page has got from ``page_position``.

    """

    at: Mapping[str, StreamPosition] = {}
    seen: frozenset[str] = frozenset()
    is_whole: bool = True
    page: StreamPosition | None = None

    def since(self, topic: Topic) -> StreamPosition | None:
        """Return after which position the client wants the messages of a topic; None: new ones."""
        if self.page is not None:
            return self.page if topic.kind is TopicKind.CHANNEL else None
        known = self.at.get(short_name(topic))
        return known if known is not None or self.is_whole else NOWHERE


def parse(id: str) -> Presented:
    """Return what an id says. Of an id that is none of ours, nothing is known."""
    if not id:
        return Presented()
    parts = id.split("~") if len(id) <= 2 * MAX_LENGTH else [UNKNOWN]
    places = [match for part in parts if (match := _is_place(part))]
    messages = frozenset(part for part in parts if _is_message(part))
    at = {match[1]: StreamPosition(match[2], int(match[3])) for match in places}
    if len(places) + len(messages) == len(parts):
        return Presented(at, messages)
    return Presented(at, messages, is_whole=False) if at else _of_page(id)


def _of_page(id: str) -> Presented:
    """Return what a text says that has no position of a topic: that of a page, or nothing."""
    try:
        return Presented(page=parse_position(id))
    except PositionError:
        return Presented(is_whole=False)


def longest(count: int) -> int:
    """Return how many characters an id of so many topics may have, about."""
    return min(PLACE * count, MAX_LENGTH)


class Marks:
    """The positions of the topics of one stream, as far as its client has the messages."""

    __slots__ = ("_field", "_places", "_positions", "_presented", "_seen", "is_untold")

    def __init__(self) -> None:
        self._positions: dict[Topic, StreamPosition | None] = {}
        self._places: dict[Topic, str] = {}
        """A part of the id for each topic; empty if the position is not known."""
        self._seen: dict[str, set[Topic]] = {}
        """Messages for several topics, and those topics whose position does not tell of them."""
        self._presented: frozenset[str] = frozenset()
        """Messages that the client has named when it came back."""
        self._field: bytes | None = None
        self.is_untold = True
        """Whether the client does not have the id as it is now."""

    def begin(self, presented: Presented) -> None:
        """Note which messages the client has that comes back."""
        self._presented = presented.seen

    def set(self, topic: Topic, position: StreamPosition | None) -> None:
        """Note that a topic of the stream has come to a position."""
        if topic not in self._positions or self._positions[topic] != position:
            self._positions[topic] = position
            self._places[topic] = "" if position is None else _place(topic, position)
            self._field, self.is_untold = None, True

    def reach(self, topic: Topic, position: StreamPosition) -> None:
        """Note that a topic has come to a position at the least."""
        known = self._positions.get(topic)
        if known is None or known.epoch != position.epoch or known.offset < position.offset:
            self.set(topic, position)

    def forget(self, topic: Topic) -> None:
        """Forget a topic that the stream has left."""
        if self._places.pop(topic, None) is not None:
            del self._positions[topic]
            self._field, self.is_untold = None, True

    def have_any(self, topics: Iterable[Topic]) -> bool:
        """Return whether the stream brings the events of any of these topics."""
        return any(topic in self._places for topic in topics)

    def take(self, delivery: Delivery) -> bool:
        """Note a message that is to be sent; return False if the client has it already."""
        topic, position, envelope = delivery.topic, delivery.position, delivery.envelope
        if position is None:
            return True
        is_shared = len(envelope.topics) > 1
        if (is_shared or envelope.is_copy) and self._has(envelope.id[:ID_LENGTH]):
            self.copied(topic, position, envelope.id)
            return False
        if topic in self._places:
            self.set(topic, position)
        if is_shared:
            self._note(delivery)
        elif self._seen:
            self._have_told([*self._seen], topic)
        return True

    def _has(self, id: str) -> bool:
        return id in self._seen or id in self._presented

    def _note(self, delivery: Delivery) -> None:
        """Note a message whose place in further topics of the stream is not known yet."""
        topics = {one for one in delivery.envelope.topics if one in self._places}
        topics.discard(delivery.topic)
        if not topics:
            return
        if len(self._seen) >= MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[delivery.envelope.id[:ID_LENGTH]] = topics
        self._field, self.is_untold = None, True

    def copied(self, topic: Topic, position: StreamPosition, id: str) -> None:
        """Note the place of a message, which the client has, in a further topic."""
        if topic in self._places:
            self.reach(topic, position)
            self._have_told([id[:ID_LENGTH]], topic)

    def _have_told(self, ids: Iterable[str], topic: Topic) -> None:
        for id in ids:
            topics = self._seen.get(id)
            if topics is not None and topic in topics:
                topics.discard(topic)
                if not topics:
                    del self._seen[id]
                self._field, self.is_untold = None, True

    def field(self) -> bytes:
        """Return the field with the id, which the client is about to be sent."""
        self.is_untold = False
        if self._field is None:
            self._field = event_stream.identity(self._id())
        return self._field

    def _id(self) -> str:
        parts = [place for place in self._places.values() if place]
        is_whole = len(parts) == len(self._places)
        id = "~".join([*parts, *self._seen])
        if len(id) > MAX_LENGTH:
            id, is_whole = id[:MAX_LENGTH].rpartition("~")[0], False
        return id if is_whole else f"{id}~{UNKNOWN}"


def _place(topic: Topic, position: StreamPosition) -> str:
    return f"{short_name(topic)}.{position.epoch}.{position.offset}"
