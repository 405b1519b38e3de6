"""A client that keeps positions as ``socketio.js`` does, over one connection after the other."""

import json
from collections import deque

from tests.kit.clients import WebSocketClient

CHANNEL = "channel,"
KEPT_IDS, KEPT_SOCKETS = 1000, 100


class KeepingClient:
    """The page of a browser: it outlives its connections, and subscribes again on each.

    Args:
        arrived: called with the arguments of each event, without its place.
        missed: called with each topic of which the client is told a loss.

    """

    def __init__(self, arrived, missed):
        self._arrived, self._missed = arrived, missed
        self._ids, self._former_ids = deque(maxlen=KEPT_IDS), deque(maxlen=KEPT_SOCKETS)
        self.at = {}
        self.wanted = []
        """Channels that the page subscribes to."""
        self.connection = None
        self.heard = deque(maxlen=500)
        """The last packets of all connections, each after the positions that it began with."""

    @property
    def id(self):
        """The id of its socket; None while it is not connected."""
        return self.connection and self.connection.id

    def connect(self, port, kind=WebSocketClient, **auth):
        """Connect, and subscribe to all channels; return those that were refused."""
        self.begin(port, kind, **auth)
        return [channel for channel in self.wanted[:] if not self.subscribe(channel)]

    def begin(self, port, kind=WebSocketClient, **auth):
        """Connect, and subscribe to nothing yet."""
        self.connection = kind(port)
        request = {"at": self.at, "was": [*self._former_ids]}
        self.heard.append(f"{port}: {request}")
        answer = self.connection.connect(auth={**auth, "_positions": request})
        self.heard.append(answer)
        data = json.loads(answer[2:])
        self._former_ids.append(data["sid"])
        self.at = {topic: at for topic, at in self.at.items() if topic.startswith(CHANNEL)}
        self.update(data["positions"])
        for topic in data["missed"]:
            self._missed(topic)

    def cut(self):
        """Lose the connection, and with it all that was not read yet."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abandon()

    def update(self, positions):
        """Take positions that the server has told."""
        for topic, at in positions.items():
            self.at.pop(topic, None)
            if at is not None:
                self.at[topic] = at

    def subscribe(self, channel, **options):
        """Subscribe, after the position if there is one; return whether the server admits it."""
        self.begin_to_subscribe(channel, **options)
        return self.end_subscribing(channel)

    def begin_to_subscribe(self, channel, **options):
        """Send the request to subscribe."""
        if channel not in self.wanted:
            self.wanted.append(channel)
        if (since := self.at.get(CHANNEL + channel)) is not None:
            options = {"since": since}
        self.connection.emit("subscribe", channel, *([options] if options else []), id=1)

    def end_subscribing(self, channel):
        """Read up to the answer, and take it; return whether the server admits the client."""
        accepted, *past = self.answer(1)
        if accepted is not True:
            self.wanted.remove(channel)
            return False
        for one in past:
            self._replay(channel, **one)
        return True

    def _replay(self, channel, position=None, recovered=None, messages=(), ids=()):
        if position is not None:
            self.update({CHANNEL + channel: position})
        for number, (_, *args) in enumerate(messages):
            if str(number) not in ids or self._is_first(ids[str(number)]):
                self._arrived(*args)
        if recovered is False:
            self._missed(CHANNEL + channel)

    def unsubscribe(self, channel):
        """Leave a channel, and forget its position."""
        self.wanted.remove(channel)
        self.ask("unsubscribe", channel)
        self.at.pop(CHANNEL + channel, None)

    def ask(self, *event):
        """Send an event; return the arguments of its answer, after all that comes before it."""
        self.connection.emit(*event, id=2)
        return self.answer(2)

    def receive(self):
        """Return the next packet."""
        self.heard.append(self.connection.receive())
        return self.heard[-1]

    def answer(self, id):
        """Take events up to the answer to an event; return its arguments."""
        while not (packet := self.receive()).startswith(f"43{id}["):
            self.take(packet)
        return json.loads(packet.removeprefix(f"43{id}"))

    def take(self, packet):
        """Take an event."""
        assert packet.startswith("42"), packet
        name, *args = json.loads(packet[2:])
        if isinstance(args[-1], dict) and [*args[-1]] == ["_at"] and not self._places(args.pop()):
            return
        if name == "_positions":
            self.update(*args)
        elif name == "_missed":
            self._missed(*args)
        else:
            self._arrived(*args)

    def _places(self, last):
        """Take the place of an event; return whether it is its first copy."""
        match last["_at"]:
            case [topic, position]:
                self.update({topic: position})
            case [id]:
                return self._is_first(id)
        return True

    def _is_first(self, id):
        if id in self._ids:
            return False
        self._ids.append(id)
        return True
