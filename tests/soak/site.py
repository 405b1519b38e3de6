"""The site of a soak test: Redis, a server that is reloaded now and then, and one that stays."""

import os
import tempfile
from pathlib import Path

import django

from tests.kit.servers import Gunicorn
from tests.soak.faults import KeptRedis

PING_INTERVAL, PING_TIMEOUT = 1, 4
"""Seconds; short, so that sockets that left without a word are gone soon."""


class Site:
    """Redis and the servers; this process becomes one that may publish."""

    def __init__(self, stack):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.redis = stack.enter_context(KeptRedis(folder))
        self._environ = {
            "DJANGO_SETTINGS_MODULE": "tests.relay.site.settings",
            "TEST_RELAY_URL": self.redis.url,
            "TEST_PRESENCE": "1",
            "PING_INTERVAL": str(PING_INTERVAL),
            "PING_TIMEOUT": str(PING_TIMEOUT),
        }
        self.steady = self._start(stack, 2)
        self.reloaded = self._start(stack, 1)
        os.environ.update(self._environ)
        django.setup()

    def _start(self, stack, workers):
        server = Gunicorn(workers=workers, **self._environ)
        stack.callback(server.end)
        return server

    @property
    def pids(self):
        """The processes that live from start to end."""
        pids = {"the server that stays": self.steady.process.pid}
        pids |= {f"its worker {number}": pid for number, pid in enumerate(self.steady.pids, 1)}
        return pids | {"the server that is reloaded": self.reloaded.process.pid}

    @property
    def outputs(self):
        """What the servers have printed."""
        return [self.steady.output, self.reloaded.output]

    def measure(self):
        """Return megabytes and descriptors of each process."""
        return {name: (megabytes(pid), descriptors(pid)) for name, pid in self.pids.items()}


def megabytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1_000_000


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
