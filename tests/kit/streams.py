"""A client of event streams, which reads as section 9.2.6 of the HTML Standard says."""

import socket
from http.client import HTTPResponse
from typing import NamedTuple

from tests.kit.http import close_later
from tests.kit.waiting import TIMEOUT


class Event(NamedTuple):
    """An event as a browser dispatches it."""

    type: str
    data: str


class Reader:
    """Interprets lines of a stream."""

    def __init__(self):
        self.last_event_id = ""
        self.retry = None
        self.comments = 0
        self._id, self._type, self._data = "", "", []

    def line(self, line):
        """Take a line without its end; return the event that it completes."""
        if line == "":
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "":
            self.comments += 1
        elif name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        elif name == "retry":
            self.retry = int(value)
        else:
            raise AssertionError(f"an unknown field: {line!r}")
        return None

    def _dispatch(self):
        self.last_event_id = self._id
        data, type, self._data, self._type = self._data, self._type, [], ""
        return Event(type or "message", "\n".join(data)) if data else None


class StreamClient:
    """Asks for a stream on a connection of its own, and reads its events."""

    def __init__(
        self,
        port,
        path="/stream/?channel=a",
        version="HTTP/1.1",
        method="GET",
        tls=None,
        **fields,
    ):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.reader = Reader()
        fields = {"Host": "localhost", "Accept": "text/event-stream", **fields}
        lines = [f"{method} {path} {version}", *(f"{k}: {v}" for k, v in fields.items() if v)]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.answer = HTTPResponse(self.socket, method=method)
        close_later(self)
        self.answer.begin()
        self.status, self.headers = self.answer.status, self.answer.headers

    @property
    def last_event_id(self):
        return self.reader.last_event_id

    def _line(self):
        line = self.answer.readline()
        if not line:
            raise EOFError
        return line.decode().rstrip("\n")

    def begin(self):
        """Wait until the stream has begun: the first id has come."""
        while self.reader.retry is None or not self.reader.last_event_id:
            assert self.reader.line(self._line()) is None
        return self

    def event(self):
        """Return the next event."""
        while (event := self.reader.line(self._line())) is None:
            pass
        return event

    def events(self, count):
        return [self.event() for _ in range(count)]

    def is_beaten(self):
        """Wait for a comment."""
        before = self.reader.comments
        while self.reader.comments == before:
            assert self.reader.line(self._line()) is None
        return True

    def rest(self):
        """Return the events up to the end of the stream."""
        found = []
        try:
            while True:
                found.append(self.event())
        except EOFError:
            return found

    def close(self):
        self.answer.close()
        self.socket.close()

    def come_back(self, port=None, path="/stream/?channel=a", **fields):
        """Close the connection; ask again, with the last id."""
        port = port or self.socket.getpeername()[1]
        self.close()
        return StreamClient(port, path, **{"Last-Event-ID": self.last_event_id, **fields})
