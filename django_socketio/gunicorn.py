"""The gunicorn worker that holds sockets: ``gunicorn -k django_socketio.gunicorn.Worker``."""

import os
import signal
import sys
import warnings
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gevent.event import Event
from gunicorn.http.wsgi import base_environ
from gunicorn.sock import ssl_context
from gunicorn.workers.ggevent import (
    VERSION,
    GeventPyWSGIWorker,
    GeventResponse,
    PyWSGIHandler,
    PyWSGIServer,
)

from django_socketio import garbage, handoff
from django_socketio.handoff import Handoff
from django_socketio.relay.memory import MemoryRelay
from django_socketio.transports.alarms import clock
from django_socketio.transports.handler import Handler as ConnectionHandler
from django_socketio.transports.handler import Listener, mask_values
from django_socketio.transports.passing import Passed
from django_socketio.transports.workers import Workers

if TYPE_CHECKING:
    from django_socketio.process import Process

BEAT = 1.0
"""Seconds between two signs of life to the arbiter."""

TURN = 0.05
"""Seconds between two looks at what is still open when the worker stops."""

QUICK = 0.5
"""Seconds that requests have on SIGQUIT and SIGINT; last handlers have ``STOP_TIMEOUT`` more."""

NO_RELAY = (
    "%s workers, and no relay between them: a message reaches only the sockets of the worker that "
    "sends it. Set SOCKETIO_RELAY_URL, or start one worker."
)

NO_WEBSOCKETS = (
    "gunicorn ends TLS itself (certfile), so sockets stay on long-polling. For WebSockets, let a "
    "proxy such as nginx end TLS."
)


class Handler(ConnectionHandler, PyWSGIHandler):
    """Counts and logs requests as gunicorn wants it."""

    def log_request(self) -> None:
        """Count the request and log it as gunicorn does, without its sid."""
        if self.handed_over:
            return
        self.server.worker.count_request()
        status = self.status.decode() if isinstance(self.status, bytes) else self.status
        response = GeventResponse(status, self.response_headers or [], self.response_length)
        duration = timedelta(seconds=max(self.time_finish - self.time_start, 0))
        headers = mask_values(dict(self.headers.items()))
        self.server.log.access(response, headers, self._logged_environ(), duration)

    def _logged_environ(self) -> dict[str, Any]:
        if self.environ is not None:
            return mask_values(self.environ)
        # It was no request that could be read: gunicorn's formats want these all the same.
        words = [*(self.requestline or "").split(), "", "", ""]
        names = ("REQUEST_METHOD", "RAW_URI", "SERVER_PROTOCOL")
        address = str(self.client_address[0]) if self.client_address else ""
        return mask_values({"REMOTE_ADDR": address, **dict(zip(names, words, strict=False))})


class Server(Listener, PyWSGIServer):
    """Accepts connections on one of gunicorn's listeners."""

    worker: "Worker"
    number = 0
    """Among the worker's listeners."""


class Worker(GeventPyWSGIWorker):
    """A gunicorn worker that serves Django and holds sockets."""

    server_class = Server
    wsgi_handler = Handler

    _patched_for_preload = False
    _known_config: Any = None

    process: "Process"

    @classmethod
    def setup(cls) -> None:
        """Patch, in the arbiter, before ``preload_app`` loads Django there."""
        # What Django makes while it is loaded, such as its connections, must be made for greenlets.
        # gunicorn calls this from its configuration, and does not hand it in.
        config = sys._getframe(1).f_locals.get("self")
        if getattr(config, "preload_app", False) and not cls._patched_for_preload:
            cls._patched_for_preload = True
            # The rest would get in the arbiter's way; workers patch it.
            monkey.patch_all(os=False, signal=False, subprocess=False, queue=False)

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Say what does not go together; gunicorn calls it once."""
        if cfg.is_ssl:
            log.warning(NO_WEBSOCKETS)
        if cls._patched_for_preload and not cfg.control_socket_disable:
            log.info("No control socket: its thread cannot run in an arbiter that preloads")
            cfg.set("control_socket_disable", True)

    def __init__(self, age: int, ppid: int, sockets: Any, app: Any, *args: Any) -> None:
        super().__init__(age, ppid, sockets, app, *args)  # in the arbiter, before the fork
        cfg = self.cfg
        self._directory = handoff.make_directory(cfg.worker_tmp_dir, cfg.uid, cfg.gid)
        # Of the workers that one configuration starts, the first speaks for all.
        self._speaks = Worker._known_config is not cfg
        Worker._known_config = cfg
        self._stop_asked: Event | None = None
        self._quick = False

    # Starting

    def init_process(self) -> None:
        """Become a worker; told to stop meanwhile, do so as soon as that is possible."""
        # Until all is patched and loaded, the signals would go to the arbiter's own handlers, here
        # where no arbiter is: it would wait for this worker until it kills it.
        signal.signal(signal.SIGTERM, self.handle_exit)
        super().init_process()

    def patch(self) -> None:
        """Patch the standard library."""
        with warnings.catch_warnings():
            # Where the arbiter preloads, a part is patched already.
            warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
            super().patch()

    def run(self) -> None:
        """Serve until the worker is told to stop, or has served ``max_requests``."""
        self._stop_asked = Event()
        beat = gevent.spawn(self._beat)
        self._start()
        try:
            if self.alive:
                self._stop_asked.wait()
            self._stop()
        finally:
            self.handoff.stop()
            beat.kill()

    def _start(self) -> None:
        # Django is imported here, after gevent patched: its connections are one per greenlet then.
        from django_socketio.application import Application, attendants
        from django_socketio.process import Process

        self.process = Process()
        self.process.signals_of = self
        self.handoff = Handoff(self._directory, self._adopt)
        self.process.engine.can_upgrade = not self.cfg.is_ssl
        self.process.engine.owner = self.handoff.key
        self._warn()
        self.process.start()
        self.process.listens(self.handoff.start())
        workers = self.process.shared.limits.workers
        application = Application(
            self.wsgi, self.process.engine, self.handoff.hand_over, max_handshakes=workers
        )
        self._servers = [
            self._serve(listener, number, application, attendants(self.cfg.worker_connections))
            for number, listener in enumerate(self.sockets)
        ]
        garbage.collect_less()
        self.log.info("Worker ready (pid: %s, relay: %s)", self.pid, self.process.relay)

    def _warn(self) -> None:
        alone = isinstance(self.process.relay, MemoryRelay)
        if self._speaks and alone and self.cfg.workers > 1:
            self.log.warning(NO_RELAY, self.cfg.workers)

    def _serve(self, listener: Any, number: int, application: Any, attendants: Workers) -> Server:
        listener.setblocking(1)
        environ = base_environ(self.cfg)
        environ.update({"wsgi.multithread": True, "SERVER_SOFTWARE": VERSION})
        one = Server(
            listener,
            application=application,
            attendants=attendants,
            log=self.log,
            error_log=self.log,
            handler_class=Handler,
            environ=environ,
            **({"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}),
        )
        one.worker, one.number = self, number
        self.process.listens(listener.getsockname(), attendants)
        one.start()
        one.watch(self.process.alarms, self.process.request_timeout)
        return one

    def _adopt(self, passed: Passed) -> None:
        # Of several listeners, the one that accepted it; only after a reload may there be others.
        one = self._servers[min(passed.listener, len(self._servers) - 1)]
        one.spawn(passed)

    # Living

    def _beat(self) -> None:
        while True:
            self.notify()
            gevent.sleep(BEAT)

    def notify(self) -> None:
        """Tell the arbiter that the event loop turns."""
        self.tmp.notify()
        if self.alive and self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            self.handle_exit(None, None)

    def count_request(self) -> None:
        """Count an HTTP request towards ``max_requests``."""
        self.nr += 1
        if self.alive and self.nr >= self.max_requests:
            self.log.info("Autorestarting worker after current request.")
            self.handle_exit(None, None)

    # Stopping

    def handle_exit(self, sig: Any, frame: Any) -> None:
        """Stop gracefully (SIGTERM)."""
        self.alive = False
        if self._stop_asked is not None:
            self._stop_asked.set()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Stop without waiting for requests (SIGQUIT, SIGINT); sockets still end in order."""
        self._quick = True
        gevent.spawn(self.cfg.worker_int, self)
        self.handle_exit(sig, frame)

    def _stop(self) -> None:
        """Stop accepting, end all sockets, answer the last requests."""
        begun = clock()
        for one in self._servers:
            one.close()
        self.process.engine.stop()
        while self._is_busy():
            if clock() - begun > self._patience():
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                break
            gevent.sleep(TURN)
        self.process.stop()
        for one in self._servers:
            one.stop(timeout=0)

    def _patience(self) -> float:
        # The arbiter kills after graceful_timeout; the last handlers may need STOP_TIMEOUT of it.
        graceful = float(self.cfg.graceful_timeout)
        return QUICK if self._quick else max(graceful - 2, graceful / 2)

    def _is_busy(self) -> bool:
        for one in self._servers:
            one.close_idle()
        return any(one.connections for one in self._servers) or bool(self.process.shared.living)
