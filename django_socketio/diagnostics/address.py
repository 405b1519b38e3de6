"""The public address of a site, and the connections to it."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from django_socketio.diagnostics.findings import Finding, error, ok, warning
from django_socketio.server.endpoints import path_of_clients

ADDRESS, TLS, CLOCK = "address", "tls", "clock"

TIMEOUT = 20.0
"""Seconds that the site may take for an answer, as in the official clients.

A handshake may wait 15 seconds for its place before it is refused.
"""

MOST_BYTES = 1_000_000
"""Bytes of an answer that are read."""

OF_PATHS = "/%:@!$&'()*+,;=~"
"""Characters that stay as they are in the path of a URL (RFC 3986, section 3.3)."""

DAY = 86_400
EXPIRES_SOON = 14 * DAY
WRONG_CLOCK = 30.0
"""Seconds by which two clocks may differ."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the site.

    Attributes:
        cookies: the cookies that it sets, each as a name and a value ("a=b").

    """

    status: int
    headers: Mapping[str, str]
    body: str
    cookies: Sequence[str] = ()

    @classmethod
    def of(
        cls, status: int, headers: Iterable[tuple[str, str]], body: bytes | bytearray
    ) -> "Response":
        """Return an answer; the names of its header fields are in lower case."""
        fields = [(name.lower(), value) for name, value in headers]
        cookies = [value.partition(";")[0] for name, value in fields if name == "set-cookie"]
        return cls(status, dict(fields), body.decode(errors="replace"), cookies)

    @property
    def server(self) -> str:
        """The name that the server in front gives itself."""
        return self.headers.get("server", "")


@dataclass(frozen=True, slots=True)
class Address:
    """A public address.

    Attributes:
        scheme, host, port: where clients connect.
        path: that of the sockets, with a slash at its end.
        origin: that of the page whose connections are tried.
        cookie: sent with each request; "" for none.

    """

    scheme: str
    host: str
    port: int
    path: str
    origin: str
    cookie: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str, origin: str = "", cookie: str = "") -> "Address":
        """Return an address from a URL.

        Raises:
            ValueError: the text is no URL of a site, or what is sent cannot be in a header field.

        """
        _check_fields(("--origin", origin), ("--cookie", cookie))
        expected = f"expected a URL such as https://chat.example.com, not {text!r:.200}"
        try:
            parts = urlsplit(text if "//" in text else f"https://{text}")
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host = (parts.hostname or "").encode("idna").decode()  # as browsers send it
        except ValueError as problem:
            raise ValueError(f"{expected}: {problem}") from None
        if parts.scheme not in ("http", "https") or not host.isprintable() or not host:
            raise ValueError(expected)
        path = parts.path if parts.path.strip("/") else path_of_clients()
        path = f"/{quote(path.strip('/'), OF_PATHS)}/"
        address = cls(parts.scheme, host, port, path, origin.rstrip("/"), cookie)
        return address if origin else address.of_page(address.own_origin)

    @property
    def name(self) -> str:
        """The host as URLs and Django's settings have it, with the brackets of IPv6."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def host_field(self) -> str:
        """The value of the header field ``Host``."""
        is_usual = self.port == (443 if self.scheme == "https" else 80)
        return self.name if is_usual else f"{self.name}:{self.port}"

    @property
    def own_origin(self) -> str:
        """The origin of the site's own pages."""
        return f"{self.scheme}://{self.host_field}"

    def of_page(self, origin: str) -> "Address":
        """Return the address as a page of another origin uses it."""
        return replace(self, origin=origin)

    def with_cookies(self, response: Response) -> "Address":
        """Return the address as a browser uses it after an answer that sets cookies."""
        pairs = map(str.strip, (*self.cookie.split(";"), *response.cookies))
        by_name = {pair.partition("=")[0]: pair for pair in pairs if pair}
        return replace(self, cookie="; ".join(by_name.values()))

    def query(self, **parameters: str) -> str:
        """Return the target of a request of the sockets."""
        return f"{self.path}?{urlencode({'EIO': '4', **parameters})}"

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of each request."""
        fields = {
            "Origin": self.origin,
            "User-Agent": "socketio_doctor",
            "Host": self.host_field,
        }
        return {**fields, "Cookie": self.cookie} if self.cookie else fields

    def connect(self, timeout: float = TIMEOUT) -> socket.socket:
        """Return a connection, with TLS where the scheme asks for it.

        Raises:
            OSError: there is none.

        """
        if self.scheme == "http":
            return self._connect_plain(timeout)
        return self.connect_by_tls(timeout)

    def connect_by_tls(
        self, timeout: float = TIMEOUT, protocols: Sequence[str] = ()
    ) -> ssl.SSLSocket:
        """Return a connection with TLS, for one of some protocols (ALPN); raises OSError."""
        context, plain = ssl.create_default_context(), self._connect_plain(timeout)
        if protocols:
            context.set_alpn_protocols(protocols)
        try:
            return context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def _connect_plain(self, timeout: float) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout)

    def open(self, timeout: float = TIMEOUT) -> http.client.HTTPConnection:
        """Return a connection for requests; raises OSError."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        connection.sock = self.connect(timeout)
        return connection

    def request(
        self, target: str, body: str | None = None, timeout: float = TIMEOUT, **headers: str
    ) -> Response:
        """Return the answer to a request, on a connection of its own.

        Raises:
            OSError, http.client.HTTPException: there is none.

        """
        connection = self.open(timeout)
        try:
            fields = {**self.headers, **headers}
            with ended_after(timeout, connection.sock):
                connection.request("GET" if body is None else "POST", target, body, fields)
                answer = connection.getresponse()
                return Response.of(answer.status, answer.getheaders(), _body(answer))
        finally:
            connection.close()


def _check_fields(*options: tuple[str, str]) -> None:
    for option, value in options:
        if not (value.isprintable() and value.isascii()):
            raise ValueError(f"{option} takes printable characters of ASCII, not {value!r:.200}")


def _body(answer: http.client.HTTPResponse) -> bytes:
    """Return the body of an answer, or its beginning if it is very long.

    Raises:
        http.client.IncompleteRead: the answer ends before its end.

    """
    body = answer.read(MOST_BYTES)
    if answer.length and len(body) < MOST_BYTES:
        raise http.client.IncompleteRead(body, answer.length)
    return body


@contextmanager
def ended_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    """End a connection after a time, within a ``with`` block, however slowly data comes on it.

    Raises:
        TimeoutError: the time was over before the block was.

    """
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # whatever TLS has to say

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_over.is_set():
            raise TimeoutError(f"no whole answer within {seconds:g} s") from None


FAILURES = (OSError, http.client.HTTPException)
"""What requests raise."""


def examine(address: Address) -> Iterator[Finding]:
    """Yield whether the address can be reached, and by TLS that browsers accept."""
    try:
        connection = address.connect()
    except ssl.SSLError as problem:
        yield _tls_failed(address, problem)
        return
    except OSError as problem:
        yield error(
            ADDRESS,
            f"No connection to {address.host}:{address.port}: {problem}",
            "Is the address right, the proxy running, and the port open?",
        )
        return
    with connection:
        yield ok(ADDRESS, f"{address.host}:{address.port} accepts connections.")
        if isinstance(connection, ssl.SSLSocket):
            yield _certificate(connection)


def _tls_failed(address: Address, problem: ssl.SSLError) -> Finding:
    if isinstance(problem, ssl.SSLCertVerificationError):
        text = f"Browsers do not accept the certificate: {problem.verify_message}"
        remedy = (
            "Serve a certificate for this name, with the intermediate certificates. For one of "
            "your own authority, set SSL_CERT_FILE for this command."
        )
        return error(TLS, text, remedy)
    text = f"{address.host}:{address.port} does not speak TLS: {problem}"
    return error(TLS, text, "Is it the port of https? Otherwise write http:// before the address.")


def _certificate(connection: ssl.SSLSocket) -> Finding:
    certificate: Any = connection.getpeercert() or {}
    left = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
    if left < EXPIRES_SOON:
        return warning(TLS, f"The certificate expires in {left / DAY:.0f} days.", "Renew it.")
    return ok(TLS, f"{connection.version()}; the certificate is valid for {left / DAY:.0f} days.")


def clock(response: Response) -> Iterator[Finding]:
    """Yield whether the clock of the server differs from the one here."""
    with suppress(KeyError, TypeError, ValueError):
        difference = parsedate_to_datetime(response.headers["date"]).timestamp() - time.time()
        if abs(difference) > WRONG_CLOCK:
            yield warning(
                CLOCK,
                f"The clocks of the server and of this host differ by {abs(difference):.0f} s.",
                "Synchronise them by NTP: signed channels and sessions expire by the clock.",
            )
