"""The views for load balancers."""

import pytest
from django.test import Client, override_settings
from django.urls import path

from django_socketio import health
from django_socketio.channels.current import current
from tests.kit.http import get
from tests.kit.waiting import wait_until

urlpatterns = [path("live/", health.live), path("ready/", health.ready)]


@pytest.fixture(autouse=True)
def _urls():
    with override_settings(ROOT_URLCONF=__name__):
        yield


def test_a_server_that_works_is_ready(server):
    assert get(server.port, "/live/") == (200, {"status": "ok"})
    assert get(server.port, "/ready/") == (200, {"status": "ok"})


def test_a_server_that_stops_is_alive_and_not_ready(server):
    server.call(lambda: setattr(current(), "is_stopping", True))
    reason = {"status": "unavailable", "reason": "The server is shutting down"}
    assert get(server.port, "/ready/") == (503, reason)
    assert get(server.port, "/live/") == (200, {"status": "ok"})


def test_a_page_server_is_ready():
    client = Client()
    assert client.get("/ready/").json() == {"status": "ok"}
    assert client.head("/ready/").status_code == 200
    assert client.post("/ready/").status_code == 405
    assert "no-store" in client.get("/live/")["Cache-Control"]


@pytest.mark.redis
def test_a_server_that_does_not_hear_redis_is_not_ready(serve, redis):
    server = serve(RELAY_URL=redis.url, RELAY_TIMEOUT=0.3)
    wait_until(lambda: get(server.port, "/ready/")[0] == 200)
    redis.stop()
    wait_until(lambda: get(server.port, "/ready/")[0] == 503)
    assert get(server.port, "/ready/")[1]["reason"] == "No messages arrive from the relay"
