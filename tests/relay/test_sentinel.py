"""The relay on a Redis that Sentinels watch over."""

import subprocess
import threading

import pytest
import redis

from django_socketio.relay.redis import subscriber
from tests.kit.programs import free_port
from tests.kit.redis_server import program
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, message, publisher_works


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


class Guarded:
    """A master, its replica, and a Sentinel with a password."""

    def __init__(self, folder):
        self._folder = folder
        self.port, self._master_port, replica_port = (free_port() for _ in range(3))
        self.master = self._start("--port", str(self._master_port))
        following = ["--replicaof", "127.0.0.1", str(self._master_port)]
        self.replica = self._start("--port", str(replica_port), *following)
        for port in (self._master_port, replica_port):
            with redis.Redis(port=port) as client:
                wait_until(lambda client=client: answers(client))
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"port {self.port}\nrequirepass cret\n"
            f"sentinel monitor site 127.0.0.1 {self._master_port} 1\n"
            "sentinel down-after-milliseconds site 300\nsentinel failover-timeout site 2000\n"
        )
        self._watcher = subprocess.Popen(
            [program(), str(configuration), "--sentinel"], stdout=subprocess.DEVNULL
        )
        wait_until(self._knows_the_replica)

    def _start(self, *options):
        command = [program(), "--save", "", "--dir", str(self._folder), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def _knows_the_replica(self):
        with redis.Redis(port=self.port, password="cret") as client:
            try:
                (state,) = client.sentinel_masters().values()
                return state["num-slaves"] == 1
            except (redis.ConnectionError, ValueError):
                return False

    def restart_master(self):
        self.master = self._start("--port", str(self._master_port))

    def end(self):
        for process in (self._watcher, self.replica, self.master):
            process.kill()
            process.wait()


def end(process):
    process.kill()
    process.wait()


@pytest.fixture
def guarded(tmp_path):
    guarded = Guarded(tmp_path)
    yield guarded
    guarded.end()


LOGIN = "sentinel_username=default&sentinel_password=cret"
OPTIONS = "max_connections=2&client_name=chat&health_check_interval=1&socket_keepalive=yes"


def test_sentinels_lead_to_the_master_and_to_the_next_one(guarded, new_redis):
    url = f"redis+sentinel://127.0.0.1:{guarded.port}/site"
    relay, inbox = new_redis(url=f"{url}/1?{LOGIN}&{OPTIONS}")
    other, other_inbox = new_redis(url=f"{url}?db=2&{LOGIN}")
    for one, its_inbox in ((relay, inbox), (other, other_inbox)):
        one.subscribe(A, its_inbox.deliver)
    assert relay.publish(message("by the first")) == 1
    inbox.wait_for("by the first")
    publish_from_threads(relay)
    inbox.wait(lambda: len(inbox.envelopes) == 21)
    end(guarded.master)
    wait_until(lambda: publisher_works(relay, "by the second"))
    inbox.wait_for("by the second")
    wait_until(lambda: publisher_works(other, "of the other site"))
    other_inbox.wait_for("of the other site")
    assert set(other_inbox.messages) == {"of the other site"}
    assert "of the other site" not in inbox.messages


def publish_from_threads(relay):
    """Publish from more threads than the relay has connections: they wait for one another."""
    threads = [threading.Thread(target=relay.publish, args=(message(n),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_long_outage_uses_up_no_connections(guarded, new_redis, monkeypatch):
    attempts = []
    connection = subscriber.listening_connection
    monkeypatch.setattr(subscriber, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(subscriber, "LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(
        subscriber, "listening_connection", lambda client: attempts.append(1) or connection(client)
    )
    relay, inbox = new_redis(url=f"redis+sentinel://127.0.0.1:{guarded.port}/site?{LOGIN}")
    relay.subscribe(A, inbox.deliver)
    end(guarded.replica)  # nothing takes the master's place
    end(guarded.master)
    wait_until(lambda: len(attempts) > 150)
    guarded.restart_master()
    wait_until(lambda: relay.status()["alive"])
    assert relay.publish(message("again")) == 1
    inbox.wait_for("again")
