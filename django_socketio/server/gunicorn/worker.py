"""The worker class itself; gunicorn finds it as ``django_socketio.gunicorn.Worker``."""

import logging
import os
import signal
import warnings
from socket import SOCK_STREAM
from typing import TYPE_CHECKING, Any

import gevent
import gunicorn
from gevent import monkey
from gevent.event import Event
from gevent.hub import reinit
from gevent.socket import socket as gevent_socket
from gunicorn.workers import base

from django_socketio.concurrency import client_log
from django_socketio.concurrency.patching import patch_all
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.workers import Workers
from django_socketio.logs import escape
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.server import debuggers, garbage
from django_socketio.server.compat.gunicorn import base_environ, config_of_setup, ssl_context
from django_socketio.server.gunicorn import settings as gunicorn_settings
from django_socketio.server.gunicorn.broken import show_error
from django_socketio.server.gunicorn.forwarding import Forwarding
from django_socketio.server.gunicorn.head_limits import head_limits, too_large
from django_socketio.server.gunicorn.requests import GunicornHandler, GunicornServer, Hooks
from django_socketio.server.handoff import router as handoff
from django_socketio.server.handoff.offers import Offer
from django_socketio.server.handoff.router import Handoff
from django_socketio.transports.draining import drain

if TYPE_CHECKING:
    from django_socketio.sockets.away import Away
    from django_socketio.sockets.server import SocketServer

VERSION = f"gevent/{gevent.__version__} gunicorn/{gunicorn.__version__}"

BEAT = 1.0
"""Seconds between two signs of life to the arbiter, at most."""

LOOK_INTERVAL = 0.05
"""Seconds between two looks at what is still open when the worker stops."""

RETURN_SECONDS = 5.0
"""Seconds that the last clients have to come back to other workers, after all sockets were ended
one after the other. The official client waits for 0.5 to 1.5 seconds."""

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


class Worker(base.Worker):
    """A gunicorn worker that serves Django and holds sockets."""

    _patched_for_preload = False
    _known_config: Any = None

    socket_server: "SocketServer"
    sockets: list[Any]

    @classmethod
    def setup(cls) -> None:
        """Patch, in the arbiter, before ``preload_app`` loads Django there."""
        # What Django makes while it is loaded, such as its connections, must be made for greenlets.
        # gunicorn calls this from its configuration, and does not hand it in.
        config = config_of_setup()
        if getattr(config, "preload_app", False) and not cls._patched_for_preload:
            cls._patched_for_preload = True
            # The rest would get in the arbiter's way; workers patch it.
            patch_all(os=False, signal=False, subprocess=False, queue=False)

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Report settings that do not go together; gunicorn calls this method once.

        Raises:
            RuntimeError: with these settings the worker could not serve any client; gunicorn ends.

        """
        for problem in gunicorn_settings.impossible(cfg):
            raise RuntimeError(problem)
        if cfg.is_ssl:
            log.warning(NO_WEBSOCKETS)
        # Before gunicorn 25.1 there was no control socket.
        if cls._patched_for_preload and not getattr(cfg, "control_socket_disable", True):
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
        if self._speaks:
            self._warn_of_settings()

    def _warn_of_settings(self) -> None:
        # Also after a reload, for which gunicorn does not call check_config.
        for problem in gunicorn_settings.impossible(self.cfg):
            self.log.error(problem)
        for problem in gunicorn_settings.without_effect(self.cfg):
            self.log.warning(problem)
        if too_large_heads := too_large(self.cfg):
            self.log.warning(too_large_heads)

    # Starting

    def init_process(self) -> None:
        """Become a worker; told to stop meanwhile, do so as soon as that is possible."""
        # Until all is patched and loaded, the signals would go to the arbiter's own handlers, here
        # where no arbiter is: it would wait for this worker until it kills it.
        signal.signal(signal.SIGTERM, self.handle_exit)
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._note_quit)
        garbage.begin_loading()
        self._patch()
        if os.isatty(0):  # no terminal, no breakpoint: in production, pdb is not imported
            debuggers.leave_interrupts_to_server()
        reinit()
        super().init_process()

    def _patch(self) -> None:
        with warnings.catch_warnings():
            # Where the arbiter preloads, a part is patched already.
            warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
            patch_all()
        self.sockets = [
            gevent_socket(one.FAMILY, SOCK_STREAM, fileno=one.sock.detach()) for one in self.sockets
        ]

    def run(self) -> None:
        """Serve until the worker is told to stop, or has served ``max_requests``."""
        self._stop_asked = Event()
        self.handoff = Handoff(self._directory, self._serve_offered)
        beat = gevent.spawn(self._beat)
        try:
            self._start()
            if self.alive:
                self._stop_asked.wait()
            self._stop()
        except SyntaxError as error:
            if not self.cfg.reload:
                raise
            show_error(error, self, self._stop_asked)
        finally:
            self.handoff.stop()
            beat.kill()

    def _start(self) -> None:
        # Django is imported here, after gevent patched: its connections are one per greenlet then.
        from django_socketio.monitoring.neighbours import Neighbours
        from django_socketio.server.bootstrap import build_server, drain_seconds, http_timeouts
        from django_socketio.server.wsgi import SocketIOMiddleware, http_workers

        self._escape_logs()
        self._timeouts, self._drain_seconds = http_timeouts(), drain_seconds()
        self.socket_server = build_server(
            worker_id=self.handoff.worker_id,
            can_upgrade=not self.cfg.is_ssl,
            signal_receiver=self,
        )
        self._introduce()
        self.socket_server.start()
        client_log.begin(self.socket_server.timers)
        self.socket_server.add_listener(self.handoff.start())
        neighbours = self.socket_server.part(Neighbours)
        self.socket_server.add_listener(neighbours.open(self._directory, self.handoff.worker_id))
        self.hooks, self.forwarding = Hooks(self), Forwarding(self.cfg)
        workers = self.socket_server.limits.workers
        application = SocketIOMiddleware(
            self.wsgi, self.socket_server, self.handoff.hand_off, workers, self.hooks.before
        )
        self._servers = [
            self._serve(listener, number, application, http_workers(self.cfg.worker_connections))
            for number, listener in enumerate(self.sockets)
        ]
        garbage.collect_less()
        self.log.info("Worker ready (pid: %s, relay: %s)", self.pid, self.socket_server.relay)

    def _escape_logs(self) -> None:
        """Keep clients from writing lines of gunicorn's own logs."""
        for name in ("access_log", "error_log"):
            logger = getattr(self.log, name, None)
            if isinstance(logger, logging.Logger):
                logger.addFilter(escape)

    def _introduce(self) -> None:
        """Log, once for all workers, the handlers, and a relay that is missing."""
        from django_socketio import events

        if not self._speaks:
            return
        self.log.info(events.summary())
        if self.socket_server.relay.unit == "sockets" and self.cfg.workers > 1:
            self.log.warning(NO_RELAY, self.cfg.workers)

    def _serve(
        self, listener: Any, number: int, application: Any, http_workers: Workers
    ) -> GunicornServer:
        listener.setblocking(1)
        environ = base_environ(self.cfg)
        environ.update({"wsgi.multithread": True, "SERVER_SOFTWARE": VERSION})
        one = GunicornServer(
            listener,
            application=application,
            http_workers=http_workers,
            log=self.log,
            error_log=self.log,
            handler_class=GunicornHandler,
            environ=environ,
            **({"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}),
        )
        one.worker, one.number = self, number
        self.socket_server.add_listener(listener.getsockname(), http_workers)
        one.hooks, one.forwarding = self.hooks, self.forwarding
        one.head_limits = head_limits(self.cfg)
        one.start()
        one.watch(self.socket_server.timers, self._timeouts)
        return one

    def _serve_offered(self, offer: Offer) -> None:
        # Of several listeners, the one that accepted it; only after a reload may there be others.
        one = self._servers[min(offer.handed.listener, len(self._servers) - 1)]
        one.spawn_offered(offer)

    # Living

    def _beat(self) -> None:
        while True:
            self.notify()
            if not self.alive:  # as the reloader has it, in a thread of its own
                self.handle_exit(None, None)
            gevent.sleep(min(BEAT, self.timeout or BEAT))  # half of the setting; 0 is no timeout

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

    def handle_usr1(self, sig: Any, frame: Any) -> None:
        """Open log files again (SIGUSR1); the signal may have interrupted what writes to them."""
        gevent.spawn(super().handle_usr1, sig, frame)

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Stop without waiting for requests (SIGQUIT, SIGINT); sockets still end in order."""
        self._quick = True
        gevent.spawn(self.cfg.worker_int, self)
        self.handle_exit(sig, frame)

    def _note_quit(self, sig: Any, frame: Any) -> None:
        # Until gevent has patched, no greenlet can be made, as handle_quit does.
        self._quick, self.alive = True, False

    def _stop(self) -> None:
        """Stop accepting, end all sockets, answer the last requests."""
        begun = clock()
        self.socket_server.is_stopping = True
        for one in self._servers:
            one.close()
        self._drain()
        self.socket_server.engine.stop()
        while self._is_busy():
            if clock() - begun > self._patience():
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                break
            gevent.sleep(LOOK_INTERVAL)
            self.socket_server.engine.stop()  # what began since: its request was answered late
        self.socket_server.stop()
        for one in self._servers:
            one.stop(timeout=0)

    def _drain(self) -> None:
        """End sockets one after the other; others accept their clients meanwhile."""
        seconds = min(self._drain_seconds, self._patience())
        if seconds and not self._quick:
            self.log.info("Ending the sockets within %g s", seconds)
            begun, away = clock(), self.socket_server.away
            if away is not None:
                away.outlast()
            drain(self.socket_server.engine.ends(), seconds, self._is_drained)
            self.socket_server.engine.stop()  # and sessions that have begun meanwhile
            if away is not None:
                self._let_return(away, begun)

    def _let_return(self, away: "Away", begun: float) -> None:
        """Wait for the last clients to come back to other workers, which take their sockets."""
        end = min(clock() + RETURN_SECONDS, begun + self._patience())
        while len(away) and clock() < end and not self._is_drained():
            gevent.sleep(LOOK_INTERVAL)
        away.end_all(Reason.SHUTTING_DOWN)

    def _is_drained(self) -> bool:
        for one in self._servers:
            one.close_idle()
        return self._quick

    def _patience(self) -> float:
        # The arbiter kills after graceful_timeout; the last handlers may need STOP_TIMEOUT of it,
        # and the process a second on a busy machine.
        graceful = float(self.cfg.graceful_timeout)
        return QUICK if self._quick else max(graceful - 2.5, graceful / 6)

    def _is_busy(self) -> bool:
        for one in self._servers:
            one.close_idle()
        return any(one.connections for one in self._servers) or (self.socket_server.is_busy)
