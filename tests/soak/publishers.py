"""Publishers: threads of a plain process, and a view of a server process."""

import http.client
import itertools
import random
import threading
import time

from tests.kit.http import get
from tests.relay.site.publishing import publish, was_accepted
from tests.soak.ledger import END, Message

PAUSE = 0.02
"""Seconds between two messages of a publisher."""


def by_view(port):
    """Return what has a server process publish."""

    def push(channel, content):
        publisher, number = content
        return get(port, f"/push/{channel}/{publisher}/{number}/")[1]

    return push


def send(push, channel, name):
    """Have a message published; return it with what its publisher was told."""
    begun = time.monotonic()
    try:
        accepted = was_accepted(push(channel, name))
    except (OSError, http.client.HTTPException, TypeError):
        accepted = False  # the server was replaced before it answered
    return Message(channel, *name, begun, accepted)


class Publisher(threading.Thread):
    """Publishes on all channels, one message after the other, until it is over."""

    def __init__(self, name, channels, over, push=publish, pause=PAUSE):
        super().__init__(daemon=True)
        self._name, self._channels, self._over, self._push = name, channels, over, push
        self._pause = pause
        self.messages = []
        self.start()

    def run(self):
        for number in itertools.count():
            if self._over.wait(random.uniform(0, 2 * self._pause)):
                return
            channel = random.choice(self._channels)
            self.messages.append(send(self._push, channel, (self._name, number)))


def say_end(channels, push=publish):
    """Publish the last message of each channel; return these messages."""
    ends = []
    for channel in channels:
        while not (message := send(push, channel, END)).accepted:
            time.sleep(PAUSE)
        ends.append(message)
    return ends
