"""Topics of audiences, which are subscribed to without asking for their positions."""

import pytest

from django_socketio.relay.topics import Topic, TopicKind
from tests.kit.waiting import wait_until
from tests.relay.breaking import break_connections
from tests.relay.conftest import message

USER = Topic(TopicKind.USER, "/", "7")


@pytest.fixture
def early_and_late(new_redis):
    """A process that has received messages for a user, and one that subscribes after them."""
    early, early_inbox = new_redis()
    early.subscribe(USER, early_inbox.deliver)
    for number in range(3):
        assert early.publish(message(number, USER)) == 1
    early_inbox.wait_for(2)
    late, late_inbox = new_redis()
    late.subscribe_all([USER, Topic(TopicKind.SESSION, "/", "a")], late_inbox.deliver)
    return early, late, late_inbox


def test_a_late_subscriber_gets_what_comes_from_then_on(early_and_late):
    early, _, inbox = early_and_late
    assert early.publish(message("new", USER)) == 2
    inbox.wait_for("new")
    assert inbox.messages == ["new"]
    assert inbox.lost == []


def test_a_connection_that_breaks_before_the_first_message_brings_nothing_old(
    redis_server, early_and_late
):
    early, late, inbox = early_and_late
    break_connections(redis_server, late)
    wait_until(lambda: early.status()["alive"])
    wait_until(lambda: early.publish(message("after", USER)) == 2)
    inbox.wait_for("after")
    assert set(inbox.messages) == {"after"}
    assert inbox.lost == [USER]  # nothing tells whether one came in between


def test_what_was_missed_after_the_first_message_is_read_from_the_log(redis_server, early_and_late):
    early, late, inbox = early_and_late
    early.publish(message("first", USER))
    inbox.wait_for("first")
    (of_late,) = [one for one in subscribers(redis_server) if one["sub"] == "3"]
    redis_server.client.client_kill_filter(_id=of_late["id"])
    early.publish(message("missed", USER))
    wait_until(lambda: late.status()["reconnects"] == 1 and late.status()["alive"])
    early.publish(message("last", USER))
    inbox.wait_for("last")
    assert inbox.messages == ["first", "missed", "last"]
    assert inbox.lost == []


def subscribers(redis_server):
    return redis_server.client.client_list(_type="pubsub")
