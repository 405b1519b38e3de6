"""A topic that a process receives, and the place up to which it has been delivered."""

import threading
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from django_socketio.relay.envelope import Deliver, StreamPosition
from django_socketio.relay.redis.cursor import Cursor
from django_socketio.relay.redis.missed import Place
from django_socketio.relay.redis.silence import Silence
from django_socketio.relay.topics import Topic

Held = tuple[StreamPosition, bytes]
"""A message that is not delivered yet, with its position."""


class Behind(Protocol):
    """The catching up of a connection that has not come to a topic yet."""

    def hurry(self, topic: Topic) -> None:
        """Catch up with a topic before others: a subscriber waits for it."""

    def hold(
        self, topic: Topic, subscription: "Subscription", position: StreamPosition, message: bytes
    ) -> None:
        """Keep a message until its topic is caught up with."""

    def release(self, subscription: "Subscription") -> None:
        """Hold nothing more for a subscription."""


class Beginning(NamedTuple):
    """The place after which a topic that is new in this process is delivered.

    Attributes:
        since: the decoder's ``count`` before the position was asked for. What has come since then
            was delivered to the subscribers of this topic as well.
        at: the position, if it is known: the topic may have messages from then on.

    """

    since: int
    at: StreamPosition | None = None


@dataclass(slots=True)
class Subscription:
    """A topic that this process receives, and the place up to which it has been delivered."""

    deliver: Deliver
    since: int = 0
    """The decoder's ``count`` when it began: see ``decode_once``."""

    cursor: Cursor = field(default_factory=Cursor)
    tried: threading.Event = field(default_factory=threading.Event)
    """Set once its position was asked for."""

    taking: threading.Lock = field(default_factory=threading.Lock)
    """Held by the thread that delivers: in a cluster, a topic may go from one node to another."""

    last: str | None = None
    """The id of the last message that came, as a check on what Redis has in its place."""

    confirmed: int = 0
    """The offset up to which Redis has confirmed what came in this epoch."""

    silence: Silence | None = None
    """The time in which messages may not have come; None once it was caught up with."""

    is_located: bool = False
    """True once Redis has answered the position at the beginning (None for an idle topic)."""

    behind: Behind | None = None
    """Holds what comes, until the topic is caught up with after a broken connection; else None."""

    held: list[Held] = field(default_factory=list)
    """The messages that came meanwhile, in the order in which they came."""

    held_bytes: int = 0

    is_cut: bool = False
    """True if a message that came meanwhile was dropped: the log has it."""

    def hold(self, position: StreamPosition, message: bytes) -> None:
        """Keep a message that came before its topic was caught up with."""
        self.held.append((position, message))
        self.held_bytes += len(message)

    def held_in(self, epoch: str) -> dict[int, bytes]:
        """Return the held messages of an epoch by their offsets."""
        return {position.offset: message for position, message in self.held if position[0] == epoch}

    def before_held(self, now: StreamPosition) -> StreamPosition:
        """Return the place after which all messages up to a position are held."""
        held, offset = self.held_in(now.epoch), now.offset
        while offset in held:
            offset -= 1
        return StreamPosition(now.epoch, offset)

    def go_to(self, position: StreamPosition | None) -> None:
        """Be at a place whose message did not come."""
        if position != self.cursor.position:
            self.cursor.position, self.last = position, None

    def locate(self, found: StreamPosition | None) -> None:
        """Be at the position that Redis has answered, unless messages came while it was asked."""
        if not self.is_located and self.cursor.position is None:
            self.cursor.position = found
        self.is_located = True

    def is_at(self, place: Place, silence: Silence | None) -> bool:
        """Return whether it is where it was when Redis was asked about a place."""
        return (
            self.silence is silence
            and self.last == place.id
            and self.is_located == place.wants_messages
            and self.cursor.position == place.after
        )

    def place_in(self, topic: Topic) -> Place:
        """Return the place up to which it has been delivered."""
        return Place(topic, self.cursor.position, self.last, self.is_located)
