"""The server that has the event streams of a process whose HTTP server is another one.

It runs in a native thread with an event loop of its own; where gevent has patched threads, in the
event loop of the process.
"""

import os
import threading
from collections.abc import Callable

import gevent
from gevent import monkey
from gevent.event import Event

from django_socketio.channels import current
from django_socketio.concurrency import client_log
from django_socketio.server.bootstrap import build_server
from django_socketio.sockets.server import SocketServer


class _Host:
    lock = threading.Lock()
    pid = 0
    server: SocketServer | None = None


def server_of_process() -> SocketServer:
    """Return the server of this process; the first call starts one."""
    running = current.current()
    if isinstance(running, SocketServer):
        return running
    with _Host.lock:
        # A forked process has neither the thread nor the connections of its parent.
        if _Host.server is None or _Host.pid != os.getpid():
            _Host.pid, _Host.server = os.getpid(), _start()
        return _Host.server


def _start() -> SocketServer:
    if monkey.is_module_patched("threading"):
        return _started()
    found: list[SocketServer | BaseException] = []
    ready = threading.Event()

    def run() -> None:
        try:
            found.append(_started())
        except BaseException as error:
            found.append(error)
            return
        finally:
            ready.set()
        Event().wait()  # the event loop runs as long as the process

    threading.Thread(target=run, name="django_socketio.streams", daemon=True).start()
    ready.wait()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _started() -> SocketServer:
    server = build_server(can_upgrade=False)
    server.start()
    if server.relay.unit == "processes":
        # Threads publish by Redis themselves, and do not wait for this event loop.
        current.set_apart(server)
    client_log.begin(server.timers)
    return server


def schedule(server: SocketServer, function: Callable[..., object], *args: object) -> None:
    """Have a function called in a greenlet of a server, from whichever thread."""
    server.hub.loop.run_callback_threadsafe(gevent.spawn, function, *args)
