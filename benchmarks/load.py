"""The load generator: compiled, run, and what it measured."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import LOAD_CORE, Failed, on_core

SOURCES = Path(__file__).parent / "load"
SIZE = 57
"""Bytes of a message: the whole Socket.IO packet."""


@dataclass(frozen=True)
class Dialect:
    """How the generator speaks to a server."""

    path: str
    subscribe: str
    subscribed: str
    message: str
    answer: str
    hello: str = ""
    ready: str = ""
    shorter: int = 0
    """Bytes less around the same message than in Socket.IO."""

    def subscription(self, channel):
        """Return the request to be on a channel."""
        return self.subscribe.replace("CHANNEL", channel)


SOCKETIO = Dialect(
    path="/socket.io/?EIO=4&transport=websocket",
    hello="40",
    ready="40",
    subscribe='420["subscribe","CHANNEL"]',
    subscribed="430[true]",
    message='42["message","%p"]',
    answer='42["message"',
)

JSON = Dialect(
    path="/ws/",
    subscribe='["subscribe","CHANNEL"]',
    subscribed='["subscribed"]',
    message='["message","%p"]',
    answer='["message"',
    shorter=2,
)


def compiled(folder):
    """Compile the generator into a folder; return the program's path.

    Raises:
        Failed: there is no compiler, or it refuses.

    """
    program = Path(folder) / "load"
    if shutil.which("gcc") is None:
        raise Failed("gcc is needed to compile the load generator.")
    sources = sorted(SOURCES.glob("*.c"))
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, *sources]
    done = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"The load generator does not compile:\n{done.stderr}")
    return program


class Load:
    """Drives a server.

    Args:
        program: the compiled generator.
        seconds: how long a measurement takes.

    """

    def __init__(self, program, seconds):
        self.program = program
        self.seconds = seconds

    def arguments(self, server, mode, **options):
        """Return the command line that drives a running server (see ``servers.Running``)."""
        dialect = server.dialect
        values = {
            "mode": mode,
            "port": ",".join(map(str, server.ports)),
            "pids": ",".join(map(str, server.pids)),
            "path": dialect.path,
            "hello": dialect.hello,
            "ready": dialect.ready,
            "subscribed": dialect.subscribed,
            "message": dialect.message,
            "answer": dialect.answer,
            "seconds": self.seconds,
            **options,
        }
        values["size"] = values.get("size", SIZE) - dialect.shorter
        return [str(self.program), *spelled(values)]

    def run(self, server, mode, **options):
        """Drive a running server; return what the generator measured.

        Raises:
            Failed: a connection was refused or ended.

        """
        command = on_core(LOAD_CORE, self.arguments(server, mode, **options))
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return read(done.returncode, done.stdout, done.stderr)


def spelled(values):
    """Yield options as the generator takes them; a list is an option given several times."""
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            yield from (f"--{name.replace('_', '-')}", str(each))


def read(status, output, errors):
    """Return what the generator printed.

    Raises:
        Failed: it could not measure.

    """
    if status != 0:
        raise Failed(errors.strip() or f"load ended with {status}")
    return json.loads(output)
