"""Small Socket.IO clients for tests: they send and receive packets as text, and hide nothing."""

import base64
import http.client
import json
import queue
import threading

import websocket

from tests.kit.http import TIMEOUT, close_later, exchange


class Closed(Exception):
    """The server closed the connection."""


class Client:
    """What both transports share: messages out, messages in, pings answered."""

    sid = None
    id = None
    pings = 0
    answer_pings = True

    def connect(self, namespace="/", auth=None):
        """Connect to a namespace; return the payload of the server's CONNECT."""
        prefix = "" if namespace == "/" else f"{namespace},"
        self.send("40" + prefix + (json.dumps(auth) if auth is not None else ""))
        answer = self.receive()
        assert answer.startswith("40" + prefix), answer
        self.id = json.loads(answer.removeprefix("40" + prefix))["sid"]
        return answer

    def emit(self, *args, id="", namespace="/"):
        """Send an event."""
        prefix = "" if namespace == "/" else f"{namespace},"
        self.send(f"42{prefix}{id}{json.dumps(args)}")

    def ask(self, *args, id=0, namespace="/"):
        """Send an event and return the arguments of its acknowledgment, which must come next."""
        self.emit(*args, id=id, namespace=namespace)
        prefix = "" if namespace == "/" else f"{namespace},"
        answer = self.receive()
        assert answer.startswith(f"43{prefix}{id}["), answer
        return json.loads(answer.removeprefix(f"43{prefix}{id}"))

    def subscribe(self, channel, id=0):
        """Subscribe and return the server's answer."""
        (answer,) = self.ask("subscribe", channel, id=id)
        return answer

    def event(self):
        """Return the next message as an event's name and arguments."""
        message = self.receive()
        assert message.startswith("42"), message
        return json.loads(message[2:])

    def sync(self):
        """Come back once the server has handled all that was sent before.

        Returns what came in the meantime.
        """
        self.emit("unsubscribe", "a channel that the socket is not on", id=999)
        seen = []
        while True:
            message = self.receive()
            if message.startswith("43999["):
                return seen
            seen.append(message)

    def is_closed(self):
        """Whether the server ends the connection, after whatever it still sends."""
        try:
            while True:
                self.receive()
        except Closed:
            return True


class WebSocketClient(Client):
    """Speaks Engine.IO over a WebSocket."""

    def __init__(self, port, sid=None, query="", **options):
        url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket{query}"
        if sid is not None:
            url += f"&sid={sid}"
        self.ws = websocket.create_connection(url, timeout=TIMEOUT, **options)
        close_later(self.ws.sock)
        self.port = port
        if sid is None:
            self.handshake = json.loads(self.receive()[1:])
            self.sid = self.handshake["sid"]

    def send(self, message):
        if isinstance(message, bytes):
            self.ws.send_binary(message)
        else:
            self.ws.send(message)

    def receive(self):
        """Return the next message: text or bytes."""
        while True:
            try:
                message = self.ws.recv()
            except (websocket.WebSocketConnectionClosedException, ConnectionError) as error:
                raise Closed from error
            if message == "" and not self.ws.connected:
                raise Closed
            if message != "2":
                return message
            self.pings += 1
            if self.answer_pings:
                self.ws.send("3")

    def close(self):
        """Leave in order."""
        self.ws.close()

    def abandon(self):
        """Break the connection, as a lost network does."""
        self.ws.shutdown()


class PollingClient(Client):
    """Speaks Engine.IO over long-polling; a thread polls, as a browser would."""

    def __init__(self, port, headers=None, query=""):
        self.port = port
        self.headers = headers or {}
        status, body = self.request("GET", f"/socket.io/?EIO=4&transport=polling{query}")
        assert status == 200, (status, body)
        self.handshake = json.loads(body[1:])
        self.sid = self.handshake["sid"]
        self._messages = queue.Queue()
        self._posting = threading.Lock()
        self._stopped = False
        self._polling = None

    @property
    def path(self):
        return f"/socket.io/?EIO=4&transport=polling&sid={self.sid}"

    def request(self, method, path, body=None):
        """Send one HTTP request; return its status and body."""
        return exchange(self.port, method, path, body, self.headers)

    def send(self, message):
        if isinstance(message, bytes):
            message = "b" + base64.b64encode(message).decode()
        status, body = self.post(message.encode())
        if status != 200:
            raise Closed(body)
        assert body == "ok"

    def post(self, body):
        """Send one POST, never two at a time."""
        with self._posting:
            return self.request("POST", self.path, body)

    def receive(self):
        """Return the next message: text or bytes."""
        if self._polling is None:
            self._polling = threading.Thread(target=self._poll, daemon=True)
            self._polling.start()
        message = self._messages.get(timeout=TIMEOUT)
        if message is None:
            self._messages.put(None)
            raise Closed
        return message

    def _poll(self):
        try:
            while not self._stopped:
                status, body = self.request("GET", self.path)
                if status != 200:
                    break
                for packet in body.split("\x1e"):
                    if not self._take(packet):
                        return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._messages.put(None)

    def _take(self, packet):
        if packet == "2":
            self.pings += 1
            if self.answer_pings:
                self.post(b"3")
        elif packet == "1":
            return False
        elif packet.startswith("b"):
            self._messages.put(base64.b64decode(packet[1:]))
        elif packet != "6":
            self._messages.put(packet)
        return True

    def upgrade(self):
        """Move to a WebSocket; return the client that goes on."""
        upgraded = WebSocketClient(self.port, self.sid, cookie=self.headers.get("Cookie"))
        upgraded.send("2probe")
        assert upgraded.receive() == "3probe"
        upgraded.send("5")
        upgraded.handshake, upgraded.sid = self.handshake, self.sid
        return upgraded

    def close(self):
        """Leave in order."""
        self.send("1")

    def abandon(self):
        """Come back no more."""
        self._stopped = True


def join(server, *channels, kind=WebSocketClient, auth=None, **options):
    """Return a client that has connected, and has subscribed to these channels."""
    client = kind(server.port, **options)
    client.connect(auth=auth)
    for channel in channels:
        assert client.subscribe(channel) is True
    return client
