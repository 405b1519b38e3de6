"""What a page that keeps positions must get, as a model knows it; and a page that compares."""

import itertools
import time
from collections import defaultdict
from dataclasses import dataclass
from math import inf
from threading import Lock

from websocket import WebSocketTimeoutException

from django_socketio.channels.positions import NOWHERE, parse_position
from django_socketio.relay.envelope import StreamPosition
from tests.kit.clients import WebSocketClient
from tests.kit.keeping import CHANNEL, KeepingClient

PATIENCE = 10
"""Seconds in which all that is due must have come."""


@dataclass
class Message:
    """A message as its publisher knows it.

    Attributes:
        topics: the names of its topics, as clients know them.
        position: its place in its topic; None for a message for several topics, and as long as it
            is not known.

    """

    number: int
    topics: tuple[str, ...]
    position: StreamPosition | None = None

    def is_up_to(self, position):
        """Return whether a position is at this message, or after it."""
        own = self.position
        return own is not None and own.epoch == position.epoch and own.offset <= position.offset


class Book:
    """All messages that were accepted, and what befell Redis."""

    def __init__(self):
        self.lock = Lock()
        """Messages are published by another thread while a client connects."""
        self.messages = {}
        self.count = 0
        self.has_lost = False
        """Whether Redis has lost data: a page may be told of that, also more than once."""

    def next(self):
        """Return the number of the next message."""
        self.count += 1
        return self.count

    def add(self, number, topics):
        """Note a message that may be accepted."""
        self.messages[number] = Message(number, tuple(topics))
        return self.messages[number]


class Receiver:
    """A client, and what it must get: each message of its topics once and in order.

    Args:
        book: the messages.

    Attributes:
        topics: those that it is entitled to.
        heard: the last packets that came, for the text of a failure.

    """

    heard = ()

    def __init__(self, book):
        self.book = book
        self.topics = {"everyone"}
        self._due, self._may_come = defaultdict(dict), defaultdict(dict)
        self._seen, self._last = set(), defaultdict(int)
        self.since = {}
        """The number of the last message that was begun when the client had joined a topic."""

    @property
    def is_connected(self):
        """Whether it has a connection."""
        return self.connection is not None

    @property
    def is_waiting(self):
        """Whether anything is due that has not come."""
        return any(list(self._due.values()))

    def publishing(self, message):
        """Note a message that is about to be published, and so may come from now on."""
        with self.book.lock:
            for topic in self.topics.intersection(message.topics):
                self._may_come[topic][message.number] = message

    def published(self, message):
        """Note that a message was accepted: it must come, if it has not come already."""
        with self.book.lock:
            for topic in self.topics.intersection(message.topics):
                is_late = message.number > self.since.get(topic, 0)
                if message.number not in self._seen and is_late and self.is_due(topic):
                    self._may_come[topic].pop(message.number, None)
                    self._due[topic][message.number] = message

    def refused(self, message):
        """Note that a message was not accepted: it must not come."""
        assert message.number not in self._seen, f"{message} has come, and was not accepted"
        with self.book.lock:
            for messages in self._may_come.values():
                messages.pop(message.number, None)

    def is_due(self, topic):
        """Return whether a message that is published to a topic now must come."""
        return True

    def await_direct(self, message):
        """Note a message for the socket that it has."""
        self._due[message.topics[0]][message.number] = message

    def expect(self, topic, messages):
        """Have messages of the past come."""
        self._due[topic].update((one.number, one) for one in messages)

    # What comes

    def arrived(self, number):
        """Take a message."""
        with self.book.lock:
            self._arrived(number)

    def _arrived(self, number):
        message = self.book.messages.get(number)
        assert number not in self._seen, f"{message} came twice: {[*self.heard]}"
        self._seen.add(number)
        assert message is not None, f"{number} was refused"
        where = [*self._due.items(), *self._may_come.items()]
        topics = {topic for topic, messages in where if number in messages}
        assert topics, f"{message} is not for {self.topics}: {[*self.heard]}"
        if len(message.topics) == 1:
            self._in_order(message, *topics)
        for _, messages in where:
            messages.pop(number, None)  # of all its topics

    def _in_order(self, message, topic):
        assert self._last[topic] < message.number, f"{message} after {self._last[topic]}"
        earlier = [one for one in self._due[topic].values() if one.number < message.number]
        lost = [one for one in earlier if len(one.topics) == 1]
        assert not lost, f"{lost} did not come before {message} to {[*self.heard]}"
        self._last[topic] = message.number

    def let(self, topic):
        """Have what is due come or not."""
        self._may_come[topic].update(self._due.pop(topic, {}))

    def settle(self, nudge):
        """See that all comes that is due; ``nudge`` publishes after a loss that is not told yet."""
        until = time.monotonic() + PATIENCE
        while self.is_waiting:
            assert time.monotonic() < until, f"did not come: {dict(self._due)} to {[*self.heard]}"
            if not self._read() and self.book.has_lost:
                nudge()
        self.sync()

    def _read(self):
        """Take a packet; return whether one came in a while."""
        connection = self.connection
        connection.ws.settimeout(0.5)
        try:
            self.take()
        except WebSocketTimeoutException:
            return False
        finally:
            connection.ws.settimeout(PATIENCE)
        return True


class Page(Receiver):
    """A page that keeps positions: all comes, or a loss is told.

    Args:
        book: the messages.

    Attributes:
        banned: topics on which it is not admitted; it may read their past later.

    """

    def __init__(self, book):
        super().__init__(book)
        self.client = KeepingClient(self.arrived, self._missed)
        self.banned = set()

    @property
    def connection(self):
        """Its connection; None while it is away."""
        return self.client.connection

    @property
    def id(self):
        """The id of its socket."""
        return self.client.id

    @property
    def heard(self):
        """The last packets of all connections."""
        return self.client.heard

    # What happens to it

    def connect(self, port, kind=WebSocketClient, banned=(), put_on=()):
        """Connect; the server refuses the banned channels.

        Args:
            put_on: channels that a handler joins first, if the page asks for them as well.

        """
        new = self.topics | {CHANNEL + channel for channel in self.client.wanted}
        new -= {*self.client.at}
        self.since.update(dict.fromkeys(new, inf))
        self.topics |= new
        for topic in new:
            self.await_topic(topic)
        join = self._channels_of_handlers({*put_on}.difference(banned))
        for channel in self.client.connect(port, kind, join=join, banned=banned):
            self.refuse(CHANNEL + channel)
        self.sync()  # to know where "hall" begins, which the server tells after its answer
        for topic in new.intersection(self.client.at):
            self.join(topic)

    def _channels_of_handlers(self, put_on):
        hall = ["hall"] if CHANNEL + "hall" in self.topics else []
        both = put_on.intersection(self.client.wanted)
        return [*hall, *sorted(one for one in both if CHANNEL + one in self.client.at)]

    def connect_in_vain(self, port, put_on, count):
        """Connect, and be cut off after so many packets, or before the first answer."""
        self.client.begin(port, join=self._channels_of_handlers({*put_on}))
        for channel in self.client.wanted:
            self.client.begin_to_subscribe(channel)
        packets = (self.client.receive() for _ in range(count if self.client.wanted else 0))
        for packet in itertools.takewhile(lambda packet: packet.startswith("42"), packets):
            self.client.take(packet)
        self.cut()

    def sync(self):
        """Take all that the server had sent before now."""
        self.client.ask("unsubscribe", "no channel of it")

    def cut(self):
        """Lose the connection; what was for that socket only is lost."""
        self.client.cut()
        self.leave("socket")

    def await_topic(self, topic):
        """Be about to join a topic: messages of before may come until its position is known."""
        self._allow_after(topic, NOWHERE)

    def join(self, topic, since=None):
        """Be entitled to what is published from now on, and to what is on its way to the process.

        These are the messages of before that come after the position that the page was told, and
        any of before while the process catches up with a Redis that has lost data.
        """
        is_certain = since is not None or not self.book.has_lost
        begin = parse_position(since or self.client.at.get(topic, "")) if is_certain else NOWHERE
        with self.book.lock:
            self.topics.add(topic)
            self.banned.discard(topic)
            self.since[topic] = self.book.count
            self._may_come.pop(topic, None)
            self._allow_after(topic, begin)

    def _allow_after(self, topic, begin):
        earlier = [one for one in list(self.book.messages.values()) if topic in one.topics]
        known = [one.number for one in earlier if one.is_up_to(begin)]
        on_their_way = (one for one in earlier if one.number > max(known, default=0))
        self._may_come[topic].update((one.number, one) for one in on_their_way)

    def refuse(self, topic):
        """Be not admitted to a topic; with its position, the page may read its past later."""
        if topic not in self.client.at:
            return self.leave(topic)
        self.banned.add(topic)
        self.let(topic)

    def leave(self, topic):
        """Be entitled to nothing more of a topic, not even to what is on its way."""
        for one in (self.topics, self.banned):
            one.discard(topic)
        for one in (self._due, self._may_come):
            one.pop(topic, None)

    def is_due(self, topic):
        """Return whether a message that is published to a topic now must come."""
        return topic not in self.banned

    def lose(self):
        """Have Redis lose what it has accepted: no loss is told of messages for the socket only."""
        self.let("socket")

    # What comes

    def take(self):
        """Take the next packet."""
        self.client.take(self.client.receive())

    def _missed(self, topic):
        text = f"{topic}: a loss was told, of {self._due[topic]} to {[*self.heard]}"
        assert self.book.has_lost, text
        self.let(topic)
