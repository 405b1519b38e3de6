"""The limit of handshakes that are in Django at the same time."""

from gevent.lock import BoundedSemaphore

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.concurrency.log_limits import Every
from django_socketio.logs import get_logger
from django_socketio.server import database
from django_socketio.server.endpoints import Endpoints
from django_socketio.transports.http import Environ, ErrorCode, RequestError

logger = ClientLog(get_logger("django_socketio.security"))

TIMEOUT = 15.0
"""Seconds that a handshake waits for its place; the official clients give up after 20."""

COMPLAINT_INTERVAL = 10.0
"""Seconds between two entries of the log about handshakes that found no place."""

NO_PLACE = "Too many handshakes wait; try again"
"""The answer to a handshake that found no place."""

FULL = (
    "Handshakes are refused (503), having waited %s seconds: %s others (SOCKETIO_WORKERS) are in "
    "the site's middleware, which waits for something"
)


class HandshakeLimit:
    """Gives handshakes places in Django.

    Without a limit, a thousand clients that reconnect at once would open a thousand connections to
    the database.

    Args:
        size: how many places there are.

    Attributes:
        timeout: seconds that a handshake waits for a place before it is refused.

    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = BoundedSemaphore(size)
        self._endpoints = Endpoints()
        self._complaints = Every(COMPLAINT_INTERVAL)
        self.timeout = TIMEOUT

    def enter(self, environ: Environ) -> "HandshakeLimit | None":
        """Wait for a place; return its owner, or None where the path does not lead to the view.

        A page takes up no place, whatever its path looks like: slow pages must not stop handshakes.

        Raises:
            RequestError: the request has a body, for which a middleware would wait, or no place has
                become free.

        """
        if not self._endpoints.has(environ):
            return None
        if _has_body(environ):
            raise _refused("A handshake has no body")
        if not self._free.acquire(timeout=self.timeout):
            self._complain()
            raise RequestError(ErrorCode.BAD_REQUEST, NO_PLACE, 503)
        return self

    def release(self) -> None:
        """Give a place back, and with it the database connections of the handshake."""
        try:
            database.give_back()
        finally:
            self._free.release()

    def _complain(self) -> None:
        if self._complaints.is_due():
            logger.error(FULL, self.timeout, self._size)


def _refused(problem: str) -> RequestError:
    logger.info("Refused a handshake: %s", problem)
    return RequestError(ErrorCode.BAD_REQUEST, problem)


def _has_body(environ: Environ) -> bool:
    length = environ.get("CONTENT_LENGTH") or "0"
    return length.strip("0") != "" or "HTTP_TRANSFER_ENCODING" in environ
