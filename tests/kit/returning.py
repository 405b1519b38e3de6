"""A client that comes back to its socket: connection state recovery of the official client."""

import json

from django_socketio.events import (
    on_away,
    on_connect,
    on_disconnect,
    on_finish,
    on_return,
    on_unsubscribe,
)
from tests.kit.clients import PollingClient, WebSocketClient


class Returning:
    """A client that keeps the secret of its socket, and the offset, as the official one does."""

    def __init__(self, server, transport, query="&recovery=1"):
        self.server, self.transport, self.query = server, transport, query
        self.pid = self.offset = None

    def connect(self, namespace="/", server=None, **auth):
        """Open a new connection, maybe to another server; return what CONNECT answers."""
        self.server = server or self.server
        kind = WebSocketClient if self.transport == "websocket" else PollingClient
        self.client = kind(self.server.port, query=self.query)
        if self.transport == "upgraded":
            self.client = self.client.upgrade()
        ticket = {"pid": self.pid, "offset": self.offset} if self.pid else {}
        ticket = {key: value for key, value in ticket.items() if value is not None}
        answer = self.client.connect(namespace, auth={**ticket, **auth})
        return self.welcomed(json.loads(answer[answer.index("{") :]))

    def welcomed(self, answer):
        self.recovered = self.pid is not None and answer.get("pid") == self.pid
        self.pid = answer.get("pid")
        self.id = answer["sid"]
        return answer

    def event(self):
        """Return the next event, without its offset, which is kept."""
        name, *args = self.client.event()
        if args and isinstance(args[-1], str):
            self.offset = args.pop()
        return [name, *args]

    def messages(self, number):
        """Return the only arguments of the next messages."""
        return [self.event()[1] for _ in range(number)]

    def cut(self):
        """Break the connection."""
        if self.transport == "polling":
            self.client.close()
        else:
            self.client.abandon()


def record_life(seen, of=lambda request: ()):
    """Record what happens to sockets; return them by their ids.

    ``of(request)`` is told with each event, after its name.
    """
    found = {}

    @on_connect
    def came(request, socket, context):
        found[socket.session.session_id] = socket

    @on_away
    def away(request, socket, context):
        seen("away", *of(request))

    @on_return
    def back(request, socket, context):
        seen("return", *of(request))

    @on_disconnect
    def gone(request, socket, context):
        seen("disconnect", *of(request), socket.disconnect_reason)

    @on_unsubscribe
    def left(request, socket, context, channel):
        seen("left", *of(request), channel)

    @on_finish
    def finished(request, socket, context):
        seen("finish", *of(request))

    return found
