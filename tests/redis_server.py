"""A real Redis of the tests' own."""

import shutil
import signal
import subprocess
import time

import pytest
import redis

TIMEOUT = 10


class RedisServer:
    """Redis on a Unix socket in a folder of the test's, until the ``with`` block ends.

    Its data is in memory only.
    """

    def __init__(self, folder):
        command = shutil.which("redis-server")
        if command is None:
            pytest.fail("redis-server is missing: run make test, which installs it")
        self._socket = folder / "redis.sock"
        self.url = f"unix://{self._socket}"
        self._command = [command, "--port", "0", "--unixsocket", str(self._socket)]
        self._command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
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
