"""HTTP requests, and what may follow them, on the endpoint of a server that runs."""

import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from django.test.utils import override_settings

from django_socketio import events
from tests.fuzz.frames import sent
from tests.fuzz.target import Target
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.live import LiveServer

SID = b"SIDSIDSID"
"""Stands for the sid of a session that lives."""

SETTINGS = {"PING_INTERVAL": 0.05, "PING_TIMEOUT": 10, "MAX_MESSAGE_SIZE": 10_000}
CONNECTIONS = 8
BATCH = 64
TIMEOUT = 10
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")

_PATH = b"/socket.io/?EIO=4&transport="
_HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
_POLL = b"GET " + _PATH + b"polling&sid=" + SID + _HOST + b"\r\n"
_OPEN = b"GET " + _PATH + b"polling" + _HOST + b"\r\n"
_UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def _post(body: bytes) -> bytes:
    length = str(len(body)).encode()
    head = b"POST " + _PATH + b"polling&sid=" + SID + _HOST + b"Content-Length: " + length
    return head + b"\r\n\r\n" + body


SEEDS = (
    _OPEN,
    _OPEN + _OPEN,
    _POLL,
    _post(b"40"),
    _post(b'40\x1e42["message",1]\x1e421["message"]') + _POLL,
    _post(b"1") + _POLL,
    _post(b"b@@"),
    _post(b"40")[:-4].replace(b"Content-Length: 2", b"Transfer-Encoding: chunked\r\n\r\n")
    + b"2\r\n40\r\n0\r\n\r\n",
    b"OPTIONS " + _PATH + b"polling" + _HOST + b"Origin: http://localhost\r\n\r\n",
    b"HEAD " + _PATH + b"polling" + _HOST + b"\r\n",
    b"GET " + _PATH + b"websocket" + _HOST + _UPGRADE + sent(0x81, b"40") + sent(0x81, b'42["a"]'),
    b"GET "
    + _PATH
    + b"websocket&sid="
    + SID
    + _HOST
    + _UPGRADE
    + sent(0x81, b"2probe")
    + sent(0x81, b"5")
    + sent(0x81, b"40")
    + sent(0x88),
)

TOKENS = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b" ",
    b"\0",
    b"\xff",
    b"%",
    b"%00",
    b"%ff",
    b"&sid=" + SID,
    b"&sid=x.y",
    b"&EIO=3",
    b"&transport=websocket",
    b"Content-Length: 5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: 1_0\r\n",
    b"Content-Length: \xb2\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: close\r\n",
    b"Host: evil.example\r\n",
    b"Host: [::1\r\n",
    b"Host: localhost\r\n",
    b"Origin: null\r\n",
    b"Origin: http://[\r\n",
    b"Cookie: sessionid=\xff; a\r\n",
    b"X-Long: " + b"x" * 9000 + b"\r\n",
    b"X: y\r\n" * 120,
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"ffffffffff\r\n",
    b"/socket.io",
    b"//",
    b"?",
    *(seed for seed in SEEDS[:4]),
)


class Log(logging.Handler):
    """Keeps what no input may cause: errors, and tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.findings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # pywsgi says of bad requests, in one line, what is bad about them; Django of bad hosts, in
        # several.
        if record.name == "django.security.DisallowedHost":
            return
        is_of_pywsgi = record.name == "django_socketio.server" and record.module == "pywsgi"
        if record.exc_info or (record.levelno >= logging.ERROR and not is_of_pywsgi):
            self.findings.append(f"{record.getMessage()} {record.exc_info}")

    def hub_error(self, context: object, type: object, value: object, traceback: object) -> None:
        self.findings.append(f"{context!r}: {value!r}")


class Bystander(threading.Thread):
    """A socket beside those that misbehave; its messages are answered all the time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.echoes = 0
        self.slowest = 0.0
        self.failure: BaseException | None = None
        self._client = WebSocketClient(port)
        self._client.connect()
        self._stopping = threading.Event()

    def run(self) -> None:
        try:
            while not self._stopping.wait(0.005):
                began = time.monotonic()
                assert self._client.ask("message", self.echoes) == [self.echoes]
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.echoes += 1
        except BaseException as failure:
            self.failure = failure

    def stop(self) -> None:
        self._stopping.set()
        self.join(TIMEOUT)
        self._client.close()


class Endpoint:
    """A server to which anything can be sent."""

    def __init__(self) -> None:
        for event in events.all_events():
            event.handlers.clear()
        events.on_message(lambda request, socket, context, message: message)
        self._settings = override_settings(**{f"SOCKETIO_{k}": v for k, v in SETTINGS.items()})
        self._settings.enable()
        self._server = LiveServer()
        self.log = Log()
        for name in ("", "django", "django.server", "django_socketio", "django_socketio.server"):
            logging.getLogger(name).addHandler(self.log)
        self._server._hub.handle_error = self.log.hub_error
        self.bystander = Bystander(self._server.port)
        self.bystander.start()

    def run(self, inputs: list[bytes]) -> list[tuple[bytes, str]]:
        """Send each input on a connection of its own; return the findings."""
        before = self.bystander.echoes
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            answers = list(pool.map(self._send, inputs))
        problems = zip(inputs, map(problem, answers), strict=True)
        found = [(data, what) for data, what in problems if what is not None]
        return found + [(inputs[-1], what) for what in self._others(before)]

    def _send(self, data: bytes) -> bytes:
        """Return all that is answered until the server closes."""
        if SID in data:
            data = data.replace(SID, PollingClient(self._server.port).sid.encode())
        received = b""
        with socket.create_connection(("127.0.0.1", self._server.port), TIMEOUT) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65_536):
                    received += piece
            except TimeoutError:
                return b"HTTP/1.1 000 never closed"
            except ConnectionError:
                pass  # it has answered, and what follows was still on its way
        return received

    def _others(self, before: int) -> list[str]:
        """Return what is wrong beside the connections themselves."""
        deadline = time.monotonic() + TIMEOUT
        while self.bystander.echoes == before and time.monotonic() < deadline:
            if self.bystander.failure is not None:
                break
            time.sleep(0.001)
        found, self.log.findings = self.log.findings, []
        if self.bystander.echoes == before or self.bystander.failure is not None:
            found.append(f"the bystander fell silent: {self.bystander.failure!r}")
        return found

    def close(self) -> None:
        """End the server; all its sessions must end."""
        self.bystander.stop()
        engine = self._server.socket_server.engine
        self._server.stop()
        self._settings.disable()
        for name in ("", "django", "django.server", "django_socketio", "django_socketio.server"):
            logging.getLogger(name).removeHandler(self.log)
        events.on_message.handlers.clear()
        assert engine.sessions == {}
        assert len(self._server.socket_server.channels) == 0


def batches(inputs: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the inputs in lists, after each of which the others are looked after."""
    while batch := list(islice(inputs, BATCH)):
        yield batch


def problem(answer: bytes) -> str | None:
    """Say what is wrong with an answer."""
    statuses = [int(status) for status in _STATUS.findall(answer)]
    if any(status == 0 or status >= 500 for status in statuses):
        return f"answered {answer[:200]!r}"
    return None


TARGET = Target("http endpoint", lambda data: None, SEEDS, TOKENS)
