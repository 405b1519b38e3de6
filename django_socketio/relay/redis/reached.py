"""The positions up to which topics were delivered in this process."""

from collections.abc import Iterable

from django_socketio.relay.envelope import StreamPosition
from django_socketio.relay.redis.sequencer import Sequencer
from django_socketio.relay.topics import Topic

PATIENCE = 0.05
"""Seconds for which the thread is waited for that delivers a message of a topic."""


def reached(sequencer: Sequencer, topics: Iterable[Topic]) -> dict[Topic, StreamPosition | None]:
    """Return the positions of the last messages whose delivery is scheduled, by their topics.

    None stands for a topic of which no message has come, or could have come before. A topic is left
    out if its position is not known, or while messages wait for the order of several topics.
    """
    found = {}
    for topic in topics:
        subscription = sequencer.subscription(topic)
        if subscription is None or not subscription.taking.acquire(timeout=PATIENCE):
            continue
        try:
            if subscription.is_located and sequencer.order.is_simple:
                found[topic] = subscription.cursor.position
        finally:
            subscription.taking.release()
    return found
