"""A real server on a free port of loopback, in a thread with its own event loop."""

import threading

from django.core.handlers.wsgi import WSGIHandler

from django_socketio.channels.current import current
from tests.kit.waiting import wait_until


class LiveServer:
    """Serves the tests' project, or another application, until ``stop``."""

    def __init__(self, application=None):
        self._application = application or WSGIHandler()
        self._ready = threading.Event()
        self._failure = None
        self.server = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)
        if self._failure is not None:
            raise self._failure
        self.port = self.server.port

    def _run(self):
        import gevent

        from django_socketio.server.dev import DevelopmentServer

        try:
            self._hub = gevent.get_hub()
            self._stopping = self._hub.loop.async_()
            self._stop_asked = gevent.event.Event()
            self._stopping.start(self._stop_asked.set)
            self.server = DevelopmentServer(self._application, "127.0.0.1", 0)
            self.server.start()
        except Exception as failure:
            self._failure = failure
            return
        finally:
            self._ready.set()
        self._stop_asked.wait()
        self.server.stop()
        self._stopping.close()
        self._hub.destroy(destroy_loop=True)

    @property
    def socket_server(self):
        return self.server.socket_server

    @property
    def logins(self):
        """The registry of logins, the first service of every server."""
        return self.socket_server.services[0]

    def wait_for_relay(self):
        """Wait until the server hears the other processes of its site."""
        wait_until(lambda: self.socket_server.relay.status()["alive"])

    def call(self, function, *args):
        """Call a function in the server's event loop, and return what it returns."""
        done = threading.Event()
        result = []

        def run():
            try:
                result.append(function(*args))
            finally:
                done.set()

        import gevent

        self._hub.loop.run_callback_threadsafe(gevent.spawn, run)
        assert done.wait(10), "the server did not answer"
        return result[0]

    def stop(self):
        """End the server as Ctrl-C does, and wait for it."""
        if self._thread.is_alive():
            self._stopping.send()
            self._thread.join(10)
            assert not self._thread.is_alive(), "the server did not stop"


STOPPING = f"{__name__}.stopping"


def stopping(get_response):
    """Have the server stop while an answer is on its way (a middleware)."""

    def middleware(request):
        response = get_response(request)
        current().engine.stop()
        return response

    return middleware


def connections(server):
    """Return how many connections a live server has."""
    return server.call(lambda: len(server.server._wsgi.connections))


def nothing_is_left(server):
    """Whether a live server keeps nothing of its sockets, once all have ended."""
    assert server.call(server.socket_server.open_sockets.wait_until_empty, 5)
    return len(server.socket_server.channels) == 0 and server.socket_server.engine.sessions == {}


def wait_until_polled(server, client):
    """Wait until a GET of a client waits for messages."""
    import gevent

    transport = server.socket_server.engine.sessions[client.sid].transport

    def wait():
        while transport._waiting is None:
            gevent.sleep(0.001)
        return True

    assert server.call(wait)
