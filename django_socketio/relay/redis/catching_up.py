"""Catching up: many topics' missed messages are read at once, while messages are received."""

from collections import deque
from collections.abc import Callable, Iterable

from django_socketio.concurrency.giving_way import give_way
from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.cursor import NO_LOG, Verdict
from django_socketio.relay.redis.log import MessageLog
from django_socketio.relay.redis.missed import Missed, Place, lacks_messages
from django_socketio.relay.redis.sequencer import Sequencer
from django_socketio.relay.redis.silence import Silence
from django_socketio.relay.redis.subscription import Held, Subscription
from django_socketio.relay.topics import Topic

AT_ONCE = 500
"""Topics that Redis is asked about in one step."""

UNINTERRUPTED = 50
"""Topics that are caught up with before other threads and greenlets have their turn."""

HELD_BYTES = 8_000_000
"""Bytes of messages that a connection holds for topics that are not caught up with yet."""


Question = tuple[Place, Silence | None]
"""The place of a topic that Redis is asked about, and the silence that the answer is to end."""

Answer = tuple[Question, Missed]


class TopicQueue:
    """Topics in the order of need: hurried ones, those that had messages, then the others."""

    def __init__(self) -> None:
        self._hurried: dict[Topic, None] = {}
        self._active: deque[Topic] = deque()
        self._idle: deque[Topic] = deque()

    def __bool__(self) -> bool:
        return bool(self._hurried or self._active or self._idle)

    def add(self, topic: Topic, is_active: bool) -> None:
        """Add a topic, which had messages of late and is likely to have more, or had none."""
        (self._active if is_active else self._idle).append(topic)

    def hurry(self, topic: Topic) -> None:
        """Have a topic come first; one that was added before comes again in its turn."""
        self._hurried[topic] = None

    def take(self, count: int) -> list[Topic]:
        """Remove and return the topics that are needed most."""
        taken = dict.fromkeys([*self._hurried][:count])
        for topic in taken:
            del self._hurried[topic]
        for others in (self._active, self._idle):
            while others and len(taken) < count:
                taken[others.popleft()] = None
        return [*taken]


class CatchUp:
    """Delivers what a connection's topics were given while nothing was received.

    The connection's thread takes one step after the other, and receives in between. Messages for a
    topic that is not caught up with are held meanwhile, and delivered in their place. Where too
    many are held, further ones are dropped, and the log is read once more.

    Args:
        sequencer: delivers.
        log: answers positions and missing messages.
        topic_of: returns the topic of a Redis channel; None for one that is not known.

    """

    def __init__(
        self, sequencer: Sequencer, log: MessageLog, topic_of: Callable[[str], Topic | None]
    ) -> None:
        self._sequencer = sequencer
        self._log = log
        self._topic_of = topic_of
        self._queue = TopicQueue()
        self._unclear: list[Answer] = []
        self._held = 0

    @property
    def is_done(self) -> bool:
        """Whether no topic is left."""
        return not self._queue and not self._unclear

    def expect(self, channels: Iterable[str]) -> None:
        """Hold what comes for channels from now on, until a step has caught up with them."""
        for topic in filter(None, map(self._topic_of, channels)):
            if (subscription := self._sequencer.subscription(topic)) is not None:
                self._expect(topic, subscription)

    def _expect(self, topic: Topic, subscription: Subscription) -> None:
        with subscription.taking:
            if self._sequencer.subscription(topic) is not subscription:
                return  # the last subscriber has left meanwhile
            # Only with a topic that a step will come to: the last step ends what begins here.
            self._sequencer.order.begin(self)
            subscription.behind = self
            self._held += subscription.held_bytes
            self._queue.add(topic, subscription.cursor.position is not None)

    def hurry(self, topic: Topic) -> None:
        """Catch up with a topic before others: a subscriber waits for it."""
        self._queue.hurry(topic)

    def hold(
        self, topic: Topic, subscription: Subscription, position: StreamPosition, message: bytes
    ) -> None:
        """Keep a message until its topic is caught up with, which is urgent from now on."""
        self._queue.hurry(topic)
        if self._held + len(message) > HELD_BYTES:
            subscription.is_cut = True
            return
        self._held += len(message)
        subscription.hold(position, message)

    def release(self, subscription: Subscription) -> None:
        """Hold nothing more for a subscription."""
        self._held -= subscription.held_bytes
        subscription.behind = None
        subscription.held, subscription.held_bytes = [], 0

    def step(self) -> bool:
        """Catch up with some topics; return whether ``conclude`` is to be called.

        Raises:
            RedisError: Redis cannot be asked. These topics are left to the next connection.

        """
        asked = [question for topic in self._queue.take(AT_ONCE) for question in self._ask(topic)]
        missed = self._log.missed([place for place, _ in asked]) if asked else ()
        clear: list[Answer] = []
        for question, found in zip(asked, missed, strict=True):
            (clear if _is_clear(question, found) else self._unclear).append((question, found))
        self._settle_all(clear)
        return bool(self._unclear)

    def conclude(self) -> None:
        """Catch up with the rest of a step's topics, whose logs lack messages.

        The connection has received all that was published before the step ended: what is neither in
        a log nor held was not published while it was subscribed.

        Raises:
            RedisError: Redis cannot be asked.

        """
        answers, self._unclear = self._unclear, []
        self._settle_all(answers)

    @property
    def is_waiting(self) -> bool:
        """Whether what was caught up with may wait for messages that were not received yet."""
        return self._sequencer.order.is_waiting

    def end(self) -> None:
        """Have nothing wait for this connection: it has caught up and received all, or broke."""
        self._sequencer.order.end(self)

    def _settle_all(self, answers: Iterable[Answer]) -> None:
        for number, answer in enumerate(answers, 1):
            self._settle(*answer)
            if number % UNINTERRUPTED == 0:
                give_way()
        if self.is_done:
            self._sequencer.losses.write()

    def _ask(self, topic: Topic) -> list[Question]:
        """Return the question about a topic, if there still is one."""
        subscription = self._sequencer.subscription(topic)
        if subscription is None or subscription.behind is not self:
            return []
        return [(subscription.place_in(topic), subscription.silence)]

    def _settle(self, question: Question, missed: Missed) -> None:
        topic = question[0].topic
        subscription = self._sequencer.subscription(topic)
        if subscription is None:
            return
        with subscription.taking:
            if subscription.behind is not self:
                return
            is_current = subscription.is_at(*question)
            if is_current and self._catch_up(question, subscription, missed):
                self._finish(topic, subscription)
            else:
                self._queue.hurry(topic)

    def _catch_up(self, question: Question, subscription: Subscription, missed: Missed) -> bool:
        """Deliver what was missed; return whether that is all of it."""
        (topic, after, *_), silence = question
        if missed.position != after:
            self._sequencer.lease_in_doubt(topic)  # some messages may have had no listener
        is_doubtful = self._sequencer.may_have_lost(topic, silence)
        if not subscription.is_located:
            is_whole = self._begin(topic, subscription, missed.position, is_doubtful)
            self._sequencer.end_silence(subscription, silence)
            return is_whole
        self._compare(topic, subscription, missed, is_doubtful)
        self._sequencer.end_silence(subscription, silence)
        if missed.position is not None:
            self._fill(topic, subscription, missed.position, missed)
        is_cut, subscription.is_cut = subscription.is_cut, False
        return missed.is_whole and not is_cut

    def _begin(
        self,
        topic: Topic,
        subscription: Subscription,
        now: StreamPosition | None,
        is_doubtful: bool | None,
    ) -> bool:
        """Give a topic its place that was subscribed to while Redis was away.

        Its messages begin with the first one that was received, but other processes may have
        received some before.
        """
        subscription.is_located = True
        place = None if now is None else subscription.before_held(now)
        subscription.go_to(place)
        may_have_lost = is_doubtful is not False and topic.policy.tells_losses
        if may_have_lost or (place is not None and place.offset):
            self._sequencer.tell_lost(topic)
        return place == now

    def _compare(
        self,
        topic: Topic,
        subscription: Subscription,
        missed: Missed,
        is_doubtful: bool | None,
    ) -> None:
        """Tell a loss that no gap in the offsets shows, and move to where the topic goes on."""
        now, cursor = missed.position, subscription.cursor
        if cursor.position is None or now is None or now.epoch != cursor.position.epoch:
            # Subscribers that are not told of losses need no line in the log about an idle topic.
            concerns = cursor.position is not None or topic.policy.tells_losses
            is_whole = self._deliver_following(topic, subscription)
            if not is_whole or (is_doubtful is not False and concerns):
                self._sequencer.tell_lost(topic)
            subscription.go_to(None if now is None else StreamPosition(now.epoch, 0))
        elif missed.is_same is False or cursor.position.offset > now.offset:
            # Redis has forgotten messages that came, and given their offsets to others: a replica
            # that takes its primary's place may not have had the last ones.
            place = subscription.before_held(now)
            self._sequencer.tell_lost(topic)
            self._sequencer.tell_rewound(topic, place)
            subscription.go_to(place)
        elif is_doubtful:
            self._sequencer.tell_lost(topic)
            self._sequencer.tell_rewound(topic, now)

    def _deliver_following(self, topic: Topic, subscription: Subscription) -> bool:
        """Deliver the held messages that follow on the last one, in an epoch that has ended.

        Nothing of that epoch is held any longer. Returns whether these were all of its messages.
        """
        cursor, is_whole = subscription.cursor, True
        ended = None if cursor.position is None else cursor.position.epoch
        for position, message in subscription.held:
            if position.epoch != ended:
                continue
            if cursor.position == (ended, position.offset - 1):
                self._sequencer.deliver_kept(topic, subscription, position, message)
            elif cursor.judge(position) is not Verdict.OLD:
                is_whole = False
        subscription.held = [one for one in subscription.held if one[0].epoch != ended]
        return is_whole

    def _fill(
        self, topic: Topic, subscription: Subscription, now: StreamPosition, missed: Missed
    ) -> None:
        """Deliver the messages of the log and those that are held, in the order of the topic."""
        after = subscription.cursor.position
        begin = 0 if after is None else after.offset
        kept = dict(missed.entries)
        until = now.offset if missed.is_whole else max(kept, default=begin)
        messages = subscription.held_in(now.epoch) | kept
        offsets = sorted(offset for offset in messages if begin < offset <= until)
        if lacks_messages(len(offsets), begin, until, missed.unused):
            self._sequencer.tell_lost(topic)
        for offset in offsets:
            position = StreamPosition(now.epoch, offset)
            self._sequencer.deliver_kept(topic, subscription, position, messages[offset])
        subscription.go_to(StreamPosition(now.epoch, max(until, begin)))
        subscription.confirmed = until

    def _finish(self, topic: Topic, subscription: Subscription) -> None:
        """Take what has come since the log was read; from now on, nothing is held."""
        held = self._left(topic, subscription)
        self.release(subscription)
        for position, message in held:
            self._sequencer.arrive(topic, subscription, position, message)

    def _left(self, topic: Topic, subscription: Subscription) -> list[Held]:
        """Return the held messages that have not come yet; tell the loss of those that never will.

        Those of another epoch than the log's may have come before it, if Redis was emptied. The
        topic would go back into an epoch that has ended.
        """
        held, at = subscription.held, subscription.cursor.position
        if at is None:
            return held
        left = [one for one in held if one[0].epoch != at.epoch or one[0].offset > at.offset]
        if all(position.epoch in (at.epoch, NO_LOG) for position, _ in left):
            return left
        now = self._log.position(topic)
        epochs = {at.epoch, NO_LOG, at.epoch if now is None else now.epoch}
        current = [one for one in left if one[0].epoch in epochs]
        if len(current) < len(left):
            self._sequencer.tell_lost(topic)
        return current


def _is_clear(question: Question, missed: Missed) -> bool:
    """Return whether all messages that a topic has had are in its log, or held already."""
    place, now = question[0], missed.position
    if now is None:
        return True
    after = place.after
    is_same_epoch = after is not None and after.epoch == now.epoch
    begin = after.offset if after is not None and is_same_epoch else 0
    if not place.wants_messages or missed.is_same is False or begin > now.offset:
        return False
    return not missed.is_whole or len(missed.entries) >= now.offset - begin
