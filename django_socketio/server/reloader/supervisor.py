"""The processes of ``runserver_socketio``: a plain parent, and a child that gevent has patched.

gevent must patch the standard library before anything else imports it, so the child is started by
``patched.py``. The parent starts it again when the code has changed, and passes
signals on: Django's own would kill the child before its sockets have ended in order.
"""

import os
import signal
import subprocess
import sys
import time
from typing import Any

from django.utils import autoreload

from django_socketio.server.reloader import patched

CODE_CHANGED = 3
"""The status with which Django's reloader ends a child."""

FAILED = 1
"""The status of a child that ended with an error, a SyntaxError say."""


def run() -> int:
    """Run children until one ends for another reason than changed code; return its status."""
    environ = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    status = _run_child(patched_arguments(), environ)
    while status == CODE_CHANGED:
        files = _snapshot()
        status = _run_child(patched_arguments(), environ)
        if status == FAILED:
            status = _wait_for_change(files)
    return status if status >= 0 else 128 - status


def _snapshot() -> dict[Any, float]:
    return dict(autoreload.StatReloader().snapshot_files())


def _wait_for_change(files: dict[Any, float]) -> int:
    """Wait until the change that a child could not even start with is mended."""
    while _snapshot() == files:
        time.sleep(autoreload.StatReloader.SLEEP_TIME)
    return CODE_CHANGED


def _run_child(arguments: list[str], environ: dict[str, str]) -> int:
    child = subprocess.Popen(arguments, env=environ)

    def pass_on(number: int, frame: Any) -> None:
        # Ctrl-C reaches the child by itself: the terminal sends it to the whole group.
        if number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(number)

    previous = {
        number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        return child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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
