"""Offsets: the places of events in what was sent to a client that may come back.

The official client takes the last argument of any event without an acknowledgment id for the offset
of the event if that argument is a text. When it connects again, it presents the last one. An offset
is a text that only the server reads, and that no other event has: which process and generation it
is of, and a number. All receivers of an event get the same one.
"""

import re
import secrets
from itertools import count

from django_socketio.channels.encoded_event import EncodedEvent
from django_socketio.concurrency.timers import Clock

is_offset = re.compile(r"[\w-]{8}\.[0-9]{1,16}", re.ASCII).fullmatch
"""Whether a text may be an offset."""


class Sent:
    """An event as recoverable clients get it, kept for those that miss it.

    Attributes:
        offset: its offset.
        event: the event, with the offset as its last argument.
        source: the event without it.
        at: when it got the offset, in seconds of the server's clock.
        size: bytes of its JSON text and its attachments.
        keepers: the number of sockets that keep it.

    """

    __slots__ = ("at", "event", "keepers", "offset", "size", "source")

    def __init__(self, source: EncodedEvent, offset: str, at: float) -> None:
        text = f'{source.text[:-1]},"{offset}"]'
        self.offset = offset
        self.source = source
        self.event = EncodedEvent(source.namespace, source.data, None, text, source.attachments)
        self.at = at
        self.size = len(text) + sum(map(len, source.attachments))
        self.keepers = 0


class Offsets:
    """Gives each event of a process its offset.

    Args:
        clock: tells the time in seconds.

    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._generation = secrets.token_urlsafe(6)
        self._numbers = count(1)

    def of(self, event: EncodedEvent) -> Sent:
        """Return the form of an event for recoverable clients (``EncodedPacket.render``)."""
        return Sent(event, f"{self._generation}.{next(self._numbers)}", self._clock())
