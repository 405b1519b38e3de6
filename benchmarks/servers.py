"""The servers that are compared, and how each is started at its best."""

import contextlib
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.load import JSON, SOCKETIO, Dialect
from benchmarks.processes import SERVER_CORE, Process, free_port, listens

HERE = Path(__file__).parent
PEERS = HERE / "peers"
PYTHON = sys.executable
BIN = Path(PYTHON).parent


@dataclass(frozen=True)
class Server:
    """A server.

    Args:
        name: what selects it on the command line.
        title: its name in tables.
        command: its command line; PORT stands for the port.
        notes: how it is set up, for the documentation.

    """

    name: str
    title: str
    command: tuple
    notes: str
    dialect: Dialect = SOCKETIO
    environ: dict = field(default_factory=dict)
    folder: Path = PEERS
    only: str = ""
    """The name of the only line that it is measured for; all if there is none."""
    slow: bool = False
    """Whether it takes so long to open and end sockets that each run has a new process, and the
    largest is made once."""
    named_only: bool = False
    """Whether it is measured only if the command line names it."""


OURS = Server(
    "ours",
    "django-socketio",
    (PYTHON, "-m", "django", "runserver_socketio", "127.0.0.1:PORT", "--noreload", "--skip-checks"),
    "``runserver_socketio``, as ``make demo`` runs it; messages not logged; sessions, CSRF and "
    "authentication in the middleware, and an ``on_connect`` that reads ``request.user``.",
    environ={"DJANGO_SETTINGS_MODULE": "benchmarks.project.settings"},
    folder=HERE.parent,
)

COMPILED_PACKAGE = HERE / ".venv" / "compiled"
"""Where the Makefile installs the package with its message path compiled."""

COMPILED = replace(
    OURS,
    name="compiled",
    title="django-socketio, compiled",
    notes="the same, installed from its source with ``DJANGO_SOCKETIO_COMPILE=1``.",
    environ={**OURS.environ, "PYTHONPATH": str(HERE.parent)},
    folder=COMPILED_PACKAGE,
)

NODE = Server(
    "node",
    "Socket.IO on Node",
    ("node", "node.mjs", "PORT"),
    "no compression, ``bufferutil`` installed, ``NODE_ENV=production``, the HTTP request of each "
    "connection let go of, as its documentation advises. No middleware, no session: its handshake "
    "does less than ours.",
    environ={"NODE_ENV": "production"},
)

UVICORN = (
    *(BIN / "uvicorn", "--host", "127.0.0.1", "--port", "PORT", "--log-level", "error"),
    *("--no-access-log", "--loop", "uvloop", "--http", "httptools", "--ws", "websockets"),
    *("--ws-per-message-deflate", "false", "--backlog", "1024"),
)

DAPHNE = (BIN / "daphne", "-v", "0", "-b", "127.0.0.1", "-p", "PORT")

CEILING = "ceiling"

SERVERS = {
    server.name: server
    for server in (
        NODE,
        Server(
            "node-request",
            "Socket.IO on Node, requests kept",
            ("node", "node.mjs", "PORT"),
            "the same, and each connection keeps its HTTP request, as Socket.IO does by default "
            "and as django-socketio does; only for the line about memory.",
            environ={"NODE_ENV": "production", "KEEP_REQUEST": "1"},
            only="memory",
        ),
        Server(
            "node-session",
            "Socket.IO on Node, with sessions",
            ("node", "node.mjs", "PORT"),
            "the same as the first, and handshakes pass express-session and Passport (in memory), "
            "as ours pass Django's sessions and authentication; only for the second line about "
            "connections.",
            environ={"NODE_ENV": "production", "SESSIONS": "1"},
            only="connect",
        ),
        OURS,
        replace(
            OURS,
            name="ours-metrics",
            title="django-socketio, numbers on",
            notes="the same, with ``SOCKETIO_METRICS``.",
            environ={**OURS.environ, "BENCH_METRICS": "1"},
            named_only=True,
        ),
        COMPILED,
        Server(
            "psio-gevent",
            "python-socketio, gevent",
            (PYTHON, "python_socketio_gevent.py", "PORT"),
            "gevent-websocket, orjson, handlers inline (``async_handlers=False``), no compression.",
        ),
        Server(
            "psio-uvicorn",
            "python-socketio, uvicorn",
            (*UVICORN, "python_socketio_asgi:application"),
            "uvloop, httptools, ``websockets``, orjson, handlers inline, no compression.",
            slow=True,
        ),
        Server(
            "channels-uvicorn",
            "Channels, uvicorn",
            (*UVICORN, "channels_project:application"),
            "uvloop, httptools, ``websockets``, no compression; the plain consumer with orjson, "
            "the in-memory layer, sessions and authentication in its middleware.",
            JSON,
            slow=True,
        ),
        Server(
            "channels-daphne",
            "Channels, daphne",
            (*DAPHNE, "channels_project:application"),
            "the same application; no access log.",
            JSON,
            slow=True,
        ),
        Server(
            "uws",
            "uWebSockets (C++), socketify",
            (PYTHON, "uwebsockets.py", "PORT"),
            "frames and as little of Socket.IO as the generator needs: no sessions, no limits, no "
            "heartbeat, no middleware.",
        ),
        Server(
            CEILING,
            "the generator's ceiling",
            ("LOAD", "--mode", "serve", "--port", "PORT"),
            "a server in C that copies frames and does nothing else, with 16 messages in flight in "
            "each line.",
        ),
    )
}


@dataclass
class Running:
    """Processes of a server that serve."""

    processes: list
    ports: list
    dialect: Dialect

    @property
    def pids(self):
        """The ids of all processes."""
        return [pid for process in self.processes for pid in process.pids]

    def settle(self):
        """Wait until nothing is left to do."""
        for process in self.processes:
            process.settle()


def command_of(server, port, program):
    """Return a server's command line."""
    words = {"PORT": str(port), "LOAD": str(program)}
    command = []
    for word in map(str, server.command):
        command.append(words.get(word, word.replace(":PORT", f":{port}")))
    return command


@contextlib.contextmanager
def running(server, program, folder, processes=1, environ=None):
    """Start a server; end it when the block ends.

    Args:
        server: which.
        program: the load generator, which is the ceiling's server too.
        folder: where its output goes.
        processes: how many of them, each on a port of its own.
        environ: more variables.

    Raises:
        Failed: it did not start.

    """
    with contextlib.ExitStack() as stack:
        started = Running([], [], server.dialect)
        for _ in range(processes):
            port = free_port()
            process = Process(
                command_of(server, port, program),
                SERVER_CORE,
                Path(folder) / f"{server.name}-{port}.log",
                {**server.environ, **(environ or {})},
                server.folder,
            )
            started.processes.append(stack.enter_context(process))
            started.ports.append(port)
        for process, port in zip(started.processes, started.ports, strict=True):
            process.wait_until(lambda port=port: listens(port), server.title)
        started.settle()
        yield started
