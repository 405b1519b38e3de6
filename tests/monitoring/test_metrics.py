"""The view for Prometheus."""

import sys
from importlib import import_module

import pytest
from django.test import Client, override_settings
from django.urls import include, path
from prometheus_client.parser import text_string_to_metric_families

from django_socketio.events import on_event
from django_socketio.metrics import metrics
from django_socketio.monitoring.families import COUNTERS, GAUGES, HISTOGRAMS
from tests.kit.clients import join
from tests.kit.http import exchange
from tests.kit.metrics import samples_of

urlpatterns = [
    path("metrics/", metrics),
    path("metrics/site/", metrics, {"site": True}),
    path("", include("django_socketio.urls")),
]


@pytest.fixture(autouse=True)
def _urls():
    with override_settings(ROOT_URLCONF=__name__):
        yield


def test_a_server_tells_its_numbers(serve):
    @on_event("double")
    def double(request, socket, context, text):
        return text * 2

    server = serve(METRICS=True)
    client = join(server)
    client.ask("double", "x")
    for address in ("/metrics/", "/metrics/site/"):
        status, body = exchange(server.port, "GET", address)
        assert status == 200
        samples = samples_of(body)
        assert samples["django_socketio_sockets"] == {("/",): 1}
        assert samples["django_socketio_connections"] == {("websocket",): 1}
        (name,) = [key for key in samples["django_socketio_handler_seconds_count"]]
        assert name[0].endswith("double")
        assert samples["django_socketio_messages_received_total"] == {(): 2}
        assert samples["django_socketio_relay_up"] == {(): 1}


def test_what_is_not_measured_is_not_told(server):
    _, body = exchange(server.port, "GET", "/metrics/")
    samples = samples_of(body)
    assert "django_socketio_messages_received_total" not in samples
    assert samples["django_socketio_max_descriptors"][()] > 100


def test_every_name_is_unique_and_explained():
    families = [*GAUGES, *COUNTERS, *HISTOGRAMS]
    assert len({family.name for family in families}) == len(families) > 25
    assert all(family.help.endswith(".") for family in families)


def test_the_format_is_what_the_request_accepts():
    client = Client()
    plain = client.get("/metrics/")
    assert plain["Content-Type"].startswith("text/plain")
    assert list(text_string_to_metric_families(plain.text))
    openmetrics = client.get("/metrics/", headers={"Accept": "application/openmetrics-text"})
    assert openmetrics["Content-Type"].startswith("application/openmetrics-text")
    assert client.post("/metrics/").status_code == 405
    assert "no-store" in plain["Cache-Control"]


def test_a_site_that_cannot_be_asked_is_a_503_that_says_so():
    answer = Client().get("/metrics/site/")  # this process has no server, and no relay
    assert answer.status_code == 503
    assert answer["Content-Type"].startswith("text/plain")
    assert "SOCKETIO_RELAY_URL" in answer.text


def test_a_site_that_cannot_be_asked_while_handlers_wait_is_a_503_as_well(serve):
    @on_event("ask")
    def ask(request, socket, context):
        return socket.call("question")

    server = serve(MAX_WAITING_CALLS=1)
    client = join(server)
    client.emit("ask", id=1)
    assert '"question"' in client.receive()
    status, body = exchange(server.port, "GET", "/metrics/site/")
    assert status == 503
    assert "SOCKETIO_MAX_WAITING_CALLS" in body


def test_a_missing_prometheus_client_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "django_socketio.metrics")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'django-socketio\[metrics\]'"):
        import_module("django_socketio.metrics")
