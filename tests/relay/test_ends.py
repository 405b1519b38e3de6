"""Ends of sockets and of connections, whatever the relay's connections are good for."""

import signal
import threading
import time

import pytest
import redis

from django_socketio.events import on_finish
from django_socketio.relay.redis import subscriber
from django_socketio.relay.redis.client import separate_connection
from django_socketio.relay.topics import channel_topic
from tests.kit.clients import WebSocketClient, join
from tests.kit.http import get
from tests.kit.servers import Gunicorn
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, B, message


def test_a_worker_whose_connections_are_checked_serves_and_stops(redis_server):
    url = f"{redis_server.url}?health_check_interval=1&client_name=chat&db=2"
    environ = {"TEST_RELAY_URL": url, "DJANGO_SETTINGS_MODULE": "tests.relay.site.settings"}
    site = Gunicorn(**environ)
    try:
        first = join(site, "a")
        time.sleep(1.1)  # until checks are due
        second = join(site, "a")
        assert get(site.port, "/push/a/hello/")[1]["told"] == 1
        assert [first.event(), second.event()] == [["message", "hello"]] * 2
        time.sleep(1.1)
        first.close()
        begun = time.monotonic()
        site.signal(signal.SIGTERM)
        assert site.wait() == 0
    finally:
        site.end()
    assert time.monotonic() - begun < 10
    assert "Traceback" not in site.output
    assert "The relay is lost" not in site.output


def test_a_worker_stops_while_redis_hangs_and_more_is_left_than_can_be_written(redis_server):
    environ = {"TEST_RELAY_URL": redis_server.url}
    site = Gunicorn(DJANGO_SETTINGS_MODULE="tests.relay.site.settings", **environ)
    try:
        for number in range(25):
            client = join(site, "a")
            for other in range(20):
                assert client.subscribe(f"{number}-{other}") is True
        redis_server.pause()
        begun = time.monotonic()
        site.signal(signal.SIGTERM)
        assert site.wait() == 0
    finally:
        site.end()
    assert time.monotonic() - begun < 10
    # The buffer of the socket to Redis was full, or else this has shown nothing.
    assert site.output.count("The relay is lost: Timeout writing to socket") == 1
    assert "Traceback" not in site.output
    assert "did not end" not in site.output


def fail(*args):
    raise AssertionError("This socket is already used by another greenlet")


def test_a_socket_ends_though_the_relay_cannot_unsubscribe(
    redis_server, serve, monkeypatch, caplog
):
    finished = []

    @on_finish
    def note(request, socket, context):
        finished.append(socket.channels)

    server = serve(RELAY_URL=redis_server.url)
    process = server.socket_server
    leaving, staying = join(server, "a"), join(server, "a")
    monkeypatch.setattr(process.relay, "unsubscribe", fail)
    assert leaving.subscribe("own") is True
    leaving.close()
    wait_until(lambda: len(process.open_sockets) == 1)
    assert finished == [["a", "own"]]
    channels = process.channels
    assert channels.members(channel_topic("/", "own")) == []
    assert len(channels.members(A)) == 1
    staying.close()
    server.stop()
    assert "did not end" not in caplog.text
    assert finished == [["a", "own"], ["a"]]


def test_a_client_is_refused_where_its_socket_cannot_be_reached(redis_server, serve, monkeypatch):
    server = serve(RELAY_URL=redis_server.url)
    monkeypatch.setattr(server.socket_server.relay, "subscribe_all", fail)
    client = WebSocketClient(server.port)
    client.send("40")
    assert client.receive() == '44{"message":"Internal error"}'
    wait_until(lambda: len(server.socket_server.open_sockets) == 0)
    assert len(server.socket_server.channels) == 0


class Broken:
    """A connection that cannot be written to, and reads as before."""

    def __init__(self, connection, error):
        self._connection, self._error = connection, error

    def send_command(self, *args, **options):
        raise self._error

    def __getattr__(self, name):
        return getattr(self._connection, name)


@pytest.mark.parametrize("error", [OSError("broken"), ValueError("closed"), AssertionError("used")])
def test_a_listening_connection_that_cannot_be_written_to_is_made_anew(
    redis_server, new_redis, error
):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    relay._subscriber._connection = Broken(relay._subscriber._connection, error)
    relay.subscribe(B, inbox.deliver)
    wait_until(lambda: relay.status() == {"alive": True, "deaf_since": None, "reconnects": 1})
    for topic in (A, B):
        assert relay.publish(message(str(topic), topic)) == 1
        inbox.wait_for(str(topic))
    relay._subscriber._connection = Broken(relay._subscriber._connection, error)
    relay.unsubscribe(B)
    wait_until(lambda: relay.status()["reconnects"] == 2)
    wait_until(lambda: relay.status()["alive"])
    assert relay.publish(message("nobody", B)) == 0
    assert relay.publish(message("again")) == 1
    inbox.wait_for("again")


def test_a_connection_that_fails_before_it_is_subscribed_is_closed_at_once(
    redis_server, new_redis, monkeypatch
):
    def fail(connection):
        raise redis.ConnectionError("no answer to INFO")

    monkeypatch.setattr(subscriber, "identity", fail)
    monkeypatch.setattr(subscriber, "FIRST_PAUSE", 3600)  # no other attempt closes the last one
    relay, _ = new_redis(listen=False)
    relay.listen()
    wait_until(lambda: relay.status()["deaf_since"] is not None)
    wait_until(lambda: len(redis_server.client.client_list()) == 1)  # that of this test


def test_a_health_check_that_is_under_way_at_the_end_fails_without_a_traceback(
    redis_server, new_redis, monkeypatch
):
    failed = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    relay, _ = new_redis(timeout=1)
    redis_server.pause()
    check = threading.Thread(target=relay._subscriber._health.send)
    check.start()
    time.sleep(0.2)  # until it waits for the answer of Redis
    relay.close()
    check.join()
    assert failed == []


def test_a_listening_connection_never_connects_again_by_itself(redis_server, new_redis):
    relay, _ = new_redis(listen=False)
    connection = separate_connection(relay._publisher._client)
    connection.connect()
    connection.disconnect()
    with pytest.raises(redis.ConnectionError, match="closed"):
        connection.send_command("SUBSCRIBE", "a")
    with pytest.raises(redis.ConnectionError, match="closed"):
        connection.can_read()
