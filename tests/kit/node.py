"""The official JavaScript client: a Node process, and its sockets as objects.

``client.mjs`` is the other half; its head says what goes between the two.
"""

import base64
import json
import queue
import signal
import subprocess
import threading

import pytest

from tests.kit.programs import ROOT

FOLDER = ROOT / "tests" / "clients" / "official"
"""With ``client.mjs`` and the packages of npm."""

TIMEOUT = 15

OPTIONS = {
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
    "upgraded": {},
}
"""What the client is told for each transport; left alone, it polls and then upgrades."""

ROAMING = {
    "reconnectionDelay": 100,
    "reconnectionDelayMax": 500,
    "query": {"recovery": 1},
}
"""What a client is told that comes back to its socket."""


class Node:
    """A Node process with any number of sockets."""

    def __init__(self):
        self._process = subprocess.Popen(
            ["node", "client.mjs"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._sockets = {}
        self._number = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            told = from_json(json.loads(line))
            self._sockets[told.pop("socket")].told(told)

    def socket(
        self, server, transport, namespace="/", *, agent=None, old=False, cut=None, **options
    ):
        """Begin to connect; return the socket at once. An old one is of Socket.IO 2.

        With ``cut``, the first connection breaks at that event of its engine.
        """
        socket = self._new()
        options = {"reconnection": False, **OPTIONS[transport], **options}
        url = f"http://127.0.0.1:{server.port}{namespace}"
        given = {"agent": agent, "cut": cut}
        extra = {"old": old, **{name: value for name, value in given.items() if value}}
        socket.do("connect", url=url, options=options, **extra)
        return socket

    def roam(self, port, channels, longest, until, **options):
        """Begin to roam on channels; each connection breaks after ``longest`` seconds at most."""
        socket = self._new()
        url, given = f"http://127.0.0.1:{port}/", {**ROAMING, **options}
        arguments = {"channels": channels, "most": longest * 1000, "until": until}
        socket.do("roam", url=url, options=given, **arguments)
        return socket

    def join(self, namespace, beside, **options):
        """Begin to join another namespace over the connection of a socket; return its socket."""
        socket = self._new()
        socket.do("join", beside=beside.name, namespace=namespace, options=options)
        return socket

    def _new(self):
        self._number += 1
        socket = self._sockets[str(self._number)] = NodeSocket(self, str(self._number))
        return socket

    def forget(self):
        """Disconnect all sockets: a test is over."""
        self.write({"do": "forget"})

    def connect(self, server, transport, namespace="/", **options):
        """Return a socket that is connected, and upgraded if ``transport`` says so."""
        socket = self.socket(server, transport, namespace, **options)
        socket.wait_connected()
        if transport == "upgraded":
            assert socket.next("upgrade") == {"transport": "websocket"}
        return socket

    def write(self, command):
        self._process.stdin.write(json.dumps(to_json(command)) + "\n")
        self._process.stdin.flush()

    @property
    def alive(self):
        return self._process.poll() is None

    def kill(self):
        """End the process as ``kill -9`` does, without a word to the server."""
        self._process.kill()

    def pause(self):
        """Let the process do nothing until ``resume``."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        """Let the process go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self):
        """End the process, and wait for it."""
        self._process.kill()
        self._process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        self._process.stdin.close()
        self._process.stdout.close()


class NodeSocket:
    """One socket of the JavaScript client."""

    def __init__(self, node, name):
        self.name = name
        self.id = None
        self._node = node
        self._told = {}
        self._lock = threading.Lock()

    def _queue(self, what):
        with self._lock:
            return self._told.setdefault(what, queue.Queue())

    def told(self, told):
        self._queue(told.pop("what")).put(told)

    def next(self, what, timeout=TIMEOUT):
        """Return what the client tells next of a kind: "connect", "event", "disconnect", …"""
        try:
            return self._queue(what).get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"the JavaScript client told of no {what}: {self}") from None

    def has(self, what):
        """Whether the client has told of something that no one has asked for yet."""
        return not self._queue(what).empty()

    def __repr__(self):
        return ", ".join(f"{what}: {list(q.queue)}" for what, q in self._told.items())

    def do(self, command, **arguments):
        self._node.write({"do": command, "socket": self.name, **arguments})

    def wait_connected(self):
        """Wait until accepted; return whether it was recovered (2.5 knows no recovery)."""
        told = self.next("connect")
        self.id = told["id"]
        return told.get("recovered", False)

    def emit(self, *event):
        """Send an event."""
        self.do("emit", events=[event])

    def emit_all(self, events):
        """Send events in one go, as a loop in JavaScript does."""
        self.do("emit", events=events)

    def ask(self, *event):
        """Send an event; return the arguments of the server's answer."""
        self.do("ask", event=event)
        return self.next("answer")["args"]

    def ask_within(self, milliseconds, *event):
        """Send an event; return what the client's callback gets: an error or None, and the rest."""
        self.do("ask", event=event, timeout=milliseconds)
        answer = self.next("answer")
        return answer["error"], answer["args"]

    def reply(self, event, *args):
        """Answer with these arguments whenever the server asks with ``event``."""
        self.do("reply", event=event, **{"with": args})

    def event(self):
        """Return the next event: its name and its arguments."""
        return self.next("event")["event"]

    def disconnect(self):
        """Leave the namespace."""
        self.do("disconnect")

    def cut(self):
        """Break the connection; a client with reconnection comes back."""
        self.do("break")

    def again(self):
        """Leave the namespace and join it at once, as React's StrictMode does."""
        self.do("again")


def to_json(value):
    """Write bytes as an object that ``client.mjs`` knows."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    return _mapped(value, to_json)


def from_json(value):
    """Read what ``client.mjs`` wrote."""
    if isinstance(value, dict) and value.keys() == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    return _mapped(value, from_json)


def _mapped(value, convert):
    if isinstance(value, (list, tuple)):
        return [convert(item) for item in value]
    if isinstance(value, dict):
        return {key: convert(item) for key, item in value.items()}
    return value


class Nodes:
    """Starts Node when a test needs it, and again should a test have broken it."""

    current = None

    def get(self):
        if self.current is None or not self.current.alive:
            self.stop()
            self.current = start_node()
        return self.current

    def stop(self):
        if self.current is not None:
            self.current.stop()
            self.current = None


def start_node():
    if not (FOLDER / "node_modules" / "socket.io-client").is_dir():
        pytest.fail(f"{FOLDER}/node_modules is missing: run make test, which installs it")
    return Node()
