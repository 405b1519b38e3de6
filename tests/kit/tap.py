"""A proxy in threads, which counts the bytes that go through it, loses some, or passes no more."""

import socket
import threading
from contextlib import suppress

CHUNK = 65_536


class Link:
    """The way of all connections that were made until it died."""

    dead = frozenset()
    """The directions in which nothing passes any more."""


class Tap:
    """Passes the connections of a port of its own on to another port, until ``close``."""

    def __init__(self, port):
        self._target = port
        self.up = self.down = 0
        """Bytes that clients have sent, and the server."""
        self.answers_to_lose = 0
        """How many of the server's next answers are lost, each with its connection."""
        self._counting = threading.Lock()
        self._ends = []
        self._threads = []
        self._link = Link()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def _start(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with suppress(OSError):  # the listener was shut down
            while True:
                client, _ = self._listener.accept()
                self._ends.append(client)
                server = self._reach()
                if server is None:
                    client.close()
                    continue
                self._ends.append(server)
                self._start(self._pass, self._link, client, server, "up")
                self._start(self._pass, self._link, server, client, "down")

    def _reach(self):
        try:
            return socket.create_connection(("127.0.0.1", self._target))
        except ConnectionRefusedError:
            return None

    def _pass(self, link, source, sink, direction):
        with suppress(OSError):
            while (data := source.recv(CHUNK)) and direction not in link.dead:
                if direction == "down" and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    break
                sink.sendall(data)
                with self._counting:
                    setattr(self, direction, getattr(self, direction) + len(data))
        if link.dead:
            return
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mute(self, *directions):
        """Have the connections of now stay open and pass nothing, not even their end.

        Args:
            directions: "up" or "down", if only one of them is to die.

        """
        self._link.dead = frozenset(directions or ("up", "down"))
        self._link = Link()

    def close(self):
        """Break all connections."""
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()
