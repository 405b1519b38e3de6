"""Redis forgets a topic while a relay catches up with it: what came before that comes once."""

import pytest

from django_socketio.relay.redis import catching_up
from django_socketio.relay.topics import Retention, Retentions
from tests.relay.breaking import break_connection, deaf, step_after
from tests.relay.conftest import A, keys_of_topics, message


@pytest.fixture
def ends(new_redis):
    """Two relays with their inboxes; the second is subscribed."""
    kept = {"retentions": Retentions(Retention(1000, 1_000_000, 60.0), away=60.0)}
    end, (other, others) = new_redis(**kept), new_redis(**kept)
    other.subscribe(A, others.deliver)
    return end, (other, others)


def publish(other, *contents):
    relay, inbox = other
    for content in contents:
        relay.publish(message(content))
        inbox.wait_for(content)


def catch_up_after(monkeypatch, relay, function):
    """Break a relay's connection; it catches up with what comes during the function."""
    with monkeypatch.context() as patch:
        patch.setattr(catching_up.CatchUp, "step", step_after(function))
        break_connection(relay)


def forget(redis_server):
    """Have Redis lose all topics, as by evictions: no relay notices that by itself."""
    redis_server.client.delete(*keys_of_topics(redis_server))


def test_what_came_before_redis_forgot_the_topic_comes_once(redis_server, ends, monkeypatch):
    (relay, inbox), other = ends
    relay.subscribe(A, inbox.deliver)
    publish(other, "first")

    def meanwhile():
        publish(other, "held", "held too")
        forget(redis_server)

    catch_up_after(monkeypatch, relay, meanwhile)
    publish(other, "later")
    inbox.wait_for("later")
    assert (inbox.messages, inbox.lost) == (["first", "held", "held too", "later"], [])


def test_a_message_that_is_missing_before_redis_forgot_the_topic_is_told(
    redis_server, ends, monkeypatch
):
    (relay, inbox), other = ends
    relay.subscribe(A, inbox.deliver)
    publish(other, "first")
    inbox.wait_for("first")  # or it would be dropped too
    with deaf(relay, 1):
        publish(other, "missing")

    def meanwhile():
        publish(other, "held")
        forget(redis_server)

    catch_up_after(monkeypatch, relay, meanwhile)
    publish(other, "later")
    inbox.wait_for("later")
    assert (inbox.messages, inbox.lost) == (["first", "later"], [A])


def change_epoch(redis_server, ends, monkeypatch):
    """Have a topic, which had no message, get some in two epochs while a relay catches up."""
    (relay, inbox), other = ends

    def meanwhile():
        publish(other, "old")
        forget(redis_server)
        publish(other, "new")

    catch_up_after(monkeypatch, relay, meanwhile)
    publish(other, "later")
    inbox.wait_for("later")
    assert relay._sequencer.position(A) == other[0].position(A)
    return inbox


def test_a_topic_with_a_lease_does_not_go_back_into_an_epoch_that_has_ended(
    redis_server, ends, monkeypatch
):
    relay, inbox = ends[0]
    relay.subscribe(A, inbox.deliver, recoverable=True)
    assert relay._sequencer.position(A).offset == 0
    change_epoch(redis_server, ends, monkeypatch)
    assert (inbox.messages, inbox.lost) == (["old", "new", "later"], [])


def test_an_idle_topic_does_not_go_back_into_an_epoch_that_has_ended(
    redis_server, ends, monkeypatch
):
    relay, inbox = ends[0]
    relay.subscribe(A, inbox.deliver)
    change_epoch(redis_server, ends, monkeypatch)
    assert (inbox.messages, inbox.lost) == (["new", "later"], [A])


@pytest.fixture
def ended(redis_server, ends):
    """A relay with a subscriber that does not come back, on a topic whose epoch has ended."""
    (relay, inbox), other = ends
    relay.subscribe(A, inbox.deliver)
    publish(other, "first")
    inbox.wait_for("first")
    forget(redis_server)
    return relay, inbox


def begin(relay, inbox):
    return relay.subscribe(A, inbox.deliver, recoverable=True)


def test_all_that_may_come_back_begin_in_the_epoch_that_the_first_one_has_begun(ends, ended):
    begins = [begin(*ended) for _ in range(3)]
    relay, inbox = ended
    assert begins == [relay.position(A)] * 3
    publish(ends[1], "later")
    inbox.wait_for("later")
    assert begin(*ended) == relay.position(A)
    assert relay.read(A, begins[2]).is_complete
    assert (inbox.messages, inbox.lost) == (["first", "later"], [])


def test_the_second_one_does_not_begin_in_the_old_epoch_while_the_first_one_waits(
    ended, monkeypatch
):
    relay, _ = ended
    look, begins = relay._log.look, []

    def look_late(*args):
        monkeypatch.setattr(relay._log, "look", look)
        begins.append(begin(*ended))
        return look(*args)

    monkeypatch.setattr(relay._log, "look", look_late)
    begins.append(begin(*ended))
    assert begins == [relay.position(A)] * 2
