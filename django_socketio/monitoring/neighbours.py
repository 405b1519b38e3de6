"""The numbers of the worker processes of one gunicorn, without the relay.

The workers share a directory. Each of them has a Unix socket there, on which it writes its numbers
as JSON to whoever connects. So one request for ``/metrics`` answers for all workers, and does so
while the relay is away.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from typing import Any

import gevent
from gevent.server import StreamServer
from gevent.socket import socket

from django_socketio.monitoring.process import ProcessStats
from django_socketio.monitoring.site import stats_of
from django_socketio.sockets.server import SocketServer

MARK = "s"
"""The first character of the names of these sockets; the ids of workers, in hexadecimal, have none.

The names are as long as the ids: the path of a Unix socket has at most 107 bytes.
"""

STARTING = "n"
"""The same, until the worker listens: a connection is refused before, as that to a dead worker."""

TIMEOUT = 1.0
"""Seconds that a worker has to tell its numbers."""


class Neighbours:
    """The part of a server that tells its numbers to the other workers, and asks for theirs.

    Args:
        server: the server of this process.

    """

    is_busy = False

    def __init__(self, server: SocketServer) -> None:
        self._path: Path | None = None
        self._listener: StreamServer | None = None
        self._stats = partial(stats_of, server)

    def open(self, directory: Path, worker_id: str) -> str:
        """Tell the numbers to the workers with the same directory; return the socket's address."""
        self._path = directory / f"{MARK}{worker_id[1:]}"
        address = str(directory / f"{STARTING}{worker_id[1:]}")
        listener = socket(AF_UNIX, SOCK_STREAM)
        listener.bind(address)
        listener.listen()
        os.rename(address, self._path)
        self._listener = StreamServer(listener, handle=self._tell)
        self._listener.start()
        return address  # which the socket keeps (getsockname)

    def _tell(self, connection: Any, _address: Any) -> None:
        with suppress(OSError), connection:
            connection.sendall(json.dumps(self._stats()).encode())

    def stop(self, timeout: float) -> None:
        """Tell the numbers no more."""
        if self._listener is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            self._listener.stop(timeout=0)

    def stats(self) -> list[ProcessStats]:
        """Return the numbers of this process and of the other workers, those that answer."""
        paths = [] if self._path is None else self._path.parent.glob(f"{MARK}*")
        others = _ask_all(path for path in paths if path != self._path)
        return sorted([self._stats(), *others], key=lambda one: one["process"])


def _ask_all(paths: Iterable[Path]) -> list[ProcessStats]:
    asked = [gevent.spawn(_ask, path) for path in paths]
    if asked:  # the wait would begin an event loop in a thread that has none
        gevent.joinall(asked)
    answers: list[Any] = [one.value for one in asked]
    return [answer for answer in answers if answer is not None]


def _ask(path: Path) -> Any:
    """Return the numbers of a worker; None if it does not tell them in time."""
    try:
        with gevent.Timeout(TIMEOUT, False), socket(AF_UNIX, SOCK_STREAM) as connection:
            connection.connect(str(path))
            with connection.makefile("rb") as stream:
                return json.loads(stream.read())
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)  # the worker was killed
    except (OSError, ValueError):
        pass  # it ends at this moment
    return None
