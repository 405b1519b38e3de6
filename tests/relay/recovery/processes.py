"""Server processes that begin at once: they are forked from one that has loaded all they need.

``python -m tests.relay.recovery.processes`` forks one for each line that it reads, which prints its
id and its port. SIGTERM ends such a process in order; all are killed when the input ends.
"""

import contextlib
import os
import signal
import subprocess
import sys
from importlib import import_module

from tests.kit.programs import ENVIRON, ROOT


class Server:
    """A server process.

    Args:
        pid: its process.
        port: the one that it listens on.

    """

    def __init__(self, pid, port):
        self.pid, self.port = pid, port

    def kill(self):
        """End it at once: no handler runs."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self):
        """End it in order, as a reload does."""
        os.kill(self.pid, signal.SIGTERM)


class Servers:
    """The process that forks them, until the ``with`` block ends."""

    def __init__(self, **environ):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.relay.recovery.processes"],
            env={**ENVIRON, "DJANGO_SETTINGS_MODULE": "tests.relay.recovery.settings", **environ},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self):
        """Start a server; return it once it listens."""
        self._process.stdin.write("start\n")
        self._process.stdin.flush()
        pid, port = map(int, self._process.stdout.readline().split())
        return Server(pid, port)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def main():
    """Fork a server for each line of the input; kill them all when it ends."""
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    from django_socketio.channels import untold
    from django_socketio.server.dev import DevelopmentServer

    untold.MOST, untold.LONGEST = 3, 0.1  # positions are told often
    application = get_wsgi_application()
    import_module("django_socketio.relay.redis.relay")  # or each child would load it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            serve(DevelopmentServer(application, "127.0.0.1", 0))
        children.append(child)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def serve(server):
    """Serve until SIGTERM, in a forked process."""
    import gevent
    import gevent.event

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    over = gevent.event.Event()
    gevent.signal_handler(signal.SIGTERM, over.set)
    server.start()
    os.write(1, f"{os.getpid()} {server.port}\n".encode())
    over.wait()
    server.stop()
    os._exit(0)


if __name__ == "__main__":
    main()
