"""Gunicorn and nginx, as an operator runs them: processes of their own, on free ports."""

import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path

from gunicorn.config import Config

from tests.kit.programs import Program

HAS_CONTROL_SOCKET = "control_socket_disable" in Config().settings
"""Whether this gunicorn has one: since 25.1."""

GUNICORN = Path(sys.executable).with_name("gunicorn")


class Gunicorn(Program):
    """Gunicorn with our worker, once all of its workers are ready."""

    worker_class = "django_socketio.gunicorn.Worker"
    ready = "Worker ready"

    def __init__(self, *arguments, workers=1, listener=None, pass_fds=(), control=False, **environ):
        assert GUNICORN.exists(), f"{GUNICORN} is missing: run make test, which installs it"
        self.workers = workers
        with listener or socket.create_server(("127.0.0.1", 0), backlog=1024) as own:
            self.port = own.getsockname()[1]
            bind = ["--bind", f"fd://{own.fileno()}"]
            worker = ["-k", self.worker_class, "-w", str(workers)]
            off = ["--no-control-socket"] if HAS_CONTROL_SOCKET and not control else []
            log = ["--access-logfile", "-", *off]
            command = [GUNICORN, *worker, *bind, *log, *arguments, "tests.system.production.wsgi"]
            super().__init__(command, pass_fds=[own.fileno(), *pass_fds], **environ)
        try:
            self.wait_for(self.ready, workers)
        except AssertionError:
            self.end()
            raise

    @property
    def pids(self):
        """The workers that became ready, oldest first."""
        return [int(found[1]) for found in re.finditer(r"Worker ready \(pid: (\d+)", self.output)]


class OtherGunicorn(Gunicorn):
    """gunicorn with a worker of its own: ``OtherGunicorn("gthread", "--threads", "8")``."""

    ready = "Booting worker"

    def __init__(self, worker_class, *arguments, **options):
        self.worker_class = worker_class
        super().__init__(*arguments, **options)


class SyncGunicorn(Gunicorn):
    """Gunicorn with its own workers, which serve pages and hold no sockets."""

    worker_class = "sync"
    ready = "Booting worker"


class Uvicorn(Program):
    """uvicorn, an ASGI server, which serves pages and holds no sockets."""

    quickly = signal.SIGTERM

    def __init__(self, settings, **environ):
        application = ["--factory", "django.core.asgi:get_asgi_application", "--port", "0"]
        options = ["--lifespan", "off", "--timeout-graceful-shutdown", "1"]
        command = [sys.executable, "-m", "uvicorn", *options, *application]
        super().__init__(command, DJANGO_SETTINGS_MODULE=settings, **environ)
        self.port = int(self.wait_for(r"running on http://127.0.0.1:(\d+)")[0][1])


class Nginx(Program):
    """nginx with a configuration of its own."""

    quickly = signal.SIGTERM

    def __init__(self, folder, configuration, port):
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "nginx is missing: run make test, which installs it"
        self.port = port
        path = folder / "nginx.conf"
        path.write_text(configuration)
        super().__init__([program, "-p", folder, "-c", path, "-e", "stderr"])
        self._wait_until_it_listens()

    def _wait_until_it_listens(self):
        # "start worker process" is printed once the listeners are open.
        self.wait_for("start worker process ")
