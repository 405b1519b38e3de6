"""WebSockets, as a client on one connects; and the upgrade from long-polling."""

import json
from collections.abc import Iterator

from websockets.exceptions import WebSocketException

from django_socketio.diagnostics import polling
from django_socketio.diagnostics.address import TIMEOUT, Address, Response
from django_socketio.diagnostics.findings import Finding, error, ok, warning
from django_socketio.diagnostics.pings import PingWait
from django_socketio.diagnostics.polling import CONNECT, PING, PONG, Stuck, open_session
from django_socketio.diagnostics.refusals import another_application, explain, own_message, shown
from django_socketio.diagnostics.websocket_client import Closed, CutOff, Refused, WebSocket

WEBSOCKET, UPGRADE = "websocket", "upgrade"

PROBE, END = "probe", "5"
"""The content of the ping of an upgrade, and the packet by which the upgrade ends."""

UPGRADES = (
    "nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header "
    "Connection $connection_upgrade; as in docs/deployment.rst."
)


def open_at(address: Address, step: str, sid: str = "") -> WebSocket:
    """Return an open WebSocket.

    Raises:
        Stuck: the site, or a proxy before it, refuses it.

    """
    session = {"sid": sid} if sid else {}
    try:
        return WebSocket(address, address.query(transport="websocket", **session))
    except Refused as refusal:
        raise Stuck(_refused(step, address, refusal.args[0])) from None
    except WebSocketException as problem:
        text = f"The answer to the handshake is no WebSocket's: {problem}"
        raise Stuck(error(step, text, UPGRADES)) from None
    except TimeoutError:
        text = f"The handshake is not answered within {TIMEOUT:g} s."
        raise Stuck(error(step, text, UPGRADES)) from None
    except OSError as problem:
        raise Stuck(error(step, f"There is no answer: {problem!r}")) from None


def _refused(step: str, address: Address, told: Response) -> Finding:
    message = own_message(told)
    if "a WebSocket begins with HTTP/1.1" in message or "Upgrade" in message:
        text = f"The proxy does not pass the upgrade on: the server says {shown(told)}"
        return error(step, text, UPGRADES)
    if "does not support WebSocket" in message:
        text = "The server refuses WebSockets: gunicorn ends TLS itself."
        return warning(step, text, "Let a proxy such as nginx end TLS.")
    if told.status == 200:
        text = "The site answers a page (200) instead of a WebSocket."
        return error(step, text, another_application(address))
    return explain(step, address, told)


def examine(address: Address) -> Iterator[Finding]:
    """Yield whether clients can connect by WebSocket, and whether they can upgrade to one."""
    try:
        with open_at(address, WEBSOCKET) as websocket:
            _opened(websocket)
            yield _connect(websocket)
        yield _upgrade(address)
    except Stuck as stuck:
        yield stuck.finding


def _opened(websocket: WebSocket) -> float:
    """Return the interval of pings that the server's first packet tells."""
    first = _receive(websocket, WEBSOCKET)
    try:
        interval: float = json.loads(first.removeprefix("0"))["pingInterval"] / 1000
    except (ValueError, KeyError, TypeError, RecursionError):
        text = f"The WebSocket is that of another application: {first:.100}"
        raise Stuck(error(WEBSOCKET, text)) from None
    return interval


def _receive(websocket: WebSocket, step: str) -> str:
    try:
        return websocket.receive(TIMEOUT)
    except TimeoutError:
        text = f"Nothing comes on the open WebSocket within {TIMEOUT:g} s: a proxy holds it back."
        raise Stuck(error(step, text, "nginx: proxy_buffering off;")) from None
    except Closed as closed:
        raise Stuck(_closed(step, closed)) from None


def _send(websocket: WebSocket, step: str, packet: str) -> None:
    try:
        websocket.send(packet)
    except Closed as closed:
        raise Stuck(_closed(step, closed)) from None


def _closed(step: str, closed: Closed) -> Finding:
    return error(step, f"The WebSocket is closed at once: {closed}")


def _connect(websocket: WebSocket) -> Finding:
    _send(websocket, WEBSOCKET, CONNECT)
    for _ in range(polling.ANSWERS_READ):
        packet = _receive(websocket, WEBSOCKET)
        if packet != PING:
            return polling.connected(WEBSOCKET, "WebSocket", packet)
        _send(websocket, WEBSOCKET, PONG)
    raise Stuck(polling.unanswered(WEBSOCKET))


def _upgrade(address: Address) -> Finding:
    opened, _ = open_session(address)
    if not opened.can_upgrade:
        return warning(UPGRADE, "The server does not offer WebSockets to clients on long-polling.")
    polling.connect(opened)
    with open_at(opened.address, UPGRADE, opened.sid) as websocket:
        _send(websocket, UPGRADE, PING + PROBE)
        if _receive(websocket, UPGRADE) != PONG + PROBE:
            return error(UPGRADE, "The WebSocket of an upgrade is not answered.")
        _send(websocket, UPGRADE, END)
    return ok(UPGRADE, "A client upgrades from long-polling to a WebSocket.")


def wait_for_ping(address: Address) -> Finding:
    """Return whether a WebSocket stays open until the server's ping."""
    try:
        with open_at(address, WEBSOCKET) as websocket:
            interval = _opened(websocket)
            _connect(websocket)
            return _wait(websocket, interval)
    except Stuck as stuck:
        return stuck.finding


def _wait(websocket: WebSocket, interval: float) -> Finding:
    wait = PingWait(WEBSOCKET, interval)
    try:
        while websocket.receive(wait.left()) != PING:
            wait.heard()
    except TimeoutError:
        return wait.silent()
    except CutOff:
        return wait.cut_off()
    except Closed as closed:
        return wait.ended(str(closed))
    return ok(WEBSOCKET, f"A WebSocket stays open for {interval:g} s, until the next ping.")
