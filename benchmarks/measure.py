"""The main table's rounds: every server once, then all again, so that noise hits all alike."""

from statistics import median

from benchmarks.lines import RUNS, runs_for
from benchmarks.measurement import Measurement
from benchmarks.processes import Failed
from benchmarks.servers import CEILING, SERVERS

LARGEST = "fan-out-5000"
FULL = 16
"""Messages in flight that keep the generator busy: it is its ceiling that is looked for."""
BUSY = 0.9
"""A server is not asked for a pace above this share of its own peak."""


class Table(Measurement):
    """Measures lines for servers.

    Its results: of each server, of each run, what the generator measured in each round.
    """

    def measure(self, servers, lines, rounds):
        """Measure all lines for all servers, round by round."""
        for number in range(rounds):
            for name in servers:
                self.results.setdefault(name, {})
                self._say(f"round {number + 1} of {rounds}: {SERVERS[name].title}")
                for runs in self._by_process(name, self._runs_of(name, lines)):
                    self._measure_server(name, runs)

    def _by_process(self, name, runs):
        """Yield the runs that one process serves: none after 5,000 sockets of another run."""
        slow = SERVERS[name].slow
        if LARGEST in runs and not (slow and LARGEST in self.results[name]):
            yield [LARGEST]
        others = [run for run in runs if run != LARGEST]
        if others:
            yield from ([run] for run in others) if slow else [others]

    def _runs_of(self, name, lines):
        if SERVERS[name].only:
            lines = [line for line in lines if line.name == SERVERS[name].only]
        elif name == CEILING:
            lines = [line for line in lines if line.name != "memory"]
        return runs_for(lines)

    def _measure_server(self, name, runs):
        try:
            with self._running(SERVERS[name]) as server:
                for run in runs:
                    self._try(name, server, run)
        except Failed as error:
            self._say(f"  {error}")

    def _try(self, name, server, run):
        try:
            result = self._run(name, server, run)
        except Failed as error:
            self._say(f"  {run}: {error}")
            return
        if result is not None:
            self.results[name].setdefault(run, []).append(result)

    def _run(self, name, server, run):
        mode, options = RUNS[run]
        options = dict(options)
        if run.startswith("paced"):
            rate = self._pace(name, run)
            if rate is None:
                return None
            options["rate"] = rate
        if name == CEILING and "in_flight" in options:
            options["in_flight"] = FULL
        channel = options.pop("channel", None)
        if channel is not None:
            options["subscribe"] = server.dialect.subscription(channel)
        result = self._load.run(server, mode, **options)
        server.settle()
        return result

    def _pace(self, name, run):
        """Return messages a second: half of a peak; None where the server could not keep it."""
        own = self._peak(name)
        whose = own if run == "paced-own" else self._peak("node")
        if own is None or whose is None or whose / 2 > BUSY * own:
            return None
        return whose / 2 / RUNS[run][1]["connections"]

    def _peak(self, name):
        rates = [result["rate"] for result in self.results.get(name, {}).get("fan-out", [])]
        return median(rates) if rates else None
