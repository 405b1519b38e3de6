"""A test case for browsers: the server of the test serves the sockets as well as the pages."""

import unittest
from collections.abc import Mapping
from typing import Any

import gevent
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.test.testcases import LiveServerThread
from gevent.event import Event

from django_socketio.server.dev import DevelopmentServer
from django_socketio.server.pywsgi import RequestHandler
from django_socketio.testing import registrations
from django_socketio.testing.messages import opened_outbox

registrations.watch()


class QuietHandler(RequestHandler):
    """Logs no request, as in Django's live server."""

    def log_request(self) -> None:
        """Do nothing."""


class _Server:
    """A server with the methods of those that Django's live server thread runs.

    All but ``shutdown`` are called in that thread.
    """

    def __init__(self, host: str, port: int) -> None:
        self._application: Any = None
        self._hub = gevent.get_hub()
        self._stop = Event()
        self._stopping = self._hub.loop.async_()
        self._stopping.start(self._stop.set)
        self._server = DevelopmentServer(self._call, host, port, handler_class=QuietHandler)
        self._server.start()
        self.server_address = (host, self._server.port)

    def set_app(self, application: Any) -> None:
        self._application = application

    def _call(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._application(environ, start_response)

    def serve_forever(self) -> None:
        self._stop.wait()
        self._server.stop()
        self._stopping.close()
        self._hub.destroy(destroy_loop=True)

    def shutdown(self) -> None:
        self._stopping.send()

    def server_close(self) -> None:
        """Do nothing: ``serve_forever`` has closed the server."""


class SocketServerThread(LiveServerThread):
    """The thread of a server with sockets; its event loop needs no patched process."""

    def _create_server(self, connections_override: Mapping[str, Any] | None = None) -> Any:
        return _Server(self.host, self.port)


class LiveSocketServerTestCase(StaticLiveServerTestCase):
    """A ``StaticLiveServerTestCase`` whose server serves sockets, for tests with a browser.

    Pages and handlers run in the thread of the server, one at a time: the process is not patched by
    gevent, so a handler that waits, except for a client, holds up the server.

    As with Django's class, the thread shares a connection to an SQLite database in memory with the
    test; it opens its own connections to other databases, so that it sees what was committed.
    """

    server_thread_class = SocketServerThread

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test; the outbox has its messages until it ends."""
        # Not by a cleanup: unittest runs none after a test that it skips.
        with opened_outbox():
            return super().run(result)
