"""Measures the round trips of a victim beside each attacker."""

import subprocess
import sys
import time

from benchmarks.attackers.attacks import ATTACKS
from benchmarks.load import read
from benchmarks.measurement import Measurement
from benchmarks.processes import LOAD_CORE, Process, on_core
from benchmarks.servers import HERE, SERVERS

BEGIN = 0.5
"""Seconds that an attack takes before the victim comes."""

COMPRESSION = {"BENCH_COMPRESSION": "1000"}


class AttackTable(Measurement):
    """Measures attacks, each on a server of its own.

    Its results: of each attack, what the victim saw in each round.
    """

    def measure(self, names, rounds):
        """Measure attacks by name, round by round."""
        for number in range(rounds):
            for name in names:
                self._say(f"attackers, round {number + 1} of {rounds}: {ATTACKS[name].title}")
                self.results.setdefault(name, []).append(self._measure(name))

    def _measure(self, name):
        environ = COMPRESSION if ATTACKS[name].compressed else {}
        with self._running(SERVERS["ours"], environ=environ) as server:
            (port,) = server.ports
            attacker = [sys.executable, "-m", "benchmarks.attackers.attacks", name, port]
            log = f"{self._folder}/attacker.log"
            with Process(attacker, LOAD_CORE, log, folder=HERE.parent):
                time.sleep(BEGIN)
                return self._victim(port)

    def _victim(self, port):
        """Return what a victim saw."""
        victim = [sys.executable, "-m", "benchmarks.attackers.victim", port, self._load.seconds]
        done = subprocess.run(
            on_core(LOAD_CORE, victim), check=False, capture_output=True, text=True, cwd=HERE.parent
        )
        return read(done.returncode, done.stdout, done.stderr)
