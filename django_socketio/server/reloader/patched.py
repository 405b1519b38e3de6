"""Runs a Python program after gevent has patched the standard library.

    python .../patched.py manage.py runserver_socketio
    python .../patched.py -m django runserver_socketio

As ``python -m gevent.monkey``, but a program finds the modules beside it wherever it is run from.
"""

import os
import runpy
import signal
import sys
from functools import partial

RESTARTED = "DJANGO_SOCKETIO_RESTARTED"
"""The variable of the environment that tells a child that it comes after another one."""


def main() -> None:
    """Patch, then become the program that the arguments name. Ctrl-C ends it in silence."""
    signal.signal(signal.SIGINT, interrupt)
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def interrupt(number: int, frame: object) -> None:
    """Interrupt the program once: the parent may send a second signal for the same Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def run() -> None:
    """Patch, then become the program."""
    program, as_module = sys.argv[1], sys.argv[1] == "-m"
    sys.argv[:] = sys.argv[2:] if as_module else sys.argv[1:]
    # What Python itself puts first: the program's folder, or the current one for -m.
    sys.path[0] = os.getcwd() if as_module else os.path.dirname(os.path.abspath(program))
    from django_socketio.concurrency.patching import patch_all  # which may be beside the program

    patch_all()
    from django_socketio.server import garbage

    # The latter notes the time now, before any code of the site is loaded.
    from django_socketio.server.reloader import failures

    garbage.begin_loading()
    become = partial(run_program, program, as_module)
    if os.environ.pop(RESTARTED, None) is None:
        become()
    else:
        failures.wait_after(become)


def run_program(program: str, as_module: bool) -> None:
    """Run the program as Python does."""
    if as_module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
