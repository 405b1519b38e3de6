"""Messages signed by SECRET_KEY: what others write into Redis is not believed."""

import time
from types import SimpleNamespace

import pytest
from django.test import override_settings

from django_socketio import conf
from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.redis.relay import RedisRelay
from django_socketio.relay.signing import SKEW, Signing, derived_key
from django_socketio.server import relays
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connection, deaf
from tests.relay.conftest import A, B, Inbox, each_server, message

KEYS = (b"new", b"old")


@pytest.fixture
def site(redis_server, new_redis):
    """A relay on A and B that accepts two keys, and what publishes any bytes there."""
    relay, inbox = new_redis(signing_keys=KEYS)
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)

    def write(data, topic=A):
        position = relay._log.position(topic)
        epoch, offset = position or ("x", 0)
        place = f"{epoch} {offset + 1} ".encode()
        redis_server.client.publish(relay._keyspace.channel(topic), place + data)

    return relay, inbox, write


def test_a_signed_message_reaches_those_that_accept_its_key(site, new_redis):
    _, inbox, _ = site
    for keys in [KEYS, (b"old",), (b"new", b"other")]:
        publisher, _ = new_redis(listen=False, signing_keys=keys)
        assert publisher.publish(message(keys[0].decode())) == 1
        inbox.wait_for(keys[0].decode())
    assert inbox.lost == []


WRONG = {
    "unsigned": lambda data: data,
    "by another key": lambda data: Signing((b"other",)).sign(data),
    "without a signature": lambda data: b"~ 1 " + data,
    "changed": lambda data: Signing(KEYS).sign(data).replace(b"forged", b"FORGED"),
    "another time": lambda data: Signing(KEYS).sign(data).replace(b" 1", b" 2", 1),
    "no time": lambda data: Signing(KEYS).sign(data).replace(b" ", b"", 1),
    "nothing": lambda data: b"~",
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_is_not_signed_by_the_site_is_ignored_in_one_line(site, change, caplog):
    relay, inbox, write = site
    write(change(wire.encode(message("forged"))))
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert (inbox.messages, inbox.lost) == (["true"], [])
    (record,) = caplog.records
    assert "SOCKETIO_RELAY_SIGNING" in record.message and record.exc_info is None


def test_a_message_that_is_sent_again_is_not_delivered_again(site, redis_server):
    relay, inbox, write = site
    with redis_server.client.pubsub() as watcher:
        watcher.subscribe(relay._keyspace.channel(A))
        watcher.get_message(timeout=10)
        relay.publish(message("once"))
        inbox.wait_for("once")
        heard = watcher.get_message(timeout=10)["data"].split(b" ", 2)[2]
    write(heard)
    write(heard, B)  # nor is it one of another topic
    for number in range(3):
        relay.publish(message(number))
    inbox.wait_for(2)
    assert (inbox.messages, inbox.lost) == (["once", 0, 1, 2], [])


@pytest.mark.parametrize("age", [61 + SKEW, -SKEW - 1])
def test_a_signature_is_good_for_a_time(monkeypatch, age):
    signed = Signing(KEYS).sign(b"m")
    now = time.time()
    monkeypatch.setattr("django_socketio.relay.signing.time.time", lambda: now + age)
    with pytest.raises(ProtocolError, match="seconds ago"):
        Signing(KEYS).check_age(Signing(KEYS).opened(signed)[1])


def test_a_message_that_is_kept_for_long_can_be_read_for_as_long(
    redis_server, new_redis, monkeypatch
):
    relay, _ = new_redis(signing_keys=KEYS)
    now = time.time()
    for age, content in [(7200, "an hour"), (1800, "half an hour")]:
        monkeypatch.setattr("django_socketio.relay.signing.time.time", lambda age=age: now - age)
        relay.publish(message(content, keep=3600.0))
    monkeypatch.undo()
    found = relay.history(A)
    assert [one.envelope.args for one in found.deliveries] == [("half an hour",)]
    assert not found.is_complete


@pytest.mark.parametrize("comes_back", [break_connection, lambda relay: None], ids=["", "a hole"])
def test_a_kept_message_whose_signature_is_too_old_is_a_loss(site, monkeypatch, comes_back):
    relay, inbox, _ = site
    relay.publish(message("before"))
    inbox.wait_for("before")
    with deaf(relay, 1), monkeypatch.context() as patched:
        slow = SimpleNamespace(time=lambda: time.time() - 10 * SKEW)
        patched.setattr("django_socketio.relay.signing.time", slow)
        relay.publish(message("old"))
    comes_back(relay)
    relay.publish(message("after"))
    inbox.wait_for("after")
    assert (inbox.messages, inbox.lost) == (["before", "after"], [A])


@each_server
def test_signed_messages_are_shared_and_found_in_the_log(redis_server, new_redis):
    relay, inbox = new_redis(signing_keys=KEYS)
    for topic in (A, B):
        relay.subscribe(topic, inbox.deliver)
    texts = [f"{number}" * 2000 for number in range(3)]
    for text in texts:
        relay.publish(message(text, A, B))
    inbox.wait_for(texts[-1])
    redis_server.kill_connections()
    wait_until(lambda: relay.status()["reconnects"] == 1 and relay.status()["alive"])
    wait_until(lambda: relay.publish(message("after", A, B)))
    inbox.wait_for("after")
    assert (inbox.messages, inbox.lost) == ([*texts, "after"], [])


def test_the_keys_are_those_of_the_settings():
    url = {"SOCKETIO_RELAY_URL": "redis://localhost"}
    with override_settings(**url, SECRET_KEY="a", SECRET_KEY_FALLBACKS=["b"]):
        assert conf.get("RELAY_SIGNING") is False
        assert relays._options().signing_keys == ()
        with override_settings(SOCKETIO_RELAY_SIGNING=True):
            keys = relays._options().signing_keys
    assert keys == (derived_key("a"), derived_key(b"b"))
    assert b"a" not in keys


def test_a_process_without_keys_reads_no_signed_messages(site, new_redis, caplog):
    relay, _, _ = site
    other, inbox = new_redis()
    other.subscribe(A, inbox.deliver)
    relay.publish(message("signed"))
    wait_until(lambda: "signed, and SOCKETIO_RELAY_SIGNING is off here" in caplog.text)
    assert isinstance(other, RedisRelay) and isinstance(inbox, Inbox) and inbox.messages == []
