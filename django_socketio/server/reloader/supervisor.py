"""The processes of ``runserver_socketio``: a plain parent, and a child that gevent has patched.

gevent must patch the standard library before anything else imports it, so the child is started by
``patched.py``. The parent starts it again when the code has changed, and passes
signals on: Django's own would kill the child before its sockets have ended in order.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from django.utils import autoreload

from django_socketio.server.reloader import patched
from django_socketio.server.reloader.failures import CODE_CHANGED


def run() -> int:
    """Run children until one ends for another reason than changed code; return its status."""
    supervisor = Supervisor()
    with supervisor.passing_signals_on():
        status = supervisor.run()
    return status if status >= 0 else 128 - status


class Supervisor:
    """The parent of the children, which run one after the other."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._is_ending = False
        """Whether a signal has come: no child is started any more."""

    @contextlib.contextmanager
    def passing_signals_on(self) -> Iterator[None]:
        """Pass SIGINT and SIGTERM on to the child that runs.

        Ctrl-C reaches the child by itself as well; its second signal does nothing.
        """
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = {number: signal.signal(number, self._pass_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: Any) -> None:
        self._is_ending = True
        if self._child is not None:
            self._child.send_signal(number)

    def run(self) -> int:
        """Run children; return the status of the last one."""
        environ = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
        status = self._run_child(environ)
        while status == CODE_CHANGED and not self._is_ending:
            status = self._run_child({**environ, patched.RESTARTED: "true"})
        return 0 if status == CODE_CHANGED else status

    def _run_child(self, environ: dict[str, str]) -> int:
        # Without a standard input, Python has no sys.stdin; Django's reloader needs one.
        stdin = subprocess.DEVNULL if sys.stdin is None else None
        self._child = subprocess.Popen(patched_arguments(), env=environ, stdin=stdin)
        try:
            if self._is_ending:  # the signal came before there was a child to pass it on to
                self._child.terminate()
            return self._child.wait()
        finally:
            self._child = None


def is_patched() -> bool:
    """Return whether gevent patched this process before it did anything else."""
    from gevent import monkey

    return all(map(monkey.is_module_patched, ("socket", "threading")))


def start_again_patched() -> None:
    """Replace this process with one that gevent has patched."""
    sys.stdout.flush()
    sys.stderr.flush()
    arguments = patched_arguments()
    os.execv(arguments[0], arguments)


def patched_arguments() -> list[str]:
    """Return this process's command line, run by ``patched.py``."""
    arguments = [str(argument) for argument in autoreload.get_child_arguments()]
    program = _index_of_program(arguments)
    return [*arguments[:program], patched.__file__, *arguments[program:]]


def _index_of_program(arguments: list[str]) -> int:
    # The interpreter's own options are written in one piece (-Wignore, -Xdev).
    index = 1
    while arguments[index].startswith(("-W", "-X")):
        index += 1
    return index
