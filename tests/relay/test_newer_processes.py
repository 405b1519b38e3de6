"""Messages of kinds that only newer processes know, while a site is upgraded."""

import json

import pytest

from django_socketio.channels import watching
from django_socketio.channels.positions import position_text
from django_socketio.channels.recovery import Wanted, past_of
from django_socketio.channels.registry import Channels
from django_socketio.channels.watching import Watchers
from django_socketio.relay.roster import CHANGED
from django_socketio.relay.topics import Retention, Retentions, presence_topic
from tests.kit.waiting import wait_until
from tests.relay.conftest import KINDS, A, message

ROOM = presence_topic("/", "room")

with_redis = pytest.mark.parametrize("server", KINDS[1:], indirect=True)


def of_a_later_kind(topic):
    """Return a message as a newer process has encoded it."""
    envelope = message("later", topic)
    content = {"version": 2, "kind": "survey", "id": envelope.id, "topics": [str(topic)]}
    envelope.encoded = json.dumps(content).encode()
    return envelope


@with_redis
@pytest.mark.parametrize(("missed", "is_whole"), [(999, True), (1300, False)])
def test_who_has_missed_more_than_it_gets_is_told_of_a_loss(new_relay, missed, is_whole):
    relay, inbox = new_relay(retentions=Retentions(Retention(messages=5000)))
    relay.subscribe(A, inbox.deliver)
    since = relay.publish(message("last")).position
    relay.publish_all([message(number) for number in range(10)])
    relay.publish(of_a_later_kind(A))
    relay.publish_all([message(number) for number in range(10, missed)])
    channels, wanted = Channels(relay, lambda delivery: delivery, 1000), Wanted(since)
    past = past_of(A, channels.past(A, wanted), wanted, lambda delivery: True)
    assert (past.is_whole, past.position) == (is_whole, relay.position(A))
    assert len(past.deliveries) == (missed if is_whole else 0)


class Watcher:
    namespace = "/"

    def __init__(self):
        self.updates = []

    def deliver(self, update):
        self.updates.append(update)
        return True


class NoTimers:
    def after(self, seconds, function):
        pass


@with_redis
@pytest.mark.parametrize(("missed", "told"), [(2, "changes"), (5, "people")])
def test_a_watcher_that_has_missed_more_changes_than_it_gets_is_told_all_people(
    new_relay, monkeypatch, missed, told
):
    monkeypatch.setattr(watching, "MOST_CHANGES", 3)
    relay, _ = new_relay()
    watchers = Watchers(relay, lambda namespace, event, args: args[1], NoTimers())
    here, back = Watcher(), Watcher()
    watchers.add(ROOM, here)
    since = relay.publish(change("first")).position
    for envelope in [change(0), of_a_later_kind(ROOM), *map(change, range(1, missed))]:
        relay.publish(envelope)
    wait_until(lambda: watchers.told(ROOM, here) == position_text(relay.position(ROOM)))
    watchers.add(ROOM, back, position_text(since))
    people = {"first", *map(str, range(missed))} - ({"first"} if told == "changes" else set())
    assert {one["id"] for one in back.updates[0][told]} == people


def change(person):
    envelope = message("", ROOM)
    envelope.name, envelope.args = CHANGED, (str(person), "online", "[null,null]")
    return envelope
