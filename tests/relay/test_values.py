"""What publishers are told was accepted is what receivers get, by whichever relay."""

import datetime
import decimal
import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_socketio.exceptions import EventError, ProtocolError
from django_socketio.relay import wire
from django_socketio.relay.envelope import Envelope
from django_socketio.server.relays import encode_default
from django_socketio.sockets.encoder import Encoder
from tests.relay.conftest import A, message
from tests.relay.refused import NAMES, REFUSED, nested

placeholder = st.just("_placeholder")
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary(max_size=8)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC))
    | st.decimals()
    | st.uuids()
    | st.just(object()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.text(max_size=3)
            | st.integers()
            | st.booleans()
            | st.none()
            | st.just("_placeholder"),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
names = st.text(max_size=5) | st.sampled_from(["connect", "message", 5, None, b"x"])
namespaces = st.sampled_from(["/", "/admin", "admin", "", "/a,b", "/\ud800", 5, "/a\n"])
envelopes = st.builds(
    Envelope,
    st.just((A,)),
    namespaces,
    names,
    st.lists(anything, max_size=3).map(tuple),
    st.none() | st.text(max_size=3),
)


def sent(envelope):
    """Return the packet that subscribers in this process get: its JSON, its binary."""
    encoded = Encoder(encode_default).event(envelope.namespace, envelope.name, envelope.args)
    text, *attachments = encoded.contents
    begin = text.index("[")
    return text[:begin], json.loads(text[begin:]), attachments


@settings(max_examples=400, deadline=None)
@given(envelopes)
def test_what_is_accepted_is_received_as_in_one_process(envelope):
    try:
        data = wire.encode(envelope, encode_default)
    except (TypeError, ValueError, EventError):
        return
    received = wire.decode(data)
    assert repr(sent(received)) == repr(sent(envelope))  # NaN equals nothing, but never comes here
    assert received.exclude == envelope.exclude


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_before_anything_is_sent(new_redis, redis_server, value):
    relay, inbox = new_redis()
    relay.subscribe(A, inbox.deliver)
    with pytest.raises((TypeError, ValueError)):
        relay.publish(message(value))
    relay.publish(message("next"))
    inbox.wait_for("next")
    assert (inbox.messages, inbox.lost) == (["next"], [])
    _, log = relay._keyspace.keys(A)
    assert redis_server.client.xlen(log) == 1


@pytest.mark.parametrize(("namespace", "event"), NAMES)
def test_names_that_cannot_be_read_are_refused(new_redis, namespace, event):
    relay, _ = new_redis(listen=False)
    with pytest.raises(EventError):
        relay.publish(Envelope((A,), namespace, event, ()))


VALUES = [
    float("nan"),
    [float("inf")],
    10**30,
    {1: "a", None: "b", False: "c"},
    nested(200),
    "\ud83d",
    ["\ud83d\ude00"],
    {"_placeholder": True, "num": 0},
    bytearray(b"a"),
    (b"a", {"b": (b"c",)}),
    datetime.datetime(2020, 1, 2, 3, 4, 5, 678901),
    decimal.Decimal("1.50"),
    uuid.UUID(int=7),
]


def test_clients_get_the_same_of_all_values_by_every_relay(pair):
    (here, _), (there, inbox) = pair
    getattr(here, "_sender", here)._default = encode_default
    there.subscribe(A, inbox.deliver)
    envelopes = [message(value) for value in VALUES]
    for envelope in envelopes:
        assert here.publish(envelope) == 1
    inbox.wait(lambda: len(inbox.envelopes) == len(VALUES))
    assert [*map(sent, inbox.envelopes)] == [*map(sent, envelopes)]


def test_the_depth_that_is_written_can_be_read_and_written_again():
    deepest = message(nested(wire.MAX_DEPTH - 1))
    assert wire.decode(wire.encode(deepest)).args == deepest.args
    assert sent(wire.decode(wire.encode(deepest)))
    many = message([{"a": [number]} for number in range(1000)])
    assert wire.decode(wire.encode(many)).args == many.args
    with pytest.raises(ProtocolError, match="250"):
        wire.encode(message(nested(wire.MAX_DEPTH)))
