"""Requests for sessions of another worker: their connection is handed to that worker.

The workers of one gunicorn share their listeners, so any of them may accept any request. A sid ends
with the id of the worker that holds its session. A worker that reads a request for a session of
another one passes the connection's descriptor, and what it has read, over a Unix socket; the other
goes on as if it had accepted the connection itself.
"""

import atexit
import errno
import os
import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gevent
from gevent.server import StreamServer
from gevent.socket import socket as gevent_socket
from gevent.socket import socketpair

from django_socketio.concurrency.client_log import ClientLog
from django_socketio.logs import get_logger
from django_socketio.server import hijack
from django_socketio.server.handoff import descriptors
from django_socketio.server.handoff.descriptors import HandedConnection
from django_socketio.server.handoff.offers import Offer
from django_socketio.transports.http import EngineRequest, ErrorCode, RequestError

logger = ClientLog(get_logger("django_socketio.server"))

TIMEOUT = 10.0
"""Seconds that another worker has to take a connection."""

BACKLOG = 1024
CHUNK = 65_536

UNKNOWN = (
    "A request came for session %s…, which no worker of this host holds. Where there are several "
    "hosts, all requests of a session must reach the same one."
)

FAILED = "The connection of a request for session %s… could not be handed to its worker (503): %s"

TRY_AGAIN = "The worker of the session is too busy; try again"
"""The answer to a request that cannot be handed to the worker of its session."""

_WORKER_ID = re.compile(r"[0-9a-f]{8}")
_MAX_PATH = 107 - len("/01234567")
"""Bytes of a Unix socket's path (``sun_path``), less its name."""


ServeOffered = Callable[[Offer], None]


# The directory that the workers share

_directories: dict[int, Path] = {}


def make_directory(parent: str | None, uid: int, gid: int) -> Path:
    """Return the directory of this arbiter's workers; it goes when the arbiter ends.

    Args:
        parent: where to make it, None for the usual place of temporary files.
        uid: the user that workers run as; no other user may enter the directory.
        gid: their group.

    Raises:
        RuntimeError: its path would be too long for Unix sockets.

    """
    pid = os.getpid()
    if pid not in _directories:
        path = Path(tempfile.mkdtemp(prefix="django-socketio-", dir=parent))  # its mode is 0700
        atexit.register(_remove, path, pid)
        if len(os.fsencode(path)) > _MAX_PATH:
            raise RuntimeError(f"{path} is too long for Unix sockets; set worker_tmp_dir")
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.chown(path, uid, gid)
        _directories[pid] = path
    return _directories[pid]


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # workers inherit it
        shutil.rmtree(path, ignore_errors=True)


class Handoff:
    """Hands connections to the other workers of this host, and takes theirs.

    Args:
        directory: where the workers' Unix sockets are.
        serve: called with each connection that another worker offers; takes it once there is a
            place for it.

    """

    def __init__(self, directory: Path, serve: ServeOffered) -> None:
        self.worker_id = secrets.token_hex(4)
        self._directory = directory
        self._serve = serve
        self._server: StreamServer | None = None

    def start(self) -> str:
        """Begin to take connections; return the path of the Unix socket."""
        listener = gevent_socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path(self.worker_id)))
        listener.listen(BACKLOG)
        self._server = StreamServer(listener, handle=self._receive)
        self._server.start()
        return str(self._path(self.worker_id))

    def stop(self) -> None:
        """Stop taking connections."""
        if self._server is not None:
            self._path(self.worker_id).unlink(missing_ok=True)
            self._server.stop(timeout=0)
        with suppress(OSError):
            # Where the arbiter was killed, the last worker cleans up.
            if os.getppid() not in _directories:
                self._directory.rmdir()

    def _path(self, worker_id: str) -> Path:
        return self._directory / worker_id

    # To another worker

    def hand_off(self, request: EngineRequest) -> bool:
        """Hand a request's connection to the worker that holds its session.

        Returns:
            Whether another worker has the connection now. If not, the session is one of this
            worker, or of none.

        Raises:
            RequestError: the other worker may hold the session, and cannot be asked.

        """
        worker_id = request.sid.rpartition(".")[2]
        if worker_id == self.worker_id or not _WORKER_ID.fullmatch(worker_id):
            return False
        handler = hijack.handler_of(request.environ)
        try:
            with gevent.Timeout(TIMEOUT, TimeoutError("it accepts no connection")):
                connection = self._connect(worker_id)
            with connection:
                go_on = _pass(connection, handler)
        except (FileNotFoundError, ConnectionError):  # the worker has ended
            logger.warning(UNKNOWN, request.sid[:4])
            return False
        except OSError as error:
            logger.warning(FAILED, request.sid[:4], error)
            raise RequestError(ErrorCode.BAD_REQUEST, TRY_AGAIN, 503, reason="handoff") from error
        # From here on it is the other worker that answers, whatever fails.
        handler.handed_off = True
        go_on()
        hijack.release(handler)
        return True

    def _connect(self, worker_id: str) -> Any:
        connection = hijack.Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            _wait_until_connected(connection, self._path(worker_id))
        except BaseException:
            connection.close()
            raise
        return gevent_socket(fileno=connection.detach())

    # From another worker

    def _receive(self, connection: Any, _address: Any) -> None:
        try:
            with gevent.Timeout(TIMEOUT, TimeoutError):
                offer = Offer(connection, descriptors.receive(connection))
        except (OSError, ValueError) as error:
            connection.close()
            return logger.warning("A connection that was handed off cannot be used: %s", error)
        self._serve(offer)
        offer.outlast()


def _wait_until_connected(connection: Any, path: Path) -> None:
    while code := connection.connect_ex(str(path)):
        if code != errno.EAGAIN:  # that is a full backlog
            if code == errno.ECONNREFUSED:
                path.unlink(missing_ok=True)  # the worker was killed
            raise OSError(code, os.strerror(code))
        gevent.sleep(0.01)


# Between the two


def _pass(connection: Any, handler: Any) -> Callable[[], None]:
    """Pass a handler's connection on; return what remains to be done for it here.

    Raises:
        OSError: it was not taken, so it is still ours.

    """
    if not hasattr(handler.socket, "context"):
        _offer(connection, handler, handler.socket, once=False)
        return _nothing
    # What only this process can decrypt is carried to the other one, and back.
    near, far = socketpair()
    try:
        with far:
            _offer(connection, handler, far, once=True)
    except BaseException:
        near.close()
        raise
    return partial(_carry, handler, near)


def _nothing() -> None:
    """Do nothing: the other process reads and writes the connection itself."""


def _carry(handler: Any, near: Any) -> None:
    with near:
        upwards = gevent.spawn(_copy, handler.socket, near.sendall)
        _copy(near, handler.deadlines.sending.send_all)
        upwards.kill()


def _copy(source: Any, send: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            send(data)


def _offer(connection: Any, handler: Any, sock: Any, once: bool) -> None:
    address, listener = handler.client_address or "", handler.server.number
    received = b"".join(handler.head) + handler.rfile.read_ahead()
    try:
        with gevent.Timeout(TIMEOUT, TimeoutError):
            descriptors.send(connection, HandedConnection(sock, address, listener, received, once))
    except TimeoutError:
        # The other worker may take it yet: an answer from here as well would mix the two.
        logger.warning("Another worker is too busy: a connection is closed")
