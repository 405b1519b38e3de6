"""Event streams: whether their events arrive at once, and whether they stay open."""

import http.client
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from django.urls import URLPattern, get_resolver, get_script_prefix
from django.urls.resolvers import RoutePattern

from django_socketio.conf import get
from django_socketio.diagnostics.address import (
    FAILURES,
    OF_PATHS,
    TIMEOUT,
    Address,
    Response,
    ended_after,
)
from django_socketio.diagnostics.findings import Finding, Level, error, note, ok
from django_socketio.diagnostics.pings import PingWait
from django_socketio.diagnostics.refusals import ANONYMOUS, REDIRECTS, explain
from django_socketio.protocol.event_stream import CONTENT_TYPE
from django_socketio.server.endpoints import path_of_clients
from django_socketio.streams.stream import SHORTEST
from django_socketio.streams.view import EventStreamView

STREAM = "event stream"

OF_TARGETS = f"{OF_PATHS}?"
"""Characters that stay as they are in the target of a request."""

FIRST = 3.0
"""Seconds within which the beginning of a stream has to arrive; refusals may take longer."""


def find(address: Address) -> str | None:
    """Return the path of an event stream of the site whose URL has no parameters, if it has one.

    A prefix that a proxy has before the path of the sockets is before that of the stream, too.
    """
    prefix, is_found, _ = address.path.rpartition(path_of_clients())
    begin = f"{prefix if is_found else ''}{get_script_prefix()}"
    found = (path for path, view in _views(get_resolver().url_patterns, begin))
    return next((path for path in found if re.fullmatch(r"[\w./-]+", path)), None)


def _views(patterns: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if not isinstance(pattern.pattern, RoutePattern):
            continue
        path = f"{prefix}{pattern.pattern}"
        if not isinstance(pattern, URLPattern):
            yield from _views(pattern.url_patterns, path)
        elif _is_stream(pattern.callback):
            yield path, pattern.callback


def _is_stream(view: Any) -> bool:
    kind = getattr(view, "view_class", None)
    return isinstance(kind, type) and issubclass(kind, EventStreamView)


def examine(address: Address, path: str, wait: bool) -> Finding:
    """Return whether an event stream arrives as it is written.

    Args:
        path: that of the stream.
        wait: whether to wait for a heartbeat.

    """
    begin = time.monotonic()
    try:
        with _opened(address, path) as (connection, answer):
            if not answer.getheader("Content-Type", "").startswith(CONTENT_TYPE):
                told = Response.of(answer.status, answer.getheaders(), answer.read(2000))
                return _no_stream(address, path, told)
            found = _begins(answer, path, begin)
            if found.level is Level.OK and wait and _outlasts_ping():
                found = _stays_open(connection, answer, path)
            return found
    except TimeoutError:
        return _held_back(path)
    except FAILURES as problem:
        return error(STREAM, f"{path} is not answered: {problem!r}")


@contextmanager
def _opened(
    address: Address, path: str
) -> Iterator[tuple[socket.socket, http.client.HTTPResponse]]:
    """Ask for a stream; return its connection, and the answer as far as its head."""
    with closing(address.open(TIMEOUT)) as client:
        connection = client.sock  # the client forgets it where the end of the answer is its end
        with ended_after(TIMEOUT, connection):
            fields = {**address.headers, "Accept": CONTENT_TYPE}
            client.request("GET", quote(path, OF_TARGETS), headers=fields)
            answer = client.getresponse()
        with closing(answer):
            yield connection, answer


def _no_stream(address: Address, path: str, response: Response) -> Finding:
    if response.status == 200:
        return error(STREAM, f"{path} answers {response.headers.get('content-type')}, no stream.")
    if response.status == 404:
        return note(STREAM, f"{path} leads to nothing (404).", "Has the proxy a location for it?")
    target = response.headers.get("location", "")
    if response.status in REDIRECTS and _path(target) != _path(path):
        return note(STREAM, f"{path} redirects to {target:.200}", ANONYMOUS)
    found = explain(STREAM, address, response, path)
    return note(STREAM, f"{path}: {found.text}", found.remedy) if response.status < 500 else found


def _path(target: str) -> str:
    """Return the path of a URL, without its slash at the end."""
    try:
        return urlsplit(target).path.rstrip("/")
    except ValueError:  # it is no URL
        return ""


def _held_back(path: str) -> Finding:
    text = f"Nothing of {path} arrives within {FIRST:g} s: a proxy holds it back."
    remedy = (
        "The proxy has to pass on what it gets (nginx: proxy_buffering off; and no "
        "proxy_ignore_headers X-Accel-Buffering), without compressing it."
    )
    return error(STREAM, text, remedy)


def _begins(answer: http.client.HTTPResponse, path: str, asked: float) -> Finding:
    """Return whether the beginning of a stream arrives, which was asked for at a time."""
    if not _more(answer):
        return error(STREAM, f"{path} ends at once.")
    if time.monotonic() - asked > FIRST:
        return _held_back(path)
    return ok(STREAM, f"{path} arrives at once.")


def _outlasts_ping() -> bool:
    """Return whether streams are open until the server's ping, however early they end."""
    age: float = get("STREAM_MAX_AGE")
    return not age or age * SHORTEST > get("PING_INTERVAL")


def _more(answer: http.client.HTTPResponse) -> bytes:
    """Return what comes next; nothing where the stream ends, in order or not."""
    try:
        return answer.read1(1000)
    except http.client.IncompleteRead:
        return b""


def _stays_open(connection: socket.socket, answer: http.client.HTTPResponse, path: str) -> Finding:
    """Return whether a stream that has begun stays open until the server's ping."""
    interval = get("PING_INTERVAL")
    ping, end = PingWait(STREAM, interval), time.monotonic() + interval * 0.9
    try:
        while time.monotonic() < end:
            connection.settimeout(ping.left())
            if not _more(answer):
                return ping.cut_off()
            ping.heard()
    except TimeoutError:
        return ping.silent()
    except OSError as problem:
        return ping.cut_off(f" ({problem!r})")
    return ok(STREAM, f"{path} arrives at once, and stays open for {interval:g} s.")
