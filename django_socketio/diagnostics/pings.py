"""The wait for the server's ping, and what is told of a connection on which none comes."""

import time

from django_socketio.diagnostics.address import TIMEOUT
from django_socketio.diagnostics.findings import Finding, error, note


class PingWait:
    """The wait for the server's ping on one connection.

    Args:
        step: the step that waits.
        interval: seconds between two pings.

    """

    def __init__(self, step: str, interval: float) -> None:
        self._step = step
        self._interval = interval
        self._begin = self._last = time.monotonic()
        self._end = self._begin + interval + TIMEOUT

    def left(self) -> float:
        """Return the seconds for which the ping may still be waited for.

        Raises:
            TimeoutError: there are none left.

        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("no ping")
        return left

    def heard(self) -> None:
        """Note that something else than the ping has come: the silence begins anew."""
        self._last = time.monotonic()

    def cut_off(self, detail: str = "") -> Finding:
        """Return that the connection was cut off before the ping."""
        seconds = time.monotonic() - self._last
        text = (
            f"The connection ends after {seconds:.1f} s without data{detail}, before the ping that "
            f"comes every {self._interval:g} s."
        )
        remedy = (
            "The proxy has to wait for longer (nginx: proxy_read_timeout 60s; HAProxy: timeout "
            "server and timeout tunnel; Apache: ProxyTimeout), or "
            f"SOCKETIO_PING_INTERVAL has to be shorter than {seconds:.1f}."
        )
        return error(self._step, text, remedy)

    def ended(self, reason: str) -> Finding:
        """Return that the server has ended the session before the ping, which is no fault."""
        seconds = time.monotonic() - self._begin
        text = f"The server itself ends the session after {seconds:.1f} s, before a ping: {reason}"
        remedy = "Has on_connect refused this client, which is anonymous without --cookie?"
        return note(self._step, text, remedy)

    def silent(self) -> Finding:
        """Return that the connection stays open, and no ping comes."""
        text = (
            f"No ping comes within {self._interval + TIMEOUT:g} s; the server sends one every "
            f"{self._interval:g} s."
        )
        return error(self._step, text, "Does a proxy hold it back (nginx: proxy_buffering off;)?")
