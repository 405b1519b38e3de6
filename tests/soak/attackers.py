"""Clients that send what costs a server most, all through a soak test, beside those that behave."""

import itertools
import subprocess
import sys
import threading
import time
from collections import Counter

from benchmarks.attackers.attacks import ATTACKS
from tests.kit.programs import ROOT

NAMES = [name for name, attack in ATTACKS.items() if attack.write and not attack.compressed]
"""Attacks that need no setting of the server."""


class Attacker(threading.Thread):
    """Attacks a server in one way after the other, each in a process of its own.

    Args:
        port: the server's.
        names: the ways, in turn.
        seconds: how long each takes.

    """

    def __init__(self, port, names, seconds):
        super().__init__(daemon=True)
        self._port, self._names, self._seconds = port, names, seconds
        self._over = threading.Event()
        self.counts = Counter()
        self.failure = None
        self.start()

    def run(self):
        try:
            for name in itertools.cycle(self._names):
                if self._over.is_set():
                    return
                self._attack(name)
        except Exception as failure:
            self.failure = failure

    def _attack(self, name):
        command = [sys.executable, "-m", "benchmarks.attackers.attacks", name, str(self._port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=ROOT, **quiet) as process:
            ends = time.monotonic() + self._seconds
            while process.poll() is None and time.monotonic() < ends and not self._over.wait(0.1):
                pass
            assert process.poll() is None, f"the attacker {name} has ended by itself"
            process.kill()
        self.counts["attacks"] += 1

    def stop(self):
        self._over.set()
        self.join()


def attackers(ports, seconds):
    """Begin to attack each of the servers; all ways take their turn within ``seconds``."""
    shares = [NAMES[number :: len(ports)] for number in range(len(ports))]
    return [
        Attacker(port, share, max(seconds / len(share), 0.5))
        for port, share in zip(ports, shares, strict=True)
    ]
