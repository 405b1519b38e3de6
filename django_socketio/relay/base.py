"""The interface of relays: a relay takes envelopes in one process and delivers them in many."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypedDict

from django_socketio.exceptions import RelayError
from django_socketio.relay.envelope import Deliver, Envelope, LogRange, StreamPosition
from django_socketio.relay.receipt import Received
from django_socketio.relay.roster import Rosters
from django_socketio.relay.topics import Topic
from django_socketio.relay.untried import not_tried

NOT_TAKEN = "the relay of SOCKETIO_RELAY_URL did not take the message"
UNKNOWN = "it is not known whether the relay of SOCKETIO_RELAY_URL took the message"
"""The beginning of the text of each ``RelayError`` about a message."""

Unit = Literal["sockets", "processes"]

Copied = Callable[[Topic, StreamPosition, str], object]
"""Called with a topic, the position of a message there, and the message's id."""

Rewound = Callable[[tuple[Topic, StreamPosition]], object]
"""Called with a topic, and a position after which its messages are others than before."""

Reached = Mapping[Topic, StreamPosition | None]
"""The positions up to which topics were delivered; None where no message has come yet."""


class RelayState(TypedDict):
    """The state of a relay."""

    alive: bool | None
    """Whether messages arrive; None in a process without a server."""

    deaf_since: float | None
    """The time (``time.time()``) since which no messages arrive; None while they do."""

    reconnects: int
    """The number of times that the connection to Redis was made again."""


class RelayStatus(RelayState):
    """The state of the relay of a process, and what the process could not send by it."""

    failed_after_commit: int
    """The number of messages of ``emit(…, on_commit=…)`` that the relay did not accept."""


class Relay(ABC):
    """Carries envelopes to every process that subscribed to one of their topics.

    Attributes:
        unit: what ``publish`` counts, "sockets" or "processes".
        publishes_at_once: whether ``publish`` never waits, so that the event loop may call it.

    """

    unit: Unit = "processes"
    publishes_at_once = False

    @property
    @abstractmethod
    def rosters(self) -> Rosters:
        """The people on channels, as all processes hold them."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> Received:
        """Hand the envelope on; return how many sockets or processes received it.

        The number is a ``Receipt`` where the message has a position, or is kept for subscribers
        that are away.

        Raises:
            EventError: the event or the namespace cannot have its name.
            TypeError, ValueError: an argument cannot be written as JSON, or read again.
            RelayError: the envelope could not be handed on. Nobody received it; or, where it has
                several topics, not everybody: the error then says so.

        """

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Hand envelopes on in their order; return for each what ``publish`` would, or its error.

        The first error ends it: no later envelope is handed on, and each of them has ``NotTried``.

        Raises:
            EventError, TypeError, ValueError: as ``publish``; earlier envelopes are handed on.

        """
        results: list[int | RelayError] = []
        for envelope in envelopes:
            try:
                results.append(self.publish(envelope))
            except RelayError as error:
                return [*results, error, *not_tried(error, len(envelopes) - len(results) - 1)]
        return results

    @abstractmethod
    def subscribe(
        self, topic: Topic, deliver: Deliver, recoverable: bool = False
    ) -> StreamPosition | None:
        """Have ``deliver`` called with the messages of a topic, in the order of the topic.

        With ``recoverable``, the topic's messages are kept from now on while no process hears
        them, for ``Retentions.away`` seconds: its subscribers may come back to any process.

        Returns once that is so: the position of a recoverable topic, after which each message
        comes; None if it is not known. May be called again for the same topic. A relay that cannot
        be reached is no error: the topic is subscribed to once the relay is back.
        """

    def subscribe_all(
        self,
        topics: Iterable[Topic],
        deliver: Deliver,
        recoverable: bool = False,
        is_known: bool = False,
    ) -> dict[Topic, StreamPosition | None]:
        """Subscribe to topics as ``subscribe`` does, in one round trip where that is possible.

        Args:
            is_known: whether even the topic of a single socket may have had messages, because
                another process has had the socket so far.

        """
        return {topic: self.subscribe(topic, deliver, recoverable) for topic in topics}

    @abstractmethod
    def tell_copies(self, copied: Copied) -> None:
        """Have ``copied`` called for each message that has come by another of its topics before.

        The call is scheduled as those of ``deliver`` are. None is made while topics are caught up
        with: the next message of the topic tells its position.
        """

    @abstractmethod
    def tell_rewinds(self, rewound: Rewound) -> None:
        """Have ``rewound`` called if messages were forgotten, and others get their positions.

        The call is scheduled as those of ``deliver`` are.
        """

    @abstractmethod
    def tell_reached(self, topics: Iterable[Topic], tell: Callable[[Reached], object]) -> None:
        """Have ``tell`` called with the positions up to which topics were delivered until then.

        The call is scheduled as those of ``deliver`` are. A topic is left out if its position is
        not known for certain, or if it keeps no log, by which another process could go on.
        """

    @abstractmethod
    def unsubscribe(self, topic: Topic) -> None:
        """Receive no more messages of a topic. A relay that cannot be reached is no error."""

    @abstractmethod
    def keep(self, topic: Topic, seconds: float) -> StreamPosition | None:
        """Have a topic's messages kept for some seconds, with or without a subscriber.

        Returns the position of the topic, from which on ``read`` misses nothing within that time;
        None where no messages are kept.

        Raises:
            RelayError: the relay cannot be asked.

        """

    @abstractmethod
    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic.

        Raises:
            RelayError: the relay cannot be asked.

        """

    @abstractmethod
    def read(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return messages of a topic's log.

        The range is complete only if that is certain: the log reaches back to ``after``, and the
        relay has lost nothing since that position was given out. A range that is not complete may
        lack messages at its beginning and between those that it has.

        Args:
            after: the position of the last message that is not wanted. None reads from the
                topic's first message; so does a position in an epoch that has ended, but what
                came after it in its own epoch is missing: the range is not complete.
            limit: how many messages to return at most, the oldest ones first.

        Raises:
            RelayError: the relay cannot be asked.

        """

    @abstractmethod
    def history(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return the messages of a topic that were published to be kept, and are not too old.

        The range is complete if no message is missing after ``after``; without ``after``, if none
        is missing after its first one.

        Args:
            after: the position of the last message that is not wanted.
            limit: how many messages to return at most, the newest ones.

        Raises:
            RelayError: the relay cannot be asked.

        """

    @property
    def lag(self) -> float | None:
        """The seconds that a message of this process to itself takes; None if none was sent yet."""
        return None

    def status(self) -> RelayState:
        """Return whether it is alive, since when it is deaf, and how often it connected again."""
        return {"alive": True, "deaf_since": None, "reconnects": 0}

    def descriptors(self) -> list[int]:
        """Return the descriptors of its connections: a forked process must not keep them."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Release all that the relay holds."""

    @abstractmethod
    def __str__(self) -> str:
        """Name the relay for people; no passwords."""
