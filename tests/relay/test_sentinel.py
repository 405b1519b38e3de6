"""The relay on a Redis that Sentinels watch over."""

import subprocess
import threading

import pytest
import redis

from django_socketio.relay.redis import subscriber
from tests.kit.programs import free_port
from tests.kit.redis_server import answers, program
from tests.kit.tap import Tap
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, B, make_certificate, message, publisher_works
from tests.relay.rights import documented_rights, sentinel_rights


class Guarded:
    """A master, its replica, and a Sentinel with a password and a user.

    Args:
        folder: for the servers' files.
        certificate: has all of them use TLS only; its path and that of its key.

    """

    def __init__(self, folder, certificate=()):
        self._folder = folder
        self._certificate = certificate
        self.port, self.master_port, self._replica_port = (free_port() for _ in range(3))
        self.tap = Tap(self.master_port)
        """The way to the master, as Sentinels name it."""
        self.master = self._start(self.master_port)
        following = ["--replicaof", "127.0.0.1", str(self.tap.port)]
        self.replica = self._start(self._replica_port, *following)
        for client in self.clients():
            with client:
                wait_until(lambda client=client: answers(client))
        with self.client(self.master_port) as client:  # whom a Sentinel asks every ten seconds
            wait_until(lambda: client.info("replication")["connected_slaves"] == 1)
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            "requirepass cret\n"
            f"user watcher {' '.join(sentinel_rights())}\n"
            f"sentinel monitor site 127.0.0.1 {self.tap.port} 1\n"
            "sentinel down-after-milliseconds site 60000\nsentinel failover-timeout site 2000\n"
        )
        watching = [program(), str(configuration), "--sentinel", *self._listening(self.port)]
        self._watcher = subprocess.Popen(watching, stdout=subprocess.DEVNULL)
        wait_until(self._knows_the_replica)

    def clients(self):
        """Return clients of the master and of its replica."""
        return [self.client(port) for port in (self.master_port, self._replica_port)]

    def client(self, port, **options):
        if self._certificate:
            certificate, key = map(str, self._certificate)
            options |= {"ssl_ca_certs": certificate, "ssl_certfile": certificate}
            options |= {"ssl": True, "ssl_keyfile": key}
        return redis.Redis(port=port, host="127.0.0.1", **options)

    def _listening(self, port):
        if not self._certificate:
            return ["--port", str(port)]
        certificate, key = map(str, self._certificate)
        files = ["--tls-cert-file", certificate, "--tls-key-file", key]
        files += ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "yes"]
        return ["--port", "0", "--tls-port", str(port), "--tls-replication", "yes", *files]

    def _start(self, port, *options):
        command = [program(), "--save", "", "--dir", str(self._folder), *self._listening(port)]
        return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)

    def _knows_the_replica(self):
        with self.client(self.port, password="cret") as client:
            try:
                (state,) = client.sentinel_masters().values()
                return state["num-slaves"] == 1
            except (redis.ConnectionError, ValueError):
                return False

    def end_master(self):
        """End the master, and have the Sentinel notice that soon, which it does not before."""
        with self.client(self.port, password="cret") as client:
            client.sentinel_set("site", "down-after-milliseconds", 300)
        end(self.master)

    def restart_master(self):
        self.master = self._start(self.master_port)

    def end(self):
        for process in (self._watcher, self.replica, self.master):
            process.kill()
            process.wait()
        self.tap.close()


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
    guarded.end_master()
    wait_until(lambda: publisher_works(relay, "by the second"))
    inbox.wait_for("by the second")
    wait_until(lambda: publisher_works(other, "of the other site"))
    other_inbox.wait_for("of the other site")
    assert set(other_inbox.messages) == {"of the other site"}
    assert "of the other site" not in inbox.messages


def test_a_replica_that_lacks_the_last_messages_is_told(guarded, new_redis, notice):
    url = f"redis+sentinel://127.0.0.1:{guarded.port}/site?{LOGIN}"
    relay, inbox = new_redis(url=url, timeout=0.5)
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    beside = new_redis(listen=False, url=f"redis://127.0.0.1:{guarded.master_port}")[0]
    assert beside.publish(message("before")) == 1
    inbox.wait_for("before")
    wait_until(lambda: replicated(guarded))
    guarded.tap.mute()  # for the relay, for the replica and for the Sentinel
    assert [beside.publish(message(number)) for number in range(3)] == [1] * 3
    guarded.end_master()
    notice()
    inbox.wait(lambda: len(inbox.lost) == 2)
    wait_until(lambda: publisher_works(relay, "after"))
    inbox.wait_for("after")
    assert (inbox.messages, sorted(inbox.lost)) == (["before", "after"], [A, B])


def replicated(guarded):
    offsets = [client.info("replication")["master_repl_offset"] for client in guarded.clients()]
    return len({*offsets}) == 1


USERS = "chat:password@127.0.0.1:{port}/site/1?sentinel_username=watcher&sentinel_password=password"


def check_failover(guarded, new, url):
    """Check that a user with the documented rights comes from the master to the next one."""
    rights, _ = documented_rights()
    for client in guarded.clients():
        client.execute_command("ACL", "SETUSER", "chat", *rights)
    relay, inbox = new(url=url)
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("by the first")) == 1
    inbox.wait_for("by the first")
    guarded.end_master()
    wait_until(lambda: publisher_works(relay, "by the second"))
    inbox.wait_for("by the second")
    assert guarded.clients()[1].acl_log() == []


def test_users_with_the_documented_rights_come_to_the_next_master(guarded, new_redis):
    check_failover(guarded, new_redis, f"redis+sentinel://{USERS.format(port=guarded.port)}")
    with guarded.client(guarded.port, password="cret") as sentinel:
        assert sentinel.acl_log() == []


@pytest.mark.needs("tls")
def test_sentinels_and_redis_with_tls_see_the_certificate_of_the_relay(tmp_path, new_redis):
    certificate, key = make_certificate(tmp_path)
    guarded = Guarded(tmp_path, (certificate, key))
    files = f"ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={key}"
    try:
        url = f"rediss+sentinel://{USERS.format(port=guarded.port)}&{files}"
        check_failover(guarded, new_redis, url)
    finally:
        guarded.end()


def publish_from_threads(relay):
    """Publish from more threads than the relay has connections: they wait for one another."""
    threads = [threading.Thread(target=relay.publish, args=(message(n),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_long_outage_uses_up_no_connections(guarded, new_redis, monkeypatch):
    attempts = []
    connection = subscriber.separate_connection
    monkeypatch.setattr(subscriber, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(subscriber, "LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(
        subscriber, "separate_connection", lambda client: attempts.append(1) or connection(client)
    )
    relay, inbox = new_redis(url=f"redis+sentinel://127.0.0.1:{guarded.port}/site?{LOGIN}")
    relay.subscribe(A, inbox.deliver)
    end(guarded.replica)  # nothing takes the master's place
    guarded.end_master()
    wait_until(lambda: len(attempts) > 150)
    guarded.restart_master()
    wait_until(lambda: relay.status()["alive"])
    assert relay.publish(message("again")) == 1
    inbox.wait_for("again")
