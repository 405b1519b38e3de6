"""Messages that were published while a process was about to subscribe to their topic."""

from collections.abc import Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.log import MessageLog
from django_socketio.relay.redis.missed import Place
from django_socketio.relay.redis.sequencer import Sequencer
from django_socketio.relay.topics import Topic


def close_holes(topics: Sequence[Topic], sequencer: Sequencer, log: MessageLog) -> None:
    """Deliver what was published to new topics before Redis confirmed their subscriptions.

    The positions of the topics were read before that. Without another look, these messages would
    not come before the next ones. Where a server cannot be asked, the messages of its topics come
    then, or after a new connection.

    Args:
        topics: those with subscribers that may come back.

    """
    for group in log.by_server(topics):
        with suppress(RedisError):
            _close_holes(group, sequencer, log)


def _close_holes(topics: Sequence[Topic], sequencer: Sequencer, log: MessageLog) -> None:
    places = [Place(topic, sequencer.position(topic), None, False) for topic in topics]
    for topic, missed in zip(topics, log.missed(places), strict=True):
        _close_hole(topic, missed.position, sequencer)


def _close_hole(topic: Topic, now: StreamPosition | None, sequencer: Sequencer) -> None:
    subscription = sequencer.subscription(topic)
    if subscription is None or now is None:
        return
    with subscription.taking:
        at = subscription.cursor.position
        is_open = at is not None and at.epoch == now.epoch and at.offset < now.offset
        if is_open and subscription.behind is None:
            sequencer.lease_in_doubt(topic)  # a message without a listener begins the time away
            sequencer.fill(topic, subscription, now.offset + 1)
