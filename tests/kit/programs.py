"""Programs, as a person or an operator runs them: processes whose output can be waited for."""

import contextlib
import functools
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANAGE = str(ROOT / "tests" / "manage.py")

PATCHED = (str(ROOT / "django_socketio" / "server" / "reloader" / "patched.py"), MANAGE)
"""``manage.py`` as ``runserver_socketio`` starts itself again, when it has found the options.

``Runserver("0", "--noreload", python=PATCHED)`` spares a third of the processor time of the start,
where a test needs a server and does not test the command.
"""

TIMEOUT = 20

WARNINGS = "error::DeprecationWarning,error::PendingDeprecationWarning"
"""Use of what Python, Django or a library is going to remove is an error in servers as well."""

ENVIRON = {name: os.environ[name] for name in os.environ if name != "DJANGO_SETTINGS_MODULE"}


def _ports_of_process():
    """Yield ports below those that the system gives out, where other processes of pytest look last.

    One that the system has given out and taken back may be given to anybody in the next moment.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    return itertools.count(10_000 + 5_000 * worker + os.getpid() % 4_000)


_ports = _ports_of_process()


def free_port():
    """Return a port that is free, and never one twice."""
    for port in _ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Program:
    """A process in a session of its own, whose output can be waited for."""

    quickly = signal.SIGQUIT
    """The signal that ends it at once, but in order."""

    def __init__(self, command, cwd=ROOT, pass_fds=(), **environ):
        self.output = ""
        self._ended = False
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            command,
            env={**ENVIRON, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": WARNINGS, **environ},
            cwd=cwd,
            pass_fds=pass_fds,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end()

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


def started(make):
    """Yield what makes servers by their name or options, each once; end them afterwards."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda *args, **options: stack.enter_context(make(*args, **options)))


class Runserver(Program):
    """``manage.py runserver_socketio``, or another command that serves."""

    quickly = signal.SIGKILL

    def __init__(self, *arguments, python=(MANAGE,), command="runserver_socketio", **options):
        super().__init__([sys.executable, *python, command, *arguments], **options)

    @property
    def port(self):
        """The port that it announced last."""
        return int(self.wait_for(r"django-socketio .* at http://.*:(\d+)/")[-1][1])


def python(environ, *arguments, check=True):
    """Run Python to its end; return the completed process."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**ENVIRON, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=check,
    )


def manage(environ, *arguments):
    """Run a management command; return the last line that it prints."""
    return python(environ, MANAGE, *arguments).stdout.strip().rpartition("\n")[2]


def migrate(environ, code=""):
    """Make the tables of a site's database, and run code after that in the same process.

    Returns the last line that the code prints.
    """
    return python(environ, "-c", MIGRATE + code).stdout.strip().rpartition("\n")[2]


MIGRATE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""


def in_project(events):
    """Return the environment of the project that the fixture ``loud`` has written."""
    return {"DJANGO_SETTINGS_MODULE": "loud_settings", "PYTHONPATH": str(events.parent.parent)}
