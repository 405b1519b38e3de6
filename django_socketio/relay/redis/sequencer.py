"""The order of what comes from Redis: nothing twice, holes filled from the log, losses told."""

import threading
from collections.abc import Callable, Iterable, Mapping

from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.base import Copied, Rewound
from django_socketio.relay.envelope import Deliver, Delivery, Envelope, StreamPosition
from django_socketio.relay.redis.cursor import NO_LOG, Cursor, Verdict
from django_socketio.relay.redis.decoder import MessageDecoder, MessageGone
from django_socketio.relay.redis.entry import GONE
from django_socketio.relay.redis.ignored import Ignored
from django_socketio.relay.redis.log import MessageLog
from django_socketio.relay.redis.losses import Losses
from django_socketio.relay.redis.missed import lacks_messages
from django_socketio.relay.redis.order import Call, TopicOrder
from django_socketio.relay.redis.silence import Silence
from django_socketio.relay.redis.subscription import Beginning, Subscription
from django_socketio.relay.signing import SignatureExpired
from django_socketio.relay.topics import Retentions, Topic

Schedule = Callable[..., object]
"""Has a function called with arguments in the event loop, in the order of the calls."""

Locate = Callable[[], Mapping[Topic, StreamPosition | None]]
"""Returns the positions of topics, as far as they can be found out."""

LossHandler = Callable[[Topic], None]
"""Is called with a topic of which messages were lost."""


class Sequencer:
    """Delivers the messages of this process's topics in the order of each topic.

    The threads of subscribers hand messages in: one, or one for each node of a cluster.

    Args:
        log: answers positions and missing messages.
        decoder: turns messages into envelopes.
        retentions: what the log of each topic keeps.
        schedule: how ``deliver`` and ``lost`` are called.

    """

    def __init__(
        self,
        log: MessageLog,
        decoder: MessageDecoder,
        retentions: Retentions,
        schedule: Schedule,
        lost: LossHandler,
    ) -> None:
        self._log = log
        self._decoder = decoder
        self._retentions = retentions
        self._schedule = schedule
        self._lost = lost
        self.losses = Losses()
        self.lease_in_doubt: Callable[[Topic], object] = lambda topic: None
        """Is called with a topic whose lease may have ended, or may end too early."""
        self.copied: Copied | None = None
        """See ``Relay.tell_copies``."""
        self.rewound: Rewound | None = None
        """See ``Relay.tell_rewinds``."""
        self._subscriptions: dict[Topic, Subscription] = {}
        self.order = TopicOrder(schedule, self._subscriptions.__contains__)
        self._noting = threading.Lock()
        self._ignored = Ignored()

    def add(self, topic: Topic, deliver: Deliver, begin: Beginning) -> bool:
        """Subscribe to a topic; return False if this process was subscribed to it already.

        Args:
            begin: where a new topic begins.

        """
        subscription = self._subscriptions.get(topic)
        if subscription is None:
            located = begin.at is not None
            new = Subscription(deliver, begin.since, Cursor(begin.at), is_located=located)
            self._subscriptions[topic] = new
            return True
        if (behind := subscription.behind) is not None:
            behind.hurry(topic)
        return False

    def remove(self, topic: Topic) -> Subscription | None:
        """Forget a topic; return its subscription, for ``release``."""
        return self._subscriptions.pop(topic, None)

    def release(self, topic: Topic, subscription: Subscription | None) -> None:
        """Have nothing wait for a topic that was forgotten."""
        if subscription is None or (subscription.behind is None and self.order.is_simple):
            return
        with subscription.taking:
            if (behind := subscription.behind) is not None:
                behind.release(subscription)
            if topic not in self._subscriptions:  # or else it was subscribed to again meanwhile
                self.order.leave(topic)

    def subscription(self, topic: Topic) -> Subscription | None:
        """Return the subscription to a topic, if there is one."""
        return self._subscriptions.get(topic)

    def position(self, topic: Topic) -> StreamPosition | None:
        """Return the position up to which a topic was received; None if it is not known."""
        subscription = self._subscriptions.get(topic)
        return None if subscription is None else subscription.cursor.position

    def locate(self, topics: Iterable[Topic], ask: Locate) -> None:
        """Learn the positions of new topics, before Redis is told: what comes between is a hole.

        Args:
            ask: returns positions. Where one is missing, the first message tells it.

        """
        subscriptions = {topic: self._subscriptions.get(topic) for topic in topics}
        try:
            for topic, position in ask().items():
                if (subscription := subscriptions[topic]) is not None:
                    with subscription.taking:
                        subscription.locate(position)
        finally:
            for subscription in filter(None, subscriptions.values()):
                subscription.tried.set()

    def wait_until_located(self, topic: Topic, timeout: float) -> None:
        """Wait for a ``locate`` that is under way for another subscriber of the topic."""
        subscription = self._subscriptions.get(topic)
        if subscription is not None:
            subscription.tried.wait(timeout)

    def receive(self, topic: Topic, data: bytes) -> None:
        """Take a message: deliver it, and before it what is missing."""
        subscription = self._subscriptions.get(topic)
        if subscription is None:
            return
        try:
            position, message = wire.decode_place(data)
        except ValueError as error:
            return self._ignored.note(topic, data, error)
        with subscription.taking:
            if subscription.behind is not None:
                return subscription.behind.hold(topic, subscription, position, message)
            self.arrive(topic, subscription, position, message)

    def arrive(
        self, topic: Topic, subscription: Subscription, position: StreamPosition, message: bytes
    ) -> None:
        """Take a message that was just published.

        Raises:
            RedisError: Redis had to be asked, and cannot be; the message counts as missing.

        """
        verdict = subscription.cursor.judge(position)
        if verdict is Verdict.OLD:
            return self._check_old(topic, subscription, position)
        if verdict is not Verdict.NEXT and not self._is_reached(topic, position):
            fault = f"Redis is not at {position.offset:.0f} there"
            return self._ignored.note(topic, message, fault)
        if verdict is Verdict.HOLE:
            self.fill(topic, subscription, position.offset)
        elif verdict is Verdict.LOST:
            self.tell_lost(topic)
        try:
            self._deliver(topic, subscription, position, message)
        except ProtocolError as error:
            # Its position is not believed either: Redis may have another message there.
            self._ignored.note(topic, message, error)

    def _is_reached(self, topic: Topic, position: StreamPosition) -> bool:
        """Return whether Redis has given out a position that does not follow on the last one.

        If not, the message is forged, or Redis has forgotten it: subscribers are told of a loss.
        """
        now = self._log.position(topic)
        if now is not None and now.epoch == position.epoch and now.offset >= position.offset:
            return True
        self.tell_lost(topic)
        return False

    def _check_old(
        self, topic: Topic, subscription: Subscription, position: StreamPosition
    ) -> None:
        """Drop a message that came before, unless a forged one had taken its place."""
        if position.offset <= subscription.confirmed:
            return
        now = self._log.position(topic)
        if now is None or now.epoch != position.epoch:
            return
        cursor = subscription.cursor
        if self._is_rewound(topic, subscription, now):
            cursor.position = StreamPosition(now.epoch, min(position.offset, now.offset) - 1)
            self.tell_rewound(topic, cursor.position)
            self.fill(topic, subscription, now.offset + 1)
        subscription.confirmed = cursor.position.offset if cursor.position is not None else 0

    def fill(self, topic: Topic, subscription: Subscription, until: int) -> None:
        """Deliver the messages before the offset ``until`` that the log has.

        Raises:
            RedisError: Redis cannot be asked; the hole stays, to be filled after a new connection.

        """
        position = subscription.cursor.position
        if position is None:
            return
        entries = self._log.entries(topic, position.offset)
        missing = [(offset, message) for offset, message in entries if offset < until]
        found, after, last = len(missing), position.offset, until - 1
        is_short = found < last - after  # only then is Redis asked once more
        if is_short and lacks_messages(found, after, last, self._log.unused(topic)):
            self.tell_lost(topic)
        for offset, message in missing:
            at = StreamPosition(position.epoch, offset)
            self.deliver_kept(topic, subscription, at, message)
            subscription.confirmed = offset  # for Redis itself has it there

    def deliver_kept(
        self, topic: Topic, subscription: Subscription, position: StreamPosition, message: bytes
    ) -> None:
        """Deliver a message that Redis has, or had, at a position.

        Raises:
            RedisError: Redis had to be asked, and cannot be.

        """
        if message == GONE:
            self.tell_lost(topic)
            return self._move(topic, subscription, position, None)
        try:
            self._deliver(topic, subscription, position, message)
        except ProtocolError as error:
            if isinstance(error, SignatureExpired):  # this site had published it
                self.tell_lost(topic)
            self._ignored.note(topic, message, error)
            self._move(topic, subscription, position, None)

    def missed(self, topics: Iterable[Topic], silence: Silence) -> None:
        """Note that messages of topics may not have come, until they are caught up with."""
        for topic in topics:
            if (subscription := self._subscriptions.get(topic)) is not None:
                with self._noting:
                    subscription.silence = silence.joined(subscription.silence)

    def may_have_lost(self, topic: Topic, silence: Silence | None) -> bool | None:
        """Return whether messages may be gone although no gap in the offsets shows it.

        None: only if the epoch is another one.
        """
        return silence and silence.may_have_lost(self._retentions.of(topic))

    def end_silence(self, subscription: Subscription, silence: Silence | None) -> None:
        """Forget a silence that was caught up with, unless another one has begun meanwhile."""
        with self._noting:
            if subscription.silence is silence:  # an equal one may be newer
                subscription.silence = None

    def _is_rewound(self, topic: Topic, subscription: Subscription, now: StreamPosition) -> bool:
        """Return whether Redis has forgotten messages that came, and given their offsets to others.

        A replica that takes its primary's place may not have had the last ones.
        """
        position = subscription.cursor.position
        if position is None or position.offset > now.offset:
            return position is not None
        if subscription.last is None:
            return False
        kept = self._log.entries(topic, position.offset - 1, 1)
        return any(
            offset == position.offset and self._decoder.id_of(message) != subscription.last
            for offset, message in kept
        )

    def _deliver(
        self, topic: Topic, subscription: Subscription, position: StreamPosition, message: bytes
    ) -> None:
        """Deliver a message, unless it has come by another of its topics; note its position.

        Raises:
            ProtocolError: it is no message of this relay for this topic.
            RedisError: Redis had to be asked, and cannot be.

        """
        try:
            id, envelope = self._decoder.decode_once(topic, message, subscription.since)
        except MessageGone:
            self.tell_lost(topic)
            return self._move(topic, subscription, position, self._decoder.id_of(message))
        self._move(topic, subscription, position, id)
        if not topic.policy.asks_position:
            subscription.is_located = True
        place = None if position.epoch == NO_LOG else position
        if envelope is not None:
            call = subscription.deliver, Delivery(envelope, topic, place)
            self._hand_on(topic, envelope, call, len(message))
        elif not self.order.is_simple:
            self.order.take_again(topic, id)
        elif self.copied is not None and place is not None:
            self._schedule(self.copied, topic, place, id)

    def _hand_on(self, topic: Topic, envelope: Envelope, call: Call, size: int) -> None:
        if self.order.is_simple:
            self._schedule(*call)
        elif len(envelope.topics) == 1:
            self.order.take(topic, call, size)
        else:
            self.order.take_shared(topic, call, envelope.topics, envelope.id, size)

    def _move(
        self, topic: Topic, subscription: Subscription, position: StreamPosition, id: str | None
    ) -> None:
        if position.epoch == NO_LOG:
            return  # the last message that the log has is another one
        cursor = subscription.cursor
        if cursor.position is None or position.epoch != cursor.position.epoch:
            subscription.confirmed = 0
            self.lease_in_doubt(topic)
        cursor.move(position)
        subscription.last = id

    def tell_lost(self, topic: Topic) -> None:
        """Tell the subscribers of a topic, and the log, that messages were lost or may be."""
        self.losses.note(topic)
        self._tell(topic, (self._lost, topic))

    def tell_rewound(self, topic: Topic, position: StreamPosition) -> None:
        """Tell that other messages than before may come after a position."""
        if self.rewound is not None:
            self._tell(topic, (self.rewound, (topic, position)))

    def _tell(self, topic: Topic, call: Call) -> None:
        if self.order.is_simple:
            self._schedule(*call)
        else:
            self.order.take(topic, call)
