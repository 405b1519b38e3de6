"""Positions as clients keep them, and the form of an event that tells its own.

A client that asks for positions gets each event of a topic with one more argument, which it
removes before its listeners see the others: ``{"_at": [topic, position]}``. The last argument of an
event for several topics is ``{"_at": [id]}``, with the message's id: it says nothing of topics that
the client may not be on, and the client knows a second copy by the id. An event without a place,
whose own arguments could be taken for one, ends with ``{"_at": []}``.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.exceptions import PositionError
from django_socketio.protocol import json
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind

AT = "_at"
"""The key of the last argument."""

NO_PLACE = f'{{"{AT}":[]}}'

_LOOKS_LIKE_PLACE = f'{{"{AT}":'
_SOCKET = TopicKind.SOCKET

NOWHERE = StreamPosition("", 0)
"""A position in no epoch: nothing can be read after it."""

MAX_POSITIONS = 10_000
"""Positions that a client may bring in any case: as many as it took from a server with more."""

MAX_TEXT = 200
"""Characters of a position."""

MAX_FORMER_IDS = 100
"""Ids of former sockets that a client may name."""

MAX_PAGES = 10
"""Former pages whose sockets a client may name."""


def position_text(position: StreamPosition | None) -> str:
    """Return a position as clients keep it; the empty text if it is not known."""
    return "" if position is None else f"{position.epoch}.{position.offset}"


def parse_position(value: Any) -> StreamPosition:
    """Return the position in the text that a client has kept.

    The empty text is a position that was not known: nothing can be read after it.

    Raises:
        PositionError: the value is no such text.

    """
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        epoch, _, offset = value.rpartition(".")
        if not value:
            return NOWHERE
        if epoch and offset.isascii() and offset.isdigit() and len(offset) <= _MAX_DIGITS:
            return StreamPosition(epoch, int(offset))
    raise PositionError(f"a position is a text that this server has sent, not {value!r:.100}")


_MAX_DIGITS = 16  # of an offset: JavaScript, Lua and Redis count to 2^53


def name_of(topic: Topic) -> str:
    """Return the name by which clients know a topic of their namespace."""
    return f"{topic.kind},{topic.name}" if topic.name else topic.kind.value


def place(event: EncodedEvent) -> EncodedEvent:
    """Make the form of an event for clients that keep positions, ``event.placed``; return it."""
    where = _place(event.delivery) or (NO_PLACE if _LOOKS_LIKE_PLACE in event.text else None)
    placed = event
    if where is not None:
        text = f"{event.text[:-1]},{where}]"
        placed = EncodedEvent(event.namespace, event.data, event.id, text, event.attachments)
    event.placed = placed
    return placed


def _place(delivery: Delivery | None) -> str | None:
    if delivery is None or (position := delivery.position) is None:
        return None
    envelope = delivery.envelope
    if len(envelope.topics) > 1 or envelope.is_copy:
        return f'{{"{AT}":["{envelope.id}"]}}'
    begin = _begin_of_place(delivery.topic)
    return begin and f'{begin}"{position.epoch}.{position.offset}"]}}'


@lru_cache(1024)
def _begin_of_place(topic: Topic) -> str | None:
    """Return the place of a message before its position; None for one of a single socket."""
    return None if topic.kind is _SOCKET else f'{{"{AT}":[{json.dumps(name_of(topic))},'


class FormerPage(NamedTuple):
    """The page of which a client has its positions: the one before a reload, or of another tab.

    Attributes:
        topics: the names of the topics of which the client still has the positions of that page.
        ids: the ids of its sockets: what they sent to others on these topics is not for the client.

    """

    topics: frozenset[str]
    ids: frozenset[str]


class Kept:
    """What a client that keeps positions has brought with its CONNECT.

    Args:
        at: the positions of topics, by their names, as the client has sent them.
        former_ids: the ids that its sockets had before: what they sent to others is not for it.
        former_pages: the pages of which it has positions.
        begun: the positions after which it has the messages of channels that handlers had joined,
            as far as it has not been given their past yet.

    """

    __slots__ = ("_at", "_begun", "_former_ids", "_former_pages")

    def __init__(
        self,
        at: Mapping[str, Any] | None = None,
        former_ids: frozenset[str] = frozenset(),
        former_pages: Sequence[FormerPage] = (),
        begun: Mapping[str, Any] | None = None,
    ) -> None:
        self._at = dict(at or {})
        self._begun = begun or {}
        self._former_ids = former_ids
        self._former_pages = former_pages

    def take(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic; None if the client has brought none.

        It is returned once: a socket that leaves a channel and comes back begins anew.
        """
        return _position(self._at.pop(name_of(topic), None))

    def begun(self, topic: Topic) -> StreamPosition | None:
        """Return the position after which the client has a channel's messages, if it knows it."""
        return _position(self._begun.get(name_of(topic)) or None)

    def wants(self, delivery: Delivery) -> bool:
        """Return whether a message of a log is for the client."""
        sender = delivery.envelope.exclude
        if sender is None:
            return True
        return sender not in self._former_ids and not self._is_of_page(sender, delivery.topic)

    def _is_of_page(self, sender: str, of: Topic) -> bool:
        topic = name_of(of)
        return any(sender in page.ids and topic in page.topics for page in self._former_pages)


def _position(text: Any) -> StreamPosition | None:
    try:
        return None if text is None else parse_position(text)
    except PositionError:
        return NOWHERE


KEY = "_positions"
"""The key of a CONNECT's data by which a client asks for positions."""


def take_kept(auth: dict[str, Any], limit: int) -> tuple[dict[str, Any], Kept | None]:
    """Return the data of a CONNECT without the client's positions, and these.

    Args:
        limit: how many positions a client is told to bring.

    Raises:
        PositionError: they are in no form that a client may send.

    """
    if KEY not in auth:
        return auth, None
    value = auth[KEY]
    rest = {key: item for key, item in auth.items() if key != KEY}
    if value is None or isinstance(value, bool):
        return rest, Kept() if value else None
    return rest, _kept(value, limit)


def _kept(value: Any, limit: int) -> Kept:
    if not isinstance(value, dict):
        raise PositionError(f"{KEY} must be true or an object, not {value!r:.100}")
    limit = max(limit, MAX_POSITIONS)
    at, begun = value.get("at", {}), value.get("begun", {})
    ids, pages = value.get("was", []), value.get("before", [])
    for name, positions in (("at", at), ("begun", begun)):
        if not isinstance(positions, dict) or len(positions) > limit:
            raise PositionError(f"{KEY}.{name} must be an object with at most {limit} positions")
    if not _are_ids(ids):
        raise PositionError(f"{KEY}.was must be a list of at most {MAX_FORMER_IDS} socket ids")
    if not _are_pages(pages, limit):
        raise PositionError(f"{KEY}.before must be a list of at most {MAX_PAGES} [topics, ids]")
    return Kept(at, frozenset(ids), [FormerPage(*map(frozenset, page)) for page in pages], begun)


def _are_ids(value: Any) -> bool:
    return _are_texts(value, MAX_FORMER_IDS) and all(len(one) <= MAX_TEXT for one in value)


def _are_pages(value: Any, limit: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_PAGES
        and all(_is_page(one, limit) for one in value)
    )


def _is_page(value: Any, limit: int) -> bool:
    match value:
        case [topics, ids]:
            return _are_texts(topics, limit) and _are_ids(ids)
    return False


def _are_texts(value: Any, limit: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= limit
        and all(isinstance(one, str) for one in value)
    )
