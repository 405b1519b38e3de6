"""Long-polling, as a client on it connects; and whether all of its requests reach one session."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django_socketio.diagnostics.address import FAILURES, Address, Response, clock
from django_socketio.diagnostics.findings import Finding, error, ok, warning
from django_socketio.diagnostics.pings import PingWait
from django_socketio.diagnostics.refusals import ANONYMOUS, another_application, explain, shown

POLLING = "polling"

TRIES = 6
"""Requests of a session, each on a connection of its own: one of them may reach another host."""

PING, PONG, CONNECT, CLOSE = "2", "3", "40", "1"
ANSWERS = (CONNECT, "44")
"""The beginnings of the answers to a CONNECT: accepted, and refused."""

ANSWERS_READ = 10
"""Answers of the server among which that to a CONNECT must be: pings may come before it."""

SEPARATOR = "\x1e"

OVER = re.compile(r"the session is over \((.+?)\)")
"""The answer to a poll of a session that the server has ended, with its reason."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened by long-polling.

    Attributes:
        address: where it was opened, with the cookies of the answer: by one of them, a proxy may
            find the server of the session again.

    """

    address: Address
    sid: str
    ping_interval: float
    can_upgrade: bool


class Stuck(Exception):
    """The session does not go on; the argument is the finding."""

    @property
    def finding(self) -> Finding:
        """What was found."""
        found: Finding = self.args[0]
        return found


def open_session(address: Address) -> tuple[Opened, Response]:
    """Return a new session, and the answer to its handshake.

    Raises:
        Stuck: the site refuses it.

    """
    response = _request(address)
    if response.status != 200:
        raise Stuck(explain(POLLING, address, response))
    try:
        told = json.loads(response.body.partition(SEPARATOR)[0].removeprefix("0"))
        interval, can_upgrade = told["pingInterval"] / 1000, "websocket" in told["upgrades"]
        opened = Opened(address.with_cookies(response), told["sid"], interval, can_upgrade)
    except (ValueError, KeyError, TypeError, RecursionError):
        text = f"{address.path} answers something else than Socket.IO: {shown(response)}"
        raise Stuck(error(POLLING, text, another_application(address))) from None
    return opened, response


def examine(address: Address) -> Iterator[Finding]:
    """Yield whether clients can connect by long-polling."""
    try:
        opened, response = open_session(address)
        yield from clock(response)
        yield from _cached(address, opened)
        yield connect(opened)
        yield _sticky(opened)
    except Stuck as stuck:
        yield stuck.finding


def _cached(address: Address, opened: Opened) -> Iterator[Finding]:
    """Yield that answers come from a cache, if they do."""
    other, _ = open_session(address)
    if other.sid == opened.sid:
        text = "Two clients get the same session: a proxy keeps answers in its cache."
        raise Stuck(error(POLLING, text, f"Exclude {address.path} from the cache."))
    _post(other, CLOSE)
    yield from ()


def connect(opened: Opened) -> Finding:
    """Connect to the namespace "/"; return whether that works.

    Raises:
        Stuck: a request does not reach the session.

    """
    _post(opened, CONNECT)
    for _ in range(ANSWERS_READ):
        for packet in _get(opened).body.split(SEPARATOR):
            if packet == PING:
                _post(opened, PONG)
            elif packet.startswith(ANSWERS):
                return connected(POLLING, "long-polling", packet)
    raise Stuck(unanswered(POLLING))


def unanswered(step: str) -> Finding:
    """Return that the CONNECT of a client has no answer."""
    return error(step, "The CONNECT of a client is not answered.")


def connected(step: str, transport: str, answer: str) -> Finding:
    """Return what the answer to the CONNECT of a client tells."""
    if answer.startswith(CONNECT):
        return ok(step, f"A client connects by {transport}.")
    return warning(step, f"on_connect refuses this client: {answer[2:200]}", ANONYMOUS)


def _sticky(opened: Opened) -> Finding:
    for _ in range(TRIES):
        _post(opened, PONG)
    _post(opened, CLOSE)
    return ok(POLLING, f"{TRIES} requests on connections of their own reach the session.")


def _post(opened: Opened, packet: str) -> None:
    _checked(opened.address, _request(opened.address, packet, sid=opened.sid))


def _get(opened: Opened) -> Response:
    return _checked(opened.address, _request(opened.address, sid=opened.sid))


def _request(address: Address, packet: str | None = None, **session: str) -> Response:
    """Return the answer to a request of long-polling.

    Raises:
        Stuck: there is none.

    """
    try:
        return address.request(address.query(transport="polling", **session), packet)
    except FAILURES as problem:
        what = "A request of a session" if session else "A handshake"
        raise Stuck(error(POLLING, f"{what} is not answered: {problem!r}")) from None


def _checked(address: Address, response: Response) -> Response:
    if response.status == 200:
        return response
    if "Session ID unknown" in response.body:
        text = "A request of a session reached a server that does not have the session."
        remedy = (
            "Where the proxy knows several servers, all requests of a session must reach the same "
            "one (nginx: hash $remote_addr consistent; as in docs/deployment/several-hosts.rst), "
            'or all clients use WebSockets only (transports: ["websocket"]).'
        )
        raise Stuck(error(POLLING, text, remedy))
    if "another session cookie" in response.body:
        remedy = "A proxy removes the cookie, or the site gives a new one with each answer."
        raise Stuck(error(POLLING, shown(response), remedy))
    raise Stuck(explain(POLLING, address, response))


def wait_for_ping(address: Address) -> Finding:
    """Return whether a poll may wait until the server's ping."""
    try:
        opened, _ = open_session(address)
        connect(opened)
        return _wait(opened)
    except Stuck as stuck:
        return stuck.finding


def _wait(opened: Opened) -> Finding:
    wait, address = PingWait(POLLING, opened.ping_interval), opened.address
    target = address.query(transport="polling", sid=opened.sid)
    try:
        while True:
            response = address.request(target, timeout=wait.left())
            if found := OVER.search(response.body):
                return wait.ended(found[1])
            if response.status != 200:
                return wait.cut_off(f" ({response.status})")
            if PING in response.body.split(SEPARATOR):
                interval = f"{opened.ping_interval:g} s"
                return ok(POLLING, f"A poll waits {interval}, until the next ping.")
            wait.heard()
    except TimeoutError:
        return wait.silent()
    except FAILURES as problem:
        return wait.cut_off(f" ({problem!r})")
