"""Options of the relay's URL and numbers of databases, with real servers of Redis."""

import re
import shutil
import subprocess
import time
from importlib import import_module
from pkgutil import walk_packages
from urllib.parse import quote

import pytest

from django_socketio import RelayError
from django_socketio import relay as relay_room
from django_socketio.relay import wire
from django_socketio.relay.redis.lost_answers import Break
from django_socketio.relay.redis.options import USABLE
from django_socketio.relay.roster import Hold, Presence
from django_socketio.relay.topics import channel_topic, presence_topic
from tests.kit.programs import free_port
from tests.kit.redis_server import RedisServer
from tests.kit.waiting import wait_until
from tests.relay.conftest import (
    A,
    B,
    Stream,
    each_server,
    each_sharded,
    make_certificate,
    message,
    publisher_works,
    relays_at,
)
from tests.relay.rights import documented_rights

# Sites in several databases of one Redis


@each_server
def test_sites_in_other_databases_do_not_meet(redis_server, new_redis):
    sites = [new_redis(url=f"{redis_server.url}?db={number}") for number in (0, 1, 2, 12)]
    for relay, inbox in sites:
        relay.subscribe(A, inbox.deliver)
    for count in range(3):
        for number, (relay, _) in enumerate(sites):
            assert relay.publish(message((number, count))) == 1
    for number, (relay, inbox) in enumerate(sites):
        inbox.wait_for([number, 2])
        assert inbox.messages == [[number, count] for count in range(3)]
        assert inbox.lost == []
        assert relay.status() == {"alive": True, "deaf_since": None, "reconnects": 0}


@each_server
def test_nobody_in_one_database_is_nobody_though_another_has_somebody(redis_server, new_redis):
    relay, inbox = new_redis(url=f"{redis_server.url}?db=1")
    relay.subscribe(A, inbox.deliver)
    other, _ = new_redis(url=f"{redis_server.url}?db=2", listen=False)
    assert other.publish(message("m")) == 0
    assert relay.publish(message("own")) == 1
    inbox.wait_for("own")
    assert inbox.messages == ["own"]


def test_a_site_in_a_database_of_its_own_loses_nothing_over_broken_connections(
    redis_server, new_redis
):
    relay, inbox = new_redis(url=f"{redis_server.url}?db=3")
    relay.subscribe(A, inbox.deliver)
    stream = Stream(new_redis(url=f"{redis_server.url}?db=3", listen=False)[0])
    for _ in range(2):
        stream.go_on()
        redis_server.kill_connections()
        wait_until(lambda: relay.status()["alive"])
    stream.go_on()
    stream.stop()
    inbox.wait_for(stream.accepted[-1])
    assert (inbox.messages, inbox.lost) == (stream.accepted, [])


# Options


def check_relay(server, new, **options):
    """Check that a relay publishes, hears, and comes back after its connections broke."""
    relay, inbox = new(**options)
    relay.subscribe(A, inbox.deliver)
    assert relay.publish(message("first")) == 1
    inbox.wait_for("first")
    server.kill_connections()
    wait_until(lambda: relay.status()["reconnects"] > 0 and relay.status()["alive"])
    wait_until(lambda: publisher_works(relay, "second"))
    inbox.wait_for("second")
    relay.unsubscribe(A)
    wait_until(lambda: relay.publish(message("nobody")) == 0)
    assert inbox.messages == ["first", "second"]


PLAIN = {
    "client_name": "client_name=chat",
    "db": "db=4",
    "health_check_interval": "health_check_interval=1",
    "max_connections": "max_connections=1",
    "password": "username=me&password=cret",
    "protocol": "protocol=2",
    "socket_keepalive": "socket_keepalive=yes",
    "socket_read_size": "socket_read_size=16",
    "username": "username=me&password=cret",
}
"""Options for any Redis, and queries that have them."""

CASES = [("redis", name) for name in PLAIN]
CASES += [("unix", name) for name in PLAIN if name != "socket_keepalive"]


@pytest.fixture
def addresses(redis_server):
    """Where a Redis is: on its Unix socket, and on a port."""
    port = free_port()
    redis_server.client.config_set("port", str(port))
    redis_server.client.execute_command("ACL SETUSER me on >cret ~* &* +@all")
    return {"unix": redis_server.url, "redis": f"redis://127.0.0.1:{port}"}


@pytest.mark.parametrize(("scheme", "name"), CASES)
def test_an_option_that_can_be_used_works(redis_server, addresses, new_redis, scheme, name):
    check_relay(redis_server, new_redis, url=f"{addresses[scheme]}?{PLAIN[name]}")


def test_clients_have_the_name_that_the_url_gives_them(redis_server, new_redis):
    relay, _ = new_redis(url=f"{redis_server.url}?client_name=chat")
    relay.publish(message("m"))
    names = [client["name"] for client in redis_server.client.client_list()]
    assert names.count("chat") == 2  # one that listens, one that publishes


def test_health_checks_of_a_redis_that_hangs_are_errors_of_the_relay(redis_server, new_redis):
    relay, inbox = new_redis(url=f"{redis_server.url}?health_check_interval=1", timeout=0.4)
    relay.subscribe(A, inbox.deliver)
    wait_until(lambda: publisher_works(relay, "before"))
    time.sleep(1.1)  # until a check is due
    redis_server.pause()
    with pytest.raises(RelayError):
        relay.publish(message("failed"))
    redis_server.resume()
    wait_until(lambda: publisher_works(relay, "after"))
    inbox.wait_for("after")
    assert "failed" not in inbox.messages


TLS = {
    "ssl_ca_certs": "ssl_ca_certs={certificate}",
    "ssl_ca_data": "ssl_ca_data={text}",
    "ssl_ca_path": "ssl_ca_path={folder}",
    "ssl_cert_reqs": "ssl_cert_reqs=none",
    "ssl_certfile": "ssl_cert_reqs=none&ssl_certfile={certificate}&ssl_keyfile={key}",
    "ssl_check_hostname": "ssl_ca_certs={certificate}&ssl_check_hostname=no",
    "ssl_ciphers": "ssl_cert_reqs=none&ssl_ciphers=HIGH",
    "ssl_exclude_verify_flags": (
        "ssl_ca_certs={certificate}&ssl_exclude_verify_flags=VERIFY_X509_STRICT"
    ),
    "ssl_include_verify_flags": (
        "ssl_ca_certs={certificate}&ssl_include_verify_flags=VERIFY_X509_PARTIAL_CHAIN"
    ),
    "ssl_keyfile": "ssl_cert_reqs=none&ssl_certfile={certificate}&ssl_keyfile={key}",
    "ssl_min_version": "ssl_cert_reqs=none&ssl_min_version=772",
    "ssl_password": (
        "ssl_cert_reqs=none&ssl_certfile={certificate}&ssl_keyfile={locked}&ssl_password=cret"
    ),
}
"""Options of TLS, and queries that have them."""


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """A Redis with TLS; what queries refer to; and its port."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    locked = folder / "locked.pem"
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:cret", "-out", locked)
    known = folder / "known"
    known.mkdir()
    shutil.copy(certificate, known)
    openssl("rehash", known)
    port = free_port()
    files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file"]
    options = ["--tls-port", str(port), "--tls-auth-clients", "optional", *files, certificate]
    given = {"certificate": certificate, "key": key, "locked": locked, "folder": known}
    with RedisServer(folder, options=options) as server:
        yield server, {**given, "text": quote(certificate.read_text())}, port


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.mark.needs("tls")
@pytest.mark.parametrize("name", TLS)
def test_an_option_of_tls_works(encrypted, name):
    server, given, port = encrypted
    host = "localhost" if name == "ssl_check_hostname" else "127.0.0.1"  # it is not named so
    url = f"rediss://{host}:{port}?{TLS[name].format(**given)}"
    with relays_at(url, prefix=name) as new:  # Redis may not know yet that other relays have gone
        check_relay(server, new)


@pytest.mark.needs("tls")
def test_channels_come_and_go_on_a_connection_with_tls_while_messages_come(encrypted):
    """OpenSSL reads and writes a connection for one thread at a time only."""
    _, _, port = encrypted
    with relays_at(f"rediss://127.0.0.1:{port}?ssl_cert_reqs=none", prefix="together") as new:
        relay, inbox = new()
        relay.subscribe(A, inbox.deliver)
        stream = Stream(relay)
        for number in range(2000):
            topic = channel_topic("/", f"room-{number}")
            relay.subscribe(topic, inbox.deliver)
            relay.unsubscribe(topic)
        stream.stop()
        inbox.wait_for(stream.accepted[-1])
        assert (inbox.messages, inbox.lost) == (stream.accepted, [])
        assert relay.status() == {"alive": True, "deaf_since": None, "reconnects": 0}


@pytest.mark.needs("tls")
def test_a_certificate_that_is_not_known_is_told(encrypted):
    _, _, port = encrypted
    with relays_at(f"rediss://127.0.0.1:{port}", timeout=10) as new:
        relay, _ = new(listen=False)
        with pytest.raises(RelayError, match="self-signed certificate"):
            relay.publish(message("m"))


def test_every_option_is_tried():
    by_sentinels = {"sentinel_username", "sentinel_password"}  # tests/relay/test_sentinel.py
    assert {*USABLE} == {*PLAIN} | {*TLS} | by_sentinels


# Users of an ACL


@each_server
def test_a_user_with_the_documented_rights_can_all_that_a_relay_does(redis_server, new_redis):
    rights, _ = documented_rights()
    redis_server.client.execute_command("ACL", "SETUSER", "chat", "on", *rights)
    url = redis_server.url.replace("//", "//chat:password@")
    check_relay(redis_server, new_redis, url=f"{url}?db=1")
    # A publisher that asks whether a message whose answer was lost has been taken, and a hole.
    relay, inbox = new_redis(url=url)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("kept"))
    assert wire.encode(inbox_envelope(inbox)) in relay._publisher._search._newest(A, Break(), 0)
    assert len(relay._log.entries(A, 0)) == 1
    keyed = [message("keyed", topic, once="1") for topic in (A, A, B, B)]
    batch = [message(1), message(2, A, B)]
    assert relay.publish_all([*keyed, *batch]) == [1, 1, 0, 0, 1, 1]
    inbox.wait_for(2)
    assert relay.read(A).is_complete and relay.position(A).offset == 4
    # Other data in Redis, twice without a message in between.
    for _ in range(2):
        redis_server.client.hset(relay._keyspace.keys(A)[0], "data", "other")
        assert relay.keep(A, 20).offset > 1_000_000
    log = redis_server.client.acl_log()
    assert log == []


def inbox_envelope(inbox):
    inbox.wait(lambda: inbox.envelopes)
    return inbox.envelopes[0]


def publish_past_the_bytes_of_a_log(url, new, *topics):
    """Have the script cut a log, drop a whole log, and drop messages that several logs share."""
    relay, inbox = new(url=url, log_bytes=3000)
    for topic in topics:
        relay.subscribe(topic, inbox.deliver)
    texts = [f"{number}" * 400 for number in range(10)]
    shared = [f"{number}" * 600 for number in range(10)]
    for text in texts:
        relay.publish(message(text, topics[0]))
    for text in [*shared, "big" * 1000]:
        relay.publish(message(text, *topics))
    inbox.wait_for("big" * 1000)
    assert (inbox.messages, inbox.lost) == ([*texts, *shared, "big" * 1000], [])
    for topic in topics:
        assert len(relay._log.entries(topic, 0)) == 1


@each_server
def test_a_user_with_the_documented_rights_publishes_past_the_bytes_of_a_log(
    redis_server, new_redis
):
    rights, _ = documented_rights()
    redis_server.client.execute_command("ACL", "SETUSER", "chat", "on", *rights)
    url = redis_server.url.replace("//", "//chat:password@")
    publish_past_the_bytes_of_a_log(url, new_redis, A, B)
    assert redis_server.client.acl_log() == []


def use_rosters(relay):
    """Do all that rosters can do: note people, read them, and remove those of a process."""
    room, rosters = presence_topic("/", "room"), relay.rosters
    rosters.renew("p1", is_new=True)
    rosters.note("p1", [room])
    rosters.hold("p1", [Hold(room, "ann", Presence.ONLINE), Hold(room, "bob", Presence.AWAY)])
    rosters.prolong("p1", [room])
    assert (rosters.count(room), len(rosters.read(room).people)) == (2, 2)
    assert (rosters.topics_of("p1"), len(rosters.people_of("p1", room))) == ([room], 2)
    rosters.hold("p1", [Hold(room, "ann", Presence.GONE)])
    rosters.leave("p1")
    rosters.note_left("p1", [room])
    rosters.forget("p1")


@each_server
def test_a_user_with_the_documented_rights_notes_people(redis_server, new_redis):
    rights, _ = documented_rights()
    redis_server.client.execute_command("ACL", "SETUSER", "chat", "on", *rights)
    relay, _ = new_redis(url=redis_server.url.replace("//", "//chat:password@"), listen=False)
    use_rosters(relay)
    assert redis_server.client.acl_log() == []


def scripts_of_relays():
    """Return all scripts, which are constants of modules."""
    modules = walk_packages(relay_room.__path__, f"{relay_room.__name__}.")
    constants = [value for one in modules for value in vars(import_module(one.name)).values()]
    return [one for one in constants if isinstance(one, str) and "redis.call" in one]


def test_all_commands_of_the_scripts_are_documented_rights(shared_servers, server_name):
    words = re.findall(r"'([A-Z]+)'", "".join(scripts_of_relays()))
    commands = {*map(str.lower, words)} & {*shared_servers(server_name).client.command()}
    rights, for_clusters = documented_rights()
    granted = {right.lstrip("+").partition("|")[0] for right in (*rights, *for_clusters)}
    assert {"xadd", "xtrim", "pubsub", "hexists", "sadd", "xrevrange"} <= commands <= granted


@each_sharded
@pytest.mark.needs("shards")
def test_a_user_with_the_documented_rights_can_use_a_cluster(cluster):
    one, more = documented_rights()
    rights = [right.replace("socketio", "rights") for right in (*one, *more)]
    cluster.run("ACL", "SETUSER", "chat", "on", *rights)
    url = cluster.url.replace("//", "//chat:password@")
    with relays_at(url, prefix="rights") as new:
        relay, inbox = new()
        relay.subscribe(A, inbox.deliver)
        stream = Stream(relay)
        for _ in range(2):
            stream.go_on(20)
            name = relay._keyspace.channel(A)
            source = cluster.node_of(name)
            cluster.move_slot(name, next(node for node in cluster.nodes if node is not source))
        stream.go_on(20)
        stream.stop()
        inbox.wait_for(stream.accepted[-1])
        assert (inbox.messages, inbox.lost) == (stream.accepted, [])
        relay.publish_all([message("last", once="1"), message("last"), message("last")])
        use_rosters(relay)
        relay.unsubscribe(A)
        wait_until(lambda: relay.publish(message("nobody")) == 0)
        publish_past_the_bytes_of_a_log(url, new, A, B)
    for node in cluster.nodes:
        assert node.client.acl_log() == []
