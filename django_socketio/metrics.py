"""The view with the numbers of the server for Prometheus (``django-socketio[metrics]``).

from django_socketio.metrics import metrics

path("metrics/", metrics),
"""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_socketio.channels.current import current
from django_socketio.exceptions import CallTimeout, RelayError
from django_socketio.monitoring.families import COUNTERS, GAUGES, HISTOGRAMS, Family
from django_socketio.monitoring.measures import BOUNDS, Times
from django_socketio.monitoring.neighbours import Neighbours
from django_socketio.monitoring.process import ProcessStats
from django_socketio.monitoring.site import site_stats, stats
from django_socketio.sockets.server import SocketServer

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "django_socketio.metrics needs prometheus_client: pip install 'django-socketio[metrics]'",
        name=missing.name,
    ) from missing


@login_not_required
@never_cache
@require_safe
def metrics(request: HttpRequest, site: bool = False) -> HttpResponse:
    """Answer with the numbers of this process, and of the other workers of its gunicorn.

    The status is 503 if the site is to be asked, and the relay cannot be, or if too many handlers
    wait already.

    Args:
        request: its ``Accept`` chooses the format.
        site: whether to answer for all server processes of the site, which are asked over the
            relay.

    """
    try:
        processes = site_stats()["processes"] if site else _here()
    except (RelayError, CallTimeout) as error:
        return HttpResponse(f"{error}\n", status=503, content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry()
    registry.register(_Collected(processes))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


def _here() -> list[ProcessStats]:
    server = cast(SocketServer | None, current())
    return [stats()] if server is None else server.part(Neighbours).stats()


class _Collected(Collector):
    """The numbers of processes, as Prometheus has them."""

    def __init__(self, processes: list[ProcessStats]) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        """Yield each family of numbers."""
        for family in GAUGES:
            yield self._simple(GaugeMetricFamily, family)
        for family in COUNTERS:
            yield self._simple(CounterMetricFamily, family)
        for family in HISTOGRAMS:
            yield self._histogram(family)

    def _simple(self, kind: Any, family: Family) -> Metric:
        metric: Metric = kind(family.name, family.help, labels=["process", *family.labels])
        for process, labels, value in self._values(family):
            metric.add_metric([process, *labels], value)  # type: ignore[attr-defined]
        return metric

    def _histogram(self, family: Family) -> Metric:
        metric = HistogramMetricFamily(family.name, family.help, labels=["process", *family.labels])
        for process, labels, times in self._values(family):
            metric.add_metric([process, *labels], _buckets(times), times["seconds"])
        return metric

    def _values(self, family: Family) -> Iterator[tuple[str, list[str], Any]]:
        for process in self._processes:
            value = family.value(process)
            if isinstance(value, Mapping) and family.labels:
                yield from ((process["process"], [key], one) for key, one in value.items())
            elif value is not None:
                yield process["process"], [], value


def _buckets(times: Times) -> list[tuple[str, float]]:
    """Return the upper bounds of classes, with how many durations are not longer."""
    bounds, total, found = [*map(str, BOUNDS), "+Inf"], 0, []
    for bound, number in zip(bounds, times["buckets"], strict=True):
        total += number
        found.append((bound, float(total)))
    return found
