"""Gunicorn and nginx, as an operator runs them: processes of their own, on free ports."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 20
GUNICORN = Path(sys.executable).with_name("gunicorn")

ENVIRON = {name: os.environ[name] for name in os.environ if name != "DJANGO_SETTINGS_MODULE"}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Program:
    """A process in a session of its own, whose output can be waited for."""

    quickly = signal.SIGQUIT
    """The signal that ends it at once, but in order."""

    def __init__(self, command, pass_fds=(), **environ):
        self.output = ""
        self._ended = False
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            command,
            env={**ENVIRON, "PYTHONUNBUFFERED": "1", **environ},
            cwd=ROOT,
            pass_fds=pass_fds,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._more:
                self.output += line
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def wait_for(self, pattern, count=1):
        """Wait until the pattern has been printed often enough; return all matches."""
        pattern = re.compile(pattern)
        with self._more:
            self._more.wait_for(
                lambda: self._ended or len(pattern.findall(self.output)) >= count, TIMEOUT
            )
        found = list(pattern.finditer(self.output))
        assert len(found) >= count, f"{pattern} did not come {count} times:\n{self.output}"
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=TIMEOUT):
        """Wait for the end; return the exit status."""
        status = self.process.wait(timeout)
        self._reader.join(TIMEOUT)
        return status

    def end(self):
        """End the process and its children, if the test did not."""
        self.signal(self.quickly)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(TIMEOUT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        self.process.stdout.close()


class Gunicorn(Program):
    """Gunicorn with our worker, once all of its workers are ready."""

    def __init__(self, *arguments, workers=4, listener=None, control=False, **environ):
        assert GUNICORN.exists(), f"{GUNICORN} is missing: run make test, which installs it"
        self.workers = workers
        with listener or socket.create_server(("127.0.0.1", 0), backlog=1024) as own:
            self.port = own.getsockname()[1]
            bind = ["--bind", f"fd://{own.fileno()}"]
            worker = ["-k", "django_socketio.gunicorn.Worker", "-w", str(workers)]
            log = ["--access-logfile", "-", *([] if control else ["--no-control-socket"])]
            command = [GUNICORN, *worker, *bind, *log, *arguments, "tests.production.wsgi"]
            super().__init__(command, pass_fds=[own.fileno()], **environ)
        try:
            self.wait_for("Worker ready", workers)
        except AssertionError:
            self.end()
            raise

    @property
    def pids(self):
        """The workers that became ready, oldest first."""
        return [int(found[1]) for found in re.finditer(r"Worker ready \(pid: (\d+)", self.output)]


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
