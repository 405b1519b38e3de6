"""A client that comes back to its socket as the official one does, and what it must get."""

import json
from collections import deque
from math import inf

from tests.kit.clients import WebSocketClient
from tests.kit.keeping import CHANNEL
from tests.relay.recovery.model import Receiver


class Official(Receiver):
    """A client that is recovered and gets all, or that is told that it is not.

    Args:
        book: the messages.

    Attributes:
        id: the id of its socket.
        connection: its connection; None while it is away.
        wanted: channels for which it subscribes again if it is not recovered.
        may_be_lost: whether the process that has its socket has ended.

    """

    def __init__(self, book):
        super().__init__(book)
        self.heard = deque(maxlen=500)
        self.wanted = []
        self.id = self.connection = None
        self.may_be_lost = False
        self._pid = self._offset = None

    def connect(self, port):
        """Connect, and subscribe anew if it has not got its socket again; return whether it has."""
        self.connection = WebSocketClient(port, query="&recovery=1")
        ticket = {"pid": self._pid, "offset": self._offset}
        auth = {name: value for name, value in ticket.items() if value is not None}
        self.heard.append(f"{port}: {auth}")
        self.heard.append(self.connection.connect(auth=auth))
        told = json.loads(self.heard[-1][2:])
        is_recovered = self._pid == told["pid"]
        self.id, self._pid, self.may_be_lost = told["sid"], told["pid"], False
        if not is_recovered:
            self._begin_anew()
        return is_recovered

    def _begin_anew(self):
        with self.book.lock:
            for one in (self._due, self._may_come, self._seen, self._last, self.topics):
                one.clear()
        self.join("everyone")
        for channel in self.wanted:
            self.subscribe(channel)

    def cut(self):
        """Lose the connection, and with it all that was not read yet."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abandon()

    # Channels

    def subscribe(self, channel, is_sure=False, **options):
        """Subscribe; see ``join`` for the other argument."""
        topic = CHANNEL + channel
        self.begin_to_subscribe(channel, **options)
        self.join(topic, is_sure)
        self.since[topic] = inf
        self.end_subscribing()
        self.since[topic] = self.book.count

    def begin_to_subscribe(self, channel, **options):
        """Send the request to subscribe."""
        if channel not in self.wanted:
            self.wanted.append(channel)
        self.connection.emit("subscribe", channel, *([options] if options else []), id=1)

    def end_subscribing(self):
        """Read up to the answer."""
        is_admitted, *past = self._answer(1)
        assert is_admitted is True
        for _, number in past[0].get("messages", ()) if past else ():
            self.arrived(number)

    def unsubscribe(self, channel):
        """Leave a channel."""
        self.wanted.remove(channel)
        self.ask("unsubscribe", channel)
        self.let(CHANNEL + channel)
        self._may_come.pop(CHANNEL + channel)
        self.topics.discard(CHANNEL + channel)

    def join(self, topic, is_sure=False):
        """Be entitled to what is published from now on, and to what is on its way to the process.

        Args:
            is_sure: whether nothing is on its way.

        """
        with self.book.lock:
            self.topics.add(topic)
            self.since[topic] = self.book.count
            earlier = () if is_sure else list(self.book.messages.values())
            mine = {one.number: one for one in earlier if topic in one.topics}
            may_come = mine.keys() - self._seen - self._due[topic].keys()
            self._may_come[topic].update((number, mine[number]) for number in may_come)

    def leave(self, topic, is_sure=False):
        """Be entitled to nothing that is published from now on.

        Args:
            is_sure: whether the process has all of before.

        """
        self.topics.discard(topic)
        if not is_sure:
            self.let(topic)

    # What comes

    def is_due(self, topic):
        """Return whether a message that is published to a topic now must come."""
        return not self.book.has_lost

    def await_direct(self, message):
        """Note a message for its socket, which keeps it."""
        where = self._may_come if self.book.has_lost else self._due
        where[message.topics[0]][message.number] = message

    def lose(self):
        """Have Redis lose what it has accepted: the process may not have had it."""
        for topic in [*self._due]:
            self.let(topic)

    def take(self):
        """Take the next packet."""
        self._take(self._receive())

    def _receive(self):
        self.heard.append(self.connection.receive())
        return self.heard[-1]

    def _take(self, packet):
        assert packet.startswith("42"), packet
        _, number, self._offset = json.loads(packet[2:])
        self.arrived(number)

    def ask(self, *event):
        """Send an event; return the arguments of its answer, after all that comes before it."""
        self.connection.emit(*event, id=2)
        return self._answer(2)

    def _answer(self, id):
        while not (packet := self._receive()).startswith(f"43{id}["):
            self._take(packet)
        return json.loads(packet.removeprefix(f"43{id}"))

    def sync(self):
        """Take all that the server had sent before now."""
        self.ask("unsubscribe", "no channel of it")
