"""Measures the curves of ``curves.py``, and memory over sockets that come and go."""

from statistics import median

from benchmarks.curves import CURVES, sizes, sizes_of_node, subscribe
from benchmarks.measurement import Measurement
from benchmarks.processes import Failed
from benchmarks.servers import OURS, SERVERS

ROUNDS, SOCKETS, PAUSE = 10, 5000, 1


class Growth(Measurement):
    """Measures curves.

    Its results: of each curve, of each series, pairs of x and the values of all rounds.
    """

    def measure(self, names, rounds):
        """Measure curves by name."""
        for curve in CURVES:
            for number in range(rounds if curve.name in names else 0):
                self._say(f"{curve.title}, round {number + 1} of {rounds}")
                for server in curve.servers:
                    self._curve(curve, server)
        if "churn" in names:
            self._say(f"{SOCKETS} sockets coming and going, {ROUNDS} times")
            self.results["churn"] = self._churn()

    def _curve(self, curve, server):
        try:
            if curve.environ is None:
                self._points(curve, server, curve.points)
                return
            for x in curve.points:
                self._points(curve, server, [x], curve.environ(x))
        except Failed as error:
            self._say(f"  {error}")

    def _points(self, curve, server, points, environ=None):
        with self._running(SERVERS[server], environ=environ) as running_server:
            for x in points:
                self._point(curve, running_server, server, x)

    def _point(self, curve, running_server, server, x):
        measured = {}
        at = sizes_of_node if curve.at is sizes and server != "ours" else curve.at
        for series in at(x):
            key = (series.mode, repr(series.options))
            if key not in measured:
                measured[key] = self._run(running_server, series)
            if measured[key] is not None:
                value = measured[key][series.value] * series.scale
                self._keep(curve, server, series, x, value)

    def _run(self, running_server, series):
        try:
            result = self._load.run(running_server, series.mode, **series.options)
        except Failed as error:
            self._say(f"  {series.title}: {error}")
            return None
        running_server.settle()
        return result

    def _keep(self, curve, server, series, x, value):
        title = series.title if server == "ours" else f"{series.title} ({SERVERS[server].title})"
        points = self.results.setdefault(curve.name, {}).setdefault(title, {})
        points.setdefault(str(x), []).append(value)

    def _churn(self):
        """Return the server's memory, in MB, after each round of sockets."""
        options = {"connections": SOCKETS, "rounds": ROUNDS, "seconds": PAUSE}
        with self._running(OURS) as server:
            result = self._load.run(server, "churn", subscribe=subscribe("room-1"), **options)
        memory = {str(n): [result[f"memory_kb_{n}"] / 1024] for n in range(1, ROUNDS + 1)}
        return {"memory": memory}


def medians(points):
    """Return a series' x and medians, as two lists."""
    return [float(x) for x in points], [median(values) for values in points.values()]
