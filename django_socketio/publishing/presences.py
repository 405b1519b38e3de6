"""``presence`` and ``presence_count``: the people on a channel, read from any process."""

import re

from django.conf import settings

from django_socketio import conf
from django_socketio.channels.names import check_channel
from django_socketio.channels.people import Person, people
from django_socketio.channels.publish import count_present, read_roster
from django_socketio.concurrency.log_limits import Once
from django_socketio.events.noting import NOT_NOTED, is_noted
from django_socketio.logs import get_logger
from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.relay.topics import Topic, presence_topic

logger = get_logger("django_socketio.publishing")

_warned = Once(100)
"""The channels that were warned of."""


def presence(channel: str, *, namespace: str = "/") -> list[Person]:
    """Return the people on a channel, whose presence is noted there (``SOCKETIO_PRESENCE``).

    Each person is there once, however many tabs and devices it has. Where no presence is noted, the
    list is empty; under ``DEBUG``, the log says so.

    Raises:
        ChannelError: the name of the channel is not allowed.
        RelayError: the relay cannot be asked; ``NoRelay`` if this process has none.

    """
    return people_on(_topic(channel, namespace))


def people_on(topic: Topic) -> list[Person]:
    """Return the people of a topic of presence: none where no presence is noted."""
    return people(read_roster(topic))


def presence_count(channel: str, *, namespace: str = "/") -> int:
    """Return the number of people on a channel; see ``presence``."""
    return count_present(_topic(channel, namespace))


def _topic(channel: str, namespace: str) -> Topic:
    topic = presence_topic(check_namespace(namespace), check_channel(channel))
    if settings.DEBUG:
        _warn(topic)
    return topic


def _warn(topic: Topic) -> None:
    """Warn of a channel without presence, where an empty list would seem to be an answer."""
    patterns = tuple(map(re.compile, conf.get("PRESENCE")))
    if not is_noted(patterns, topic.namespace, topic.name) and _warned.is_new(topic):
        logger.warning(NOT_NOTED.format(topic.name))
