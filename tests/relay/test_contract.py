"""What every relay does: each test runs with all of them."""

import threading

import pytest

from django_socketio.exceptions import EventError
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.topics import channel_topic, everyone_topic, socket_topic
from django_socketio.relay.wire import MAX_DEPTH
from tests.relay.conftest import KINDS, A, B, Stream, message
from tests.relay.refused import NAMES, REFUSED, nested
from tests.waiting import wait_until


def test_a_message_reaches_who_subscribed_to_its_topic(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    assert here.publish(message("hello")) == 1
    inbox.wait_for("hello")
    assert inbox.envelopes[0].topics == (A,)


def test_a_message_reaches_nobody_on_another_topic(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for topic in (B, channel_topic("/admin", "a"), socket_topic("/", "a"), everyone_topic("/")):
        assert here.publish(message("other", topic)) == 0
    here.publish(message("last"))
    inbox.wait_for("last")
    assert inbox.messages == ["last"]


def test_nobody_is_reached_after_the_end_of_a_subscription(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    there.unsubscribe(A)
    here.publish(message("b", B))
    inbox.wait_for("b")
    here.publish(message("a", A))
    here.publish(message("b2", B))
    inbox.wait_for("b2")
    assert inbox.messages == ["b", "b2"]


def test_a_topic_can_be_left_and_subscribed_to_again(pair):
    (here, _), (there, inbox) = pair
    for number in range(5):
        there.subscribe(A, inbox.deliver)
        here.publish(message(number))
        inbox.wait_for(number)
        there.unsubscribe(A)
    assert inbox.messages == list(range(5))


def test_the_publisher_receives_its_own(pair):
    (here, inbox), _ = pair
    here.subscribe(A, inbox.deliver)
    assert here.publish(message("own")) == 1
    inbox.wait_for("own")


VALUES = [
    None,
    0,
    -1.5,
    "ü😀",
    "\ud800",
    2**70,
    [1, [2]],
    {"a": {"b": []}},
    b"\x00\xff",
    [b"a", {"b": b"c"}],
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_every_value_travels_as_it_is(pair, value):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    here.publish(message(value))
    inbox.wait(lambda: inbox.envelopes)
    assert inbox.messages == [value]


def test_an_envelope_travels_whole(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    sent = Envelope((A,), "/admin", "typing", ("x", 1), exclude="someone")
    here.publish(sent)
    inbox.wait(lambda: inbox.envelopes)
    assert inbox.envelopes == [sent]


def test_messages_keep_their_order(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for number in range(500):
        here.publish(message(number))
    inbox.wait_for(499)
    assert inbox.messages == list(range(500))


def test_everybody_sees_the_messages_of_many_publishers_in_the_same_order(pair):
    (first, inbox1), (second, inbox2) = pair
    first.subscribe(A, inbox1.deliver)
    second.subscribe(A, inbox2.deliver)

    def publish(relay, name):
        for number in range(100):
            relay.publish(message((name, number)))

    threads = [
        threading.Thread(target=publish, args=(relay, name))
        for name, relay in enumerate((first, second, first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for inbox in (inbox1, inbox2):
        inbox.wait(lambda inbox=inbox: len(inbox.envelopes) >= 400)
    assert inbox1.messages == inbox2.messages
    assert len({tuple(content) for content in inbox1.messages}) == 400


@pytest.mark.parametrize("topic", [A, B], ids=["heard", "unheard"])
def test_what_a_receiver_could_not_read_is_refused(pair, topic):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    for value in REFUSED.values():
        with pytest.raises((TypeError, ValueError)):
            here.publish(message(value, topic))
    for namespace, event in NAMES:
        with pytest.raises(EventError):
            here.publish(Envelope((topic,), namespace, event, ()))
    here.publish(message("next"))
    inbox.wait_for("next")
    assert (inbox.messages, inbox.lost) == (["next"], [])


def test_the_deepest_value_that_every_relay_takes(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    deepest = nested(MAX_DEPTH - 1)
    here.publish(message(deepest))
    inbox.wait_for(deepest)
    with pytest.raises(ValueError, match="more than 250 levels deep"):
        here.publish(message([deepest]))


def test_a_message_for_several_topics_is_delivered_once_for_all_of_them(pair):
    (here, _), (there, inbox) = pair
    there.subscribe(A, inbox.deliver)
    there.subscribe(B, inbox.deliver)
    for number in range(20):
        assert here.publish(message(number, A, B)) >= 1
    here.publish(message("last", B))
    inbox.wait_for("last")
    assert inbox.messages == [*range(20), "last"]


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_subscribers_get_exactly_what_was_accepted_while_connections_are_killed(server, new_relay):
    relay, inbox = new_relay()
    relay.subscribe(A, inbox.deliver)
    stream = Stream(new_relay(listen=False)[0])
    for _ in range(5):
        stream.go_on()
        server.kill_connections()
        wait_until(lambda: relay.status()["alive"])
    stream.go_on()
    stream.stop()
    inbox.wait_for(stream.accepted[-1])
    assert inbox.messages == stream.accepted
    assert inbox.lost == []


@pytest.mark.parametrize("server", KINDS[1:], indirect=True)
def test_a_relay_names_its_place_without_user_and_password(server, new_relay):
    scheme, _, place = server.url.partition("//")
    relay, _ = new_relay(listen=False, url=f"{scheme}//somebody:cret@{place}")
    assert str(relay).startswith("Redis")
    assert str(relay).endswith(f" at {place}")


def test_the_relay_within_a_process_names_the_setting_that_connects_several():
    assert "SOCKETIO_RELAY_URL" in str(MemoryRelay())
