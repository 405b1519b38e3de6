"""A relay's URL that leads to a Redis of another kind than its scheme names."""

import subprocess

import pytest
import redis

from django_socketio import RelayError
from tests.kit.programs import free_port
from tests.kit.redis_server import answers, program
from tests.kit.waiting import wait_until
from tests.relay.conftest import A, message, publisher_works, relays_at


def check_told(url, told, caplog):
    """Check that the log and the publisher's error name the server and the scheme to write."""
    with relays_at(url, timeout=1) as new:
        relay, _ = new(listen=False)
        for _ in range(2):
            with pytest.raises(RelayError, match=told):
                relay.publish(message("m"))
        relay.listen()
        wait_until(lambda: "trying to connect again" in caplog.text)
        relay.subscribe(A, lambda delivery: 1)
        assert relay.status()["alive"] is False
        with pytest.raises(RelayError, match=told):
            relay.publish(message("m"))
    (line,) = [line for line in caplog.messages if "trying to connect again" in line]
    assert line.startswith("The relay is lost: ")
    assert "Traceback" not in caplog.text


def told(address, what, scheme):
    return rf"{address} is {what}: write {scheme}".replace("+", r"\+")


@pytest.mark.needs("shards")
def test_a_node_of_a_cluster_is_told(cluster, caplog):
    address = f"127.0.0.1:{cluster.nodes[0].port}"
    is_told = told(address, "a node of a Redis Cluster", "redis+cluster://")
    check_told(f"redis://{address}", is_told, caplog)


@pytest.fixture
def port(redis_server):
    """The port of a single Redis."""
    port = free_port()
    redis_server.client.config_set("port", str(port))
    return port


def test_a_single_redis_is_no_cluster(port, caplog):
    url = f"redis+cluster://127.0.0.1:{port}"
    check_told(url, told(f"127.0.0.1:{port}", "a single Redis", "redis://"), caplog)


def test_a_single_redis_is_no_sentinel(port, caplog):
    url = f"redis+sentinel://127.0.0.1:{port}/site"
    check_told(url, told(f"127.0.0.1:{port}", "a single Redis", "redis://"), caplog)


@pytest.fixture
def sentinel(tmp_path):
    """The port of a Sentinel."""
    port, configuration = free_port(), tmp_path / "sentinel.conf"
    configuration.write_text("")
    command = [program(), str(configuration), "--sentinel", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with redis.Redis(port=port) as client:
        wait_until(lambda: answers(client))
    yield port
    process.kill()
    process.wait()


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_a_sentinel_is_told(sentinel, scheme, caplog):
    url = f"{scheme}://127.0.0.1:{sentinel}"
    check_told(url, told(f"127.0.0.1:{sentinel}", "a Sentinel", "redis+sentinel://"), caplog)


def test_a_replica_is_told_and_used_once_it_is_a_primary(redis_server, new_redis, caplog):
    redis_server.client.replicaof("127.0.0.1", free_port())
    told = f"{redis_server.url.removeprefix('unix://')} is a replica"
    check_told(redis_server.url, told, caplog)
    relay, inbox = new_redis(listen=False)
    relay.listen()
    relay.subscribe(A, inbox.deliver)
    redis_server.client.replicaof("NO", "ONE")
    wait_until(lambda: relay.status()["alive"])
    wait_until(lambda: publisher_works(relay, "m"))
    inbox.wait_for("m")


def test_a_user_that_may_not_ask_for_the_kind_of_server_is_served(redis_server, new_redis):
    redis_server.client.execute_command("ACL SETUSER chat on >cret ~* &* +@all -hello")
    relay, inbox = new_redis(url=redis_server.url.replace("//", "//chat:cret@"))
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("m")) == 1
    inbox.wait_for("m")
