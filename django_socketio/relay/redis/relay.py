"""The relay of a site with several processes: Redis carries messages, and keeps them a while."""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from django_socketio.concurrency.interrupted import run_to_end
from django_socketio.concurrency.log_limits import Every
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol.json import Default
from django_socketio.relay import wire
from django_socketio.relay.base import Copied, Reached, Relay, RelayState, Rewound
from django_socketio.relay.envelope import (
    Deliver,
    Envelope,
    LogRange,
    StreamPosition,
    call_at_once,
)
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.redis.catching_up import CatchUp
from django_socketio.relay.redis.decoder import MessageDecoder
from django_socketio.relay.redis.holes import close_holes
from django_socketio.relay.redis.ignored import QUIET
from django_socketio.relay.redis.keys import Keyspace
from django_socketio.relay.redis.leases import LEASE, Leases
from django_socketio.relay.redis.log import MessageLog
from django_socketio.relay.redis.missed import Place
from django_socketio.relay.redis.packing import MessagePacker
from django_socketio.relay.redis.parts import Options, PartsBuilder
from django_socketio.relay.redis.past import Question
from django_socketio.relay.redis.past_reader import PastReader
from django_socketio.relay.redis.reached import reached
from django_socketio.relay.redis.refusals import asking
from django_socketio.relay.redis.rosters import Asker, RedisRosters
from django_socketio.relay.redis.sender import Sender
from django_socketio.relay.redis.sequencer import LossHandler, Schedule, Sequencer
from django_socketio.relay.redis.silence import Silence
from django_socketio.relay.redis.subscription import Beginning, Subscription
from django_socketio.relay.redis.url import RelayURL
from django_socketio.relay.signing import Signing
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")


def _ignore_loss(topic: Topic) -> None:
    """Do nothing about a loss, in a process without subscribers."""


class RedisRelay(Relay):
    """Publishes through Redis; after ``listen``, also receives from it.

    Args:
        default: turns values into ones that JSON knows.
        schedule: how ``deliver`` is called: in the server's event loop.
        lost: called, as ``deliver``, with a topic of which messages were lost.
        has_sockets: whether publishers expect this process to listen, once it does.

    Raises:
        ValueError: the URL or the prefix cannot be used.

    """

    def __init__(
        self,
        options: Options,
        default: Default | None = None,
        schedule: Schedule = call_at_once,
        lost: LossHandler = _ignore_loss,
        has_sockets: bool = True,
    ) -> None:
        self._options = options
        self._url = RelayURL.parse(options.url)
        self._keyspace = Keyspace(options.prefix, self._url.database)
        parts = PartsBuilder(options, self._url, self._keyspace, has_sockets).build(self)
        self._publisher, self._log, self._listeners, self._subscriber, self._heard_log, _ = parts
        self._topics: dict[str, Topic] = {}
        """The topics that are subscribed to, or about to be, by their channels."""
        self._changing = threading.Lock()
        """Held where a topic begins, and where it ends unless it has begun again meanwhile."""
        keys = options.signing_keys
        retentions = options.retentions
        self._signing = Signing(keys, retentions) if keys else None
        self._sender = Sender(
            self._publisher, self._listeners, self._missed, default, self._signing
        )
        self._rosters = self._new_rosters(parts.asker, default)
        self._past = PastReader(self._log, self._decoder(self._log), retentions)
        decoder = self._heard_decoder = self._decoder(self._heard_log)
        self._schedule = schedule
        self._sequencer = Sequencer(self._heard_log, decoder, retentions, schedule, lost)
        self._leases = Leases(self._lease_all, self._log.by_server)
        self._unlocated = Every(QUIET)
        self._sequencer.lease_in_doubt = lambda topic: self._leases.renew((topic,))

    def _decoder(self, log: MessageLog) -> MessageDecoder:
        return MessageDecoder(log.shared, self._keyspace, self._signing)

    def _new_rosters(self, asker: Asker, default: Default | None) -> RedisRosters:
        command = b"SPUBLISH" if self._url.is_cluster else b"PUBLISH"
        packer = MessagePacker(self._keyspace, self._options.retentions, command)

        def encode(envelope: Envelope) -> bytes:
            message = wire.encode(envelope, default)
            return message if self._signing is None else self._signing.sign(message)

        is_cluster = self._url.is_cluster
        return RedisRosters(asker, self._keyspace, packer, command, encode, is_cluster)

    @property
    def rosters(self) -> RedisRosters:
        """The people on channels, as all processes hold them."""
        return self._rosters

    def __str__(self) -> str:
        return f"{'Redis Cluster' if self._url.is_cluster else 'Redis'} at {self._url}"

    def publish(self, envelope: Envelope) -> Receipt:
        """Hand the envelope on; return how many processes received it, for each topic."""
        return self._sender.send(envelope)

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Hand envelopes on in their order, many in a round trip."""
        return self._sender.send_all(envelopes)

    def _missed(self, topics: Iterable[Topic]) -> set[Topic]:
        return {one for one in topics if self._subscriber.misses(self._keyspace.channel(one))}

    def listen(self) -> None:
        """Begin to receive from Redis; keeps trying where Redis is away."""
        self._subscriber.start()

    def subscribe(
        self, topic: Topic, deliver: Deliver, recoverable: bool = False
    ) -> StreamPosition | None:
        """Have ``deliver`` called with the messages of a topic; waits for Redis's confirmation."""
        return self.subscribe_all((topic,), deliver, recoverable)[topic]

    def subscribe_all(
        self,
        topics: Iterable[Topic],
        deliver: Deliver,
        recoverable: bool = False,
        is_known: bool = False,
    ) -> dict[Topic, StreamPosition | None]:
        """Subscribe to topics by one command; waits for Redis's confirmation of each."""
        topics = tuple(dict.fromkeys(topics))
        channels = {self._keyspace.channel(topic): topic for topic in topics}
        self._topics.update(channels)
        since = self._heard_decoder.count
        begin = self._take_leases(topics) if recoverable else {}
        beginnings = {topic: Beginning(since, begin.get(topic)) for topic in topics}
        new = [one for one, at in beginnings.items() if self._begin(one, deliver, at)]
        asked = [one for one in new if one.policy.asks_position and one not in begin]
        self._sequencer.locate(new, lambda: self._positions(asked, is_known))
        for topic in topics:
            self._sequencer.wait_until_located(topic, self._options.timeout)
        try:
            self._subscriber.subscribe(*channels)
        finally:
            for topic in topics:
                if self._sequencer.subscription(topic) is None:
                    self._end(topic)
        close_holes([topic for topic in new if begin.get(topic)], self._sequencer, self._heard_log)
        return {topic: begin.get(topic) for topic in topics}

    def _begin(self, topic: Topic, deliver: Deliver, beginning: Beginning) -> bool:
        """Have a topic delivered, unless it was left meanwhile; return whether it is new here."""
        with self._changing:
            is_wanted = self._keyspace.channel(topic) in self._topics
            return is_wanted and self._sequencer.add(topic, deliver, beginning)

    def _positions(
        self, topics: Sequence[Topic], is_known: bool
    ) -> dict[Topic, StreamPosition | None]:
        """Return where topics are, as far as Redis can be asked; see ``subscribe_all``."""
        asked = [topic for topic in topics if topic.policy.has_past or is_known]
        found = self._ask_all(asked, self._read_positions)
        if len(found) < len(asked) and self._unlocated.is_due():  # clients choose how many
            text = "The positions of %s and further topics will be known once Redis is back"
            logger.info(text, next(topic for topic in asked if topic not in found))
        return dict.fromkeys({*topics} - {*asked}) | found  # the others have no position yet

    def _read_positions(self, topics: Sequence[Topic]) -> list[StreamPosition | None]:
        places = [Place(topic, None, None, False) for topic in topics]
        return [missed.position for missed in self._log.missed(places)]

    def _ask_all(
        self,
        topics: Sequence[Topic],
        ask: Callable[[Sequence[Topic]], Iterable[StreamPosition | None]],
    ) -> dict[Topic, StreamPosition | None]:
        """Ask each server about its topics; leave out those of a server that cannot be asked."""
        found: dict[Topic, StreamPosition | None] = {}
        for group in self._log.by_server(topics):
            with suppress(RedisError):
                found.update(zip(group, ask(group), strict=True))
        return found

    def _take_leases(self, topics: Iterable[Topic]) -> dict[Topic, StreamPosition | None]:
        """Return where recoverable topics begin; take leases that are new, in one round trip."""
        begin = {one: self._sequencer.position(one) for one in topics if self._can_keep(one)}
        wanted = [one for one, at in begin.items() if self._leases.begin(one, at)]
        found = self._ask_all(wanted, self._lease_all)
        self._leases.renew([topic for topic in wanted if topic not in found])
        for topic, now in found.items():
            self._leases.begun(topic, begin[topic], now)
        return begin | found

    def _can_keep(self, topic: Topic) -> bool:
        retentions = self._options.retentions
        can_come_back = topic.policy.has_past and retentions.away > 0
        return can_come_back and retentions.of(topic).messages > 0

    def _lease_all(
        self, topics: Sequence[Topic], seconds: float = LEASE
    ) -> list[StreamPosition | None]:
        question = Question(limit=0, lease=seconds)
        return [past.position for past in self._log.look_at_all(topics, question)]

    def keep(self, topic: Topic, seconds: float) -> StreamPosition | None:
        """Have a topic's messages kept for some seconds; return its position."""
        if not self._can_keep(topic):
            return self.position(topic)
        with asking("for a position"):
            return self._log.look(topic, Question(limit=0, keep=seconds)).position

    def tell_copies(self, copied: Copied) -> None:
        """Have ``copied`` called for each message that has come by another topic before."""
        self._sequencer.copied = copied

    def tell_rewinds(self, rewound: Rewound) -> None:
        """Have ``rewound`` called if messages were forgotten, and others get their positions."""
        self._sequencer.rewound = rewound

    def tell_reached(self, topics: Iterable[Topic], tell: Callable[[Reached], object]) -> None:
        """Have ``tell`` called with the positions up to which topics were delivered until then."""
        kept = [one for one in topics if self._options.retentions.of(one).messages]
        self._schedule(tell, reached(self._sequencer, kept))

    def unsubscribe(self, topic: Topic) -> None:
        """Receive no more messages of a topic."""
        self._topics.pop(self._keyspace.channel(topic), None)
        self._leases.remove(topic)
        run_to_end(self._leave, topic, self._sequencer.remove(topic))

    def _leave(self, topic: Topic, subscription: Subscription | None) -> None:
        self._sequencer.release(topic, subscription)  # may wait, and others may subscribe meanwhile
        self._end(topic)

    def _end(self, topic: Topic) -> None:
        """Tell Redis that a topic is left, unless it has begun again meanwhile."""
        with self._changing:
            if self._sequencer.subscription(topic) is None:
                self._subscriber.unsubscribe(self._keyspace.channel(topic))

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position of a topic's last message; None for an idle topic."""
        return self._past.position(topic)

    def read(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return messages of a topic's log after a position."""
        found = self._past.read(topic, after, limit)
        if found.position is None and self._leases.has(topic):
            # Redis was emptied: without a lease, the reader would have no position to come back to.
            with asking("for a position"):
                self._lease_all((topic,))
            return self._past.read(topic, after, limit)
        return found

    def history(
        self, topic: Topic, after: StreamPosition | None = None, limit: int | None = None
    ) -> LogRange:
        """Return the newest messages of a topic's history after a position."""
        return self._past.history(topic, after, limit)

    @property
    def lag(self) -> float | None:
        """The seconds that the last message of this process to itself was on its way."""
        lag: float | None = self._subscriber.lag
        return lag

    def status(self) -> RelayState:
        """Return whether it is alive, since when it is deaf, and how often it connected again."""
        subscriber = self._subscriber
        return {
            "alive": subscriber.alive,
            "deaf_since": subscriber.deaf_since,
            "reconnects": subscriber.reconnects,
        }

    def descriptors(self) -> list[int]:
        """Return the descriptors of all its connections."""
        return [*self._publisher.descriptors(), *self._subscriber.descriptors()]

    def close(self) -> None:
        """Stop listening, and close all connections."""
        self._leases.stop()
        if channels := self._subscriber.health_channels:
            with suppress(RedisError):  # the leases end by themselves
                self._listeners.leave(*channels)
        self._subscriber.stop()
        self._publisher.close()
        self._sequencer.losses.write()

    def _topic(self, channel: str) -> Topic | None:
        return self._topics.get(channel) or self._keyspace.topic(channel)

    # The observer of the subscriber, in the subscriber's thread

    def message_received(self, channel: str, data: bytes) -> None:
        """Take a message."""
        if (topic := self._topic(channel)) is not None:
            self._sequencer.receive(topic, data)

    def missed(self, channels: list[str], silence: Silence) -> None:
        """Note that messages of channels may not have come."""
        topics = [*filter(None, map(self._topic, channels))]
        self._sequencer.missed(topics, silence)
        if not silence.is_same_data or silence.has_evicted:
            self._leases.renew(topics)

    def moved(self, channel: str) -> None:
        """Have the new node of a channel note that it has all data, while the old one proves it."""
        if (topic := self._topic(channel)) is not None:
            self._leases.renew((topic,))

    def catch_up(self) -> CatchUp:
        """Return the catching up of a new connection."""
        return CatchUp(self._sequencer, self._heard_log, self._topic)
