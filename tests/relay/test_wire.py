"""Messages of older and newer processes, as bytes that were recorded or made up."""

import logging

import pytest

from django_socketio.concurrency.log_limits import Once
from django_socketio.exceptions import ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope, EnvelopeKind, StreamPosition
from django_socketio.relay.topics import Topic, TopicKind, channel_topic, everyone_topic
from tests.relay.conftest import A, each_server, message

LOGINS = Topic(TopicKind.CONTROL, name="logins")

# What 1.0.0 writes. These bytes never change: later processes of version 2 read them.

RECORDED = {
    b'{"version":2,"kind":"event","id":"0123456789abcdef","topics":["channel,/chat,a","everyone,/chat"]'
    b',"exclude":"s","packet":"51-/chat,[\\"m\\",{\\"_placeholder\\":true,\\"num\\":0}]",'
    b'"attachments":["AP8="]}': Envelope(
        (channel_topic("/chat", "a"), everyone_topic("/chat")),
        "/chat",
        "m",
        (b"\x00\xff",),
        "s",
        id="0123456789abcdef",
    ),
    b'{"version":2,"kind":"event","id":"1","topics":["socket,/,abc"],"exclude":null,'
    b'"packet":"2[\\"m\\",1]","attachments":[]}': Envelope(
        (Topic(TopicKind.SOCKET, "/", "abc"),), "/", "m", (1,), id="1"
    ),
    b'{"version":2,"kind":"control","id":"2","topics":["control,,logins"],"namespace":"",'
    b'"name":"session ended","args":["d"]}': Envelope(
        (LOGINS,), "", "session ended", ("d",), kind=EnvelopeKind.CONTROL, id="2"
    ),
}


@pytest.mark.parametrize(("data", "envelope"), RECORDED.items())
def test_what_the_first_version_wrote_is_read_and_written(data, envelope):
    assert wire.decode(data) == envelope
    assert wire.encode(envelope) == data


# What a process after 1.0.0 might write

LATER = (
    b'{"version":2,"kind":"event","id":"1","topics":["tenant,/,a","channel,/,a"],"exclude":null,'
    b'"packet":"2[\\"message\\",\\"later\\"]","attachments":[],"key":"order-1","reply":"process,x",'
    b'"trace":{"id":"1"},"serial":123}'
)
OF_A_LATER_KIND = b'{"version":2,"kind":"survey","id":"1","topics":["channel,/,a"],"who":{"b":[]}}'


def test_fields_and_topics_that_are_not_known_are_passed_over():
    assert wire.decode(LATER) == Envelope((A,), "/", "message", ("later",), id="1")


def test_a_kind_that_is_not_known_is_told_from_what_is_malformed():
    with pytest.raises(wire.UnknownKind) as caught:
        wire.decode(OF_A_LATER_KIND)
    assert (caught.value.kind, caught.value.id) == ("survey", "1")


@pytest.mark.parametrize("fields", [b"", b"s=17 ", b"s=17 p=e:1,f:2 "])
@pytest.mark.parametrize("content", [b"{}", b"~ab 1 {}", b"@key", b""])
def test_a_place_may_have_more_fields(fields, content):
    place = wire.decode_place(b"epoch 7 " + fields + content)
    assert place == (StreamPosition("epoch", 7), content)


def test_more_fields_than_any_process_writes_take_no_time():
    assert wire.decode_place(b"epoch 7 " + b"a=1 " * 250_000 + b"{}")[1] == b"{}"
    assert wire.decode_place(b"epoch 7 " + b"a " * 500_000)[1].startswith(b"a a")


@each_server
def test_messages_of_a_later_process_are_delivered_or_ignored_without_a_gap(
    redis_server, new_redis, caplog, monkeypatch
):
    monkeypatch.setattr("django_socketio.relay.envelope._ignored_kinds", Once(100))
    caplog.set_level(logging.DEBUG, "django_socketio.relay")
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("first"))
    inbox.wait_for("first")
    later = Later(redis_server, relay, relay.position(A))
    later.publish(LATER)
    later.publish(OF_A_LATER_KIND)
    later.publish(OF_A_LATER_KIND)
    relay.publish(message("last"))
    inbox.wait_for("last")
    assert (inbox.messages, inbox.lost) == (["first", "later", "last"], [])
    assert [one.position.offset for one in inbox.deliveries] == [1, 2, 5]
    read = relay.read(A)
    assert [one.envelope.args[0] for one in read.deliveries] == ["first", "later", "last"]
    assert read.is_complete
    lines = [one for one in caplog.records if "survey" in one.message]
    assert [one.levelno for one in lines] == [logging.DEBUG]


class Later:
    """A process of a later version: more fields in the place, and in the entries of the log."""

    def __init__(self, redis_server, relay, position):
        self._client = redis_server.client
        self._channel, self._position, self._log = relay._keyspace.names(A)
        self._epoch, self._offset = position

    def publish(self, content):
        self._offset += 1
        self._client.hset(self._position, mapping={"number": self._offset, "serial": 17})
        self._client.xadd(self._log, {"m": content, "t": "trace"}, f"{self._offset}-0")
        place = f"{self._epoch} {self._offset} s=17 ".encode()
        self._client.publish(self._channel, place + content)


@each_server
def test_a_log_that_a_later_process_has_written_to_is_still_cut(redis_server, new_redis):
    relay, inbox = new_redis(log_bytes=20_000)
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("first"))
    inbox.wait_for("first")
    for number in range(40):
        relay.publish(message(f"{number} " + "x" * 1000))
        Later(redis_server, relay, relay.position(A)).publish(LATER)
    inbox.wait(lambda: len(inbox.deliveries) == 81)
    kept = [offset for offset, _ in relay._log.entries(A, 0)]
    assert kept == list(range(82 - len(kept), 82))
    assert 10 < len(kept) < 50


# Before 1.0

OF_VERSION_1 = (
    b'{"version":1,"id":"1","topics":["channel,/,a"],"exclude":null,'
    b'"packet":"2[\\"message\\",\\"old\\"]","attachments":[]}'
)


def test_messages_from_before_1_0_are_ignored_in_a_line_that_says_so(
    redis_server, new_redis, caplog
):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    relay.publish(message("first"))
    inbox.wait_for("first")
    channel, position, log = relay._keyspace.names(A)
    redis_server.client.hincrby(position, "number", 1)
    redis_server.client.xadd(log, {"m": OF_VERSION_1}, "2-0")
    epoch = relay.position(A).epoch.encode()
    redis_server.client.publish(channel, epoch + b" 2 " + OF_VERSION_1)
    relay.publish(message("last"))
    inbox.wait_for("last")
    assert (inbox.messages, inbox.lost) == (["first", "last"], [])
    (record,) = caplog.records
    assert (
        "an envelope of version 1, not 2, published by django-socketio before 1.0" in record.message
    )
    assert not relay.read(A).is_complete


def test_another_version_is_named():
    with pytest.raises(ProtocolError, match="version 3, not 2, published by another"):
        wire.decode(b'{"version":3}')
