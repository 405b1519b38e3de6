"""Messages that share round trips only: the error of one does not cost the others."""

import logging
from contextlib import nullcontext

import pytest
from django.db import transaction

from django_socketio import RelayError, emit, emit_batch, relay_status
from django_socketio.publishing import sending
from django_socketio.relay import untried
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.relay.untried import NotTried, publish_apart
from tests.relay.breaking import is_cluster
from tests.relay.conftest import KINDS, message

USERS = [Topic(TopicKind.USER, "/", str(number)) for number in range(4)]
REFUSED = USERS[1]


@pytest.fixture
def relay_that_refuses(server, new_relay):
    """A relay that takes no message for one of the users, and an inbox with those of all."""
    relay, inbox = new_relay()
    relay.subscribe_all(USERS, inbox.deliver)
    relay.publish(message("first", REFUSED))
    inbox.wait_for("first")
    inbox.deliveries.clear()
    log = relay._keyspace.names(REFUSED)[2]
    node = server.node_of(log) if is_cluster(relay) else server
    node.client.set(log, "no log")
    return relay, inbox


with_redis = pytest.mark.parametrize("server", KINDS[1:], indirect=True)


@with_redis
def test_what_one_topic_does_not_take_others_get_in_their_order(relay_that_refuses):
    relay, inbox = relay_that_refuses
    # More than Redis takes in one step.
    messages = [message(number, USERS[number % 4]) for number in range(250)]
    results = publish_apart(relay.publish_all, messages, range(len(messages)))
    refused = {*range(1, 250, 4)}
    assert [isinstance(one, RelayError) for one in results] == [n in refused for n in range(250)]
    assert not any(isinstance(one, NotTried) for one in results)
    inbox.wait(lambda: len(inbox.messages) == 250 - len(refused))
    for topic in USERS:
        own = [one.args[0] for one in inbox.envelopes if one.topics == (topic,)]
        assert own == sorted(own)
    assert {*inbox.messages} == {*range(250)} - refused


@with_redis
def test_after_a_commit_an_error_costs_no_other_message(relay_that_refuses, monkeypatch, caplog):
    relay, inbox = relay_that_refuses
    monkeypatch.setattr(sending, "publish_all", relay.publish_all)
    before = relay_status()["failed_after_commit"]
    with transaction.atomic():
        results = [emit("message", n, user=n, on_commit=True) for n in (0, 1, 2, 3, 1, 2)]
    assert [bool(one) for one in results] == [True, False, True, True, False, True]
    inbox.wait(lambda: len(inbox.messages) == 4)
    assert [number for number in inbox.messages if number == 2] == [2, 2]
    assert relay_status()["failed_after_commit"] == before + 2
    lines = [one for one in caplog.records if "after the commit" in one.message]
    assert [one.levelno for one in lines] == [logging.ERROR] * 2


@with_redis
@pytest.mark.parametrize("on_commit", [False, True])
def test_the_first_error_ends_a_batch(relay_that_refuses, monkeypatch, on_commit):
    relay, inbox = relay_that_refuses
    monkeypatch.setattr(sending, "publish_all", relay.publish_all)
    with transaction.atomic():
        refusal = nullcontext() if on_commit else pytest.raises(RelayError, match="1 of 3 events")
        with refusal, emit_batch(on_commit=on_commit) as batch:
            results = [batch.emit("message", n, user=n) for n in (0, 1, 2)]
        other = emit("message", "other", user=3, on_commit=True)
    assert [bool(one) for one in (*results, other)] == [True, False, False, True]
    inbox.wait_for("other")
    assert sorted(map(str, inbox.messages)) == ["0", "other"]


def test_a_relay_that_is_away_is_given_up(monkeypatch):
    """Each try may take seconds until it fails."""
    now, tries = [0.0], []
    monkeypatch.setattr(untried, "monotonic", lambda: now[0])

    def publish_all(envelopes):
        tries.append(len(envelopes))
        now[0] += 2.0
        return [RelayError("away"), *[NotTried("away")] * (len(envelopes) - 1)]

    messages = [message(number) for number in range(100)]
    results = publish_apart(publish_all, messages, range(100))
    assert len(results) == 100
    assert all(isinstance(one, RelayError) for one in results)
    assert tries == [100, 99, 98, 97]
