"""Messages that no relay wrote: whatever comes, true messages go on, and nothing is silent."""

import json

import pytest

from django_socketio.relay import wire
from django_socketio.relay.redis.ignored import QUIET
from tests.relay.conftest import A, B, message

HUGE = 10**30


@pytest.fixture
def site(redis_server, new_redis):
    """A relay on A that has had a message; what publishes to its channel; its epoch."""
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("first"))
    inbox.wait_for("first")
    epoch, _ = relay._log.position(A)

    def forge(place, content):
        data = content if isinstance(content, bytes) else wire.encode(content)
        redis_server.client.publish(relay._keyspace.channel(A), place.encode() + b" " + data)

    return relay, inbox, epoch, forge


PLACES = ["{epoch} 2", "{epoch} 3", f"{{epoch}} {HUGE}", f"x {HUGE}", "x 1", "- 0", "{epoch} 1"]


@pytest.mark.parametrize("place", PLACES)
def test_a_forged_position_silences_nothing(site, place):
    relay, inbox, epoch, forge = site
    forge(place.format(epoch=epoch), message("forged"))
    for number in range(5):
        assert relay.publish(message(number)) == 1
    inbox.wait_for(4)
    assert [content for content in inbox.messages if content != "forged"] == ["first", *range(5)]


def test_forged_messages_in_a_row_silence_nothing(site):
    relay, inbox, epoch, forge = site
    for number in range(2, 6):
        forge(f"{epoch} {number}", message("forged"))
    for number in range(8):
        assert relay.publish(message(number)) == 1
    inbox.wait_for(7)
    assert [content for content in inbox.messages if content != "forged"] == ["first", *range(8)]


@pytest.mark.parametrize("place", [f"{{epoch}} {HUGE}", f"x {HUGE}", "{epoch} 3"])
def test_a_position_that_redis_never_gave_is_refused_and_told(site, place, caplog):
    relay, inbox, epoch, forge = site
    forge(place.format(epoch=epoch), message("forged"))
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert inbox.messages == ["first", "true"]
    assert inbox.lost == [A]
    assert caplog.text.count("foreign or malformed") == 1
    assert "Redis is not at" in caplog.text


def whole(**changes):
    return json.dumps({**json.loads(wire.encode(message("m"))), **changes}).encode()


MALFORMED = {
    "nothing": b"",
    "text": b"not ours",
    "bytes": b"\xff\xfe",
    "a number": b"1",
    "a list": b"[]",
    "an empty object": b"{}",
    "a later version": whole(version=99),
    "an odd version": whole(version=[]),
    "no id": whole(id=None),
    "a list as id": whole(id=[]),
    "no topics": whole(topics=[]),
    "topics that are none": whole(topics="channel,/,a"),
    "other topics": whole(topics=[B]),
    "exclude": whole(exclude=1),
    "an acknowledgment": whole(packet="31[]"),
    "a reserved name": whole(packet='2["connect"]'),
    "half of an event": whole(packet='51-["m",{"_placeholder":true,"num":0}]'),
    "too many attachments": whole(attachments=["YQ=="]),
    "attachments that are none": whole(attachments={"a": 1}),
    "a trace that is none": whole(trace="00-ab-cd-01"),
    "a trace of numbers": whole(trace={"traceparent": 1}),
    "no base64": whole(packet='51-["m",{"_placeholder":true,"num":0}]', attachments=["?"]),
    "a deep text": whole(packet='2["m",' + "[" * 1000 + "]" * 1000 + "]"),
    "a very deep text": b"[" * 100_000,
    "an integer of 5000 digits": whole(packet='2["m",' + "9" * 5000 + "]"),
    "a reference to nothing": b"@",
    "a reference to a foreign key": b"@elsewhere",
    "a reference to a key of another site": b"@other:{x}:message:1",
    "bytes as a reference": b"@\xff",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_message_is_refused_in_one_line(site, content, caplog):
    relay, inbox, epoch, forge = site
    forge(f"{epoch} 2", content)
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert (inbox.messages, inbox.lost) == (["first", "true"], [])
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "foreign or malformed" in record.message
    assert record.exc_info is None and len(record.message) < 500


@pytest.mark.parametrize("data", [b"", b"x", b"x y {}", b"x 1", b"\xff 1 {}", b"x " + b"9" * 5000])
def test_a_message_without_a_position_is_refused_in_one_line(site, redis_server, data, caplog):
    relay, inbox, _, _ = site
    redis_server.client.publish(relay._keyspace.channel(A), data)
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert (inbox.messages, inbox.lost) == (["first", "true"], [])
    (record,) = caplog.records
    assert record.levelname == "WARNING" and len(record.message) < 500


def test_a_reference_to_another_kind_of_key_is_a_gap(site, redis_server):
    relay, inbox, epoch, forge = site
    key = relay._keyspace.shared(A, "1")
    redis_server.client.set(key, "text")
    forge(f"{epoch} 2", b"@" + key.encode())
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert (inbox.messages, inbox.lost) == (["first", "true"], [A])


def test_malformed_messages_are_counted_not_logged_one_by_one(site, caplog, monkeypatch):
    relay, inbox, epoch, forge = site
    for _ in range(100):
        forge(f"{epoch} 2", b"?")
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert len(caplog.records) == 1
    relay._sequencer._ignored._lines._next -= QUIET
    forge(f"{epoch} 3", b"?")
    relay.publish(message("last"))
    inbox.wait_for("last")
    assert "Ignored 100 foreign or malformed" in caplog.text


def test_what_cannot_be_read_is_passed_over_in_the_log(site, redis_server, caplog):
    relay, inbox, _, _ = site
    relay.publish(message("second"))
    inbox.wait_for("second")
    position, log = relay._keyspace.keys(A)
    redis_server.client.hincrby(position, "number", 1)
    redis_server.client.xadd(log, {"m": whole(version=99)}, "3-0")
    relay.publish(message("true"))
    inbox.wait_for("true")
    assert (inbox.messages, inbox.lost) == (["first", "second", "true"], [])
    assert "an envelope of version 99" in caplog.text
