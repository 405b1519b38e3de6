"""One event stream: a subscriber of channels and audiences, without a greenlet."""

import math
import random
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from django_socketio.channels.backlogs import Pending
from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.channels.recovery import Past, Wanted
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.logs import get_logger
from django_socketio.protocol import event_stream
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.envelope import Delivery, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind, channel_topic
from django_socketio.sockets.server import SocketServer
from django_socketio.streams import blocks, marks
from django_socketio.transports.event_stream import StreamListener

logger = ClientLog(get_logger("django_socketio.streams"))

LONGEST = 1.5
"""The factor up to which ``retry`` is stretched: clients do not come back all at once."""

SHORTEST = 0.75
"""The same of the maximum age, which is shortened."""


class Plan(NamedTuple):
    """What a stream carries, by its view and its request.

    Attributes:
        namespace: of the channels and audiences.
        channels: the names of its channels.
        has_audiences: whether it brings the events of the audiences of its visitor.
        has_lost_login: whether the visitor's Django session names a user who may not log in any
            more: the visitor is anonymous, and the session is no audience.
        last_event_id: the id that the client presents; empty for a new stream.
        retry: seconds after which the client comes back, at the least.
        max_age: seconds after which the stream ends, at the most; 0 disables it.

    """

    namespace: str
    channels: tuple[str, ...]
    has_audiences: bool
    has_lost_login: bool
    last_event_id: str
    retry: float
    max_age: float


class Transport(Protocol):
    """Carries the bytes of a stream to its client."""

    listener: StreamListener | None

    def send(self, data: bytes) -> bool:
        """Send bytes; False if the stream is closed."""

    def close(self) -> None:
        """End after the bytes that wait; the listener is called no more."""


class EventStream:
    """A stream of events to one client.

    Args:
        server: the server of the process.
        plan: what the stream carries.
        transport: carries it.
        request: the request of the view.

    """

    __slots__ = (
        "_login",
        "_mailbox",
        "_marks",
        "_plan",
        "_server",
        "_timer",
        "_topics",
        "_transport",
        "_until",
        "is_over",
    )

    id = ""
    keeps_positions = True
    receives_only = True

    def __init__(
        self, server: SocketServer, plan: Plan, transport: Transport, request: Any
    ) -> None:
        self._server = server
        self._plan = plan
        self._transport = transport
        self._marks = marks.Marks()
        self._topics: tuple[Topic, ...] = ()
        self._mailbox = Mailbox(server.executor)
        self.is_over = False
        # A visitor without a login has none that could end.
        self._login: Any = None if plan.has_lost_login else server.guard.begin(self, request)
        if self._login is not None:
            self._login.client = self
        age = plan.max_age * random.uniform(SHORTEST, 1)  # noqa: S311  no secret
        self._until = server.timers.clock() + age if age else math.inf
        first = server.timers.clock() + server.limits.ping_interval
        self._timer = server.timers.set(min(first, self._until), self._beat)
        server.open_sockets.add(self)
        transport.listener = self
        self._mailbox.put(self._open)

    def __repr__(self) -> str:
        return f"<EventStream {self._plan.namespace} {', '.join(self._plan.channels)}>"

    # In a worker

    def _open(self) -> None:
        try:
            if not self.is_over and (self._login is None or self._login.verify()):
                self._begin()
        except failures():
            logger.exception("%r could not begin", self)
            self.close(Reason.TRANSPORT_ERROR)

    def _begin(self) -> None:
        """Subscribe; send what the client has missed, and from then on each event at once."""
        namespace, presented = self._plan.namespace, marks.parse(self._plan.last_event_id)
        channels = [channel_topic(namespace, name) for name in self._plan.channels]
        self._marks.begin(presented)
        self._topics = topics = tuple(dict.fromkeys((*channels, *self._audiences())))
        begin = self._subscribe(topics)
        carried = self._carried(topics)
        since = {one: at for one in carried if (at := presented.since(one)) is not None}
        pasts = self._pasts(since, set(presented.seen))
        for past in pasts:
            if past.topic not in since:
                begin[past.topic] = past.begin or begin[past.topic]
            else:
                begin[past.topic] = since[past.topic] if past.is_whole else past.position
        for topic in carried:
            self._marks.set(topic, begin[topic])
        lost = [past.topic for past in pasts if past.topic in since and not past.is_whole]
        self._welcome(lost)
        self._replay(pasts)

    def _audiences(self) -> Iterable[Topic]:
        if self._login is None:
            return ()
        topics: tuple[Topic, ...] = self._login.audiences(self._plan.namespace)
        return topics

    def _carried(self, topics: Iterable[Topic]) -> list[Topic]:
        """Return those topics whose events the stream brings, and whose positions its id has.

        Without ``audiences``, the stream is on its audiences for the commands that end it.
        """
        has_all = self._plan.has_audiences
        return [one for one in topics if has_all or one.kind is TopicKind.CHANNEL]

    def _subscribe(self, topics: Iterable[Topic]) -> dict[Topic, StreamPosition | None]:
        """Subscribe to topics, whose messages wait; return the positions after which they come."""
        channels, limit = self._server.channels, self._server.channels.max_buffered_bytes
        begin = channels.add_all({topic: Pending(limit) for topic in topics}, self)
        return {topic: begin.get(topic) for topic in topics}

    def _pasts(self, since: Mapping[Topic, StreamPosition], seen: set[str]) -> list[Past]:
        """Read what the client has missed, and what new clients get without asking."""
        carried = self._carried(self._topics)
        wanted = self._server.pasts.unasked(one for one in carried if one not in since)
        wanted.update((topic, Wanted(since[topic])) for topic in since)

        def is_new(delivery: Delivery) -> bool:
            id = delivery.envelope.id[: marks.ID_LENGTH]
            if id in seen:
                return False
            if len(delivery.envelope.topics) > 1:
                seen.add(id)
            return True

        pasts = []
        room = self._server.pasts.room(each=marks.longest(len(carried)))
        for topic, one in wanted.items():
            past = self._server.pasts.read(topic, one, is_new, room=room)
            if past.overlap is not None:
                self._server.channels.skip(past.overlap, self)
            if topic not in since:  # a message may be in the histories of several topics
                past = past._replace(deliveries=tuple(filter(is_new, past.deliveries)))
            pasts.append(past)
        return pasts

    def _welcome(self, lost: list[Topic]) -> None:
        wait = self._plan.retry * random.uniform(1, LONGEST)  # noqa: S311  no secret
        begin = event_stream.retry(wait) + (blocks.reset(lost) if lost else b"")
        self._transport.send(begin + self._marks.field())

    def _replay(self, pasts: list[Past]) -> None:
        for past in pasts:
            self._server.channels.replay(past.topic, self, past.deliveries)
            if past.position is not None:
                self._marks.reach(past.topic, past.position)
        read = {past.topic for past in pasts}
        for topic in self._topics:
            if topic not in read:
                self._server.channels.admit(topic, self)
        if self._marks.is_untold:
            self._transport.send(self._marks.field())

    def _release(self) -> None:
        """Leave all channels: the last job."""
        topics, self._topics = self._topics, ()
        try:
            if self._login is not None:
                self._login.release()
            self._server.channels.remove_from_all(topics, self)
        finally:
            self._server.open_sockets.discard(self)

    # Groups

    @property
    def namespace(self) -> str:
        """The namespace of its channels and audiences."""
        return self._plan.namespace

    @property
    def audiences(self) -> list[Topic]:
        """The topics of its user, Django session and groups."""
        return [topic for topic in self._topics if topic.kind is not TopicKind.CHANNEL]

    def follow_groups(self, groups: Iterable[Topic]) -> None:
        """Have the stream on the topics of these groups, and of no others."""
        self._mailbox.put(self._follow, [*groups])

    def _follow(self, groups: list[Topic]) -> None:
        left = [one for one in self._topics if one.kind is TopicKind.GROUP and one not in groups]
        joined = [topic for topic in groups if topic not in self._topics]
        if self.is_over or not (left or joined):
            return
        self._topics = (*(one for one in self._topics if one not in left), *joined)
        self._server.channels.remove_from_all(left, self)
        for topic in left:
            self._marks.forget(topic)
        begin = self._subscribe(joined)
        for topic in self._carried(joined):
            self._marks.set(topic, begin[topic])
        for topic in joined:
            self._server.channels.admit(topic, self)

    # Events, in the event loop

    def deliver(self, encoded: EncodedEvent) -> bool:
        """Send an event to the client; False if it is not sent."""
        delivery = encoded.delivery
        if delivery is not None:
            brings = self._plan.has_audiences or self._marks.have_any(delivery.envelope.topics)
            if not (brings and self._marks.take(delivery)):
                return False
        block = encoded.render(blocks.block)
        return bool(block) and self._transport.send(block + self._marks.field())

    def copied(self, topic: Topic, position: StreamPosition, id: str) -> None:
        """Note the place of a message, which was delivered, in a further topic of the stream."""
        self._marks.copied(topic, position, id)

    def missed(self, topic: Topic) -> None:
        """Tell the client that messages of a topic were lost."""
        if self._carried([topic]):
            self._transport.send(blocks.reset([topic]) + self._marks.field())

    def lost(self, channel: str) -> None:
        """Do nothing: the client was told by ``missed``."""

    def overflow(self) -> None:
        """Close the stream: too much waits for its beginning."""
        self.close(Reason.SLOW_CLIENT)

    # Its end, in the event loop

    def cut_off(self, reason: str) -> None:
        """End the stream, as the site has asked for (``disconnect``)."""
        self.close(reason)

    def follow_user(self) -> None:
        """End the stream, whose login has lost its user: the view decides again."""
        self.close(Reason.SESSION_ENDED)

    def unsubscribe(self, channel: str) -> bool:
        """End the stream if it has the channel: the view decides again."""
        has_channel = channel in self._plan.channels
        if has_channel:
            self.close(Reason.SERVER_LEFT)
        return has_channel

    def _beat(self, now: float) -> float | None:
        """Show that the stream is alive, or end it if it is old enough; return the next time."""
        if now >= self._until:
            self.close(Reason.TRANSPORT_CLOSE)
            return None
        self._transport.send(
            self._marks.field() if self._marks.is_untold and self._topics else event_stream.COMMENT
        )
        return min(now + self._server.limits.ping_interval, self._until)

    def close(self, reason: str) -> None:
        """End the stream; the client comes back, unless the view refuses it then."""
        self._transport.close()
        self.transport_closed(reason, None)

    def transport_closed(self, reason: str, error: Exception | None) -> None:
        """Leave all channels: the transport has ended."""
        if self.is_over:
            return
        self.is_over = True
        if reason == Reason.SLOW_CLIENT:
            logger.warning("%r closed: more waits for it than SOCKETIO_MAX_UNSENT_BYTES", self)
        self._server.timers.cancel(self._timer)
        self._mailbox.move(self._server.executor, self._server.endings)
        self._mailbox.put(self._release)
