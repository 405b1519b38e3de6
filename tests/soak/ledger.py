"""What was sent, what came, and what of it was lost: the books of a soak test."""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

END = ("end", 0)
"""The name of the last message of each channel."""


class Message(NamedTuple):
    """A message as its publisher knows it; ``number`` counts those of one publisher."""

    channel: str
    publisher: str
    number: int
    begun: float
    accepted: bool

    @property
    def name(self):
        return self.publisher, self.number


@dataclass
class Stay:
    """A socket on a channel, from its subscription on."""

    channel: str
    subscribed: float = 0.0
    received: list = field(default_factory=list)
    """Names of messages, as they came."""

    gaps: int = 0
    """How often it was told that messages of the channel were lost."""

    whole: bool = False
    """Whether it stayed until the last message of all."""


@dataclass
class Audit:
    """What the books say; all but ``sent`` and ``accepted`` count each socket's messages."""

    sent: int = 0
    accepted: int = 0
    delivered: int = 0
    lost: int = 0
    told: int = 0
    gaps: int = 0
    unfounded: int = 0
    """Gaps that were told to sockets that lack nothing."""

    duplicates: int = 0
    disordered: int = 0

    @property
    def rows(self):
        """The numbers, by what they are called."""
        return {
            "messages sent": self.sent,
            "messages accepted": self.accepted,
            "delivered to sockets": self.delivered,
            "lost in silence": self.lost,
            "lost and told": self.told,
            "gaps told": self.gaps,
            "duplicates": self.duplicates,
            "out of order": self.disordered,
        }

    @property
    def is_clean(self):
        return not (self.lost or self.duplicates or self.disordered)


def audit(messages, stays):
    """Compare what publishers were told with what sockets got."""
    result = Audit(len(messages), sum(message.accepted for message in messages))
    accepted = defaultdict(lambda: defaultdict(list))
    for message in messages:
        if message.accepted:
            accepted[message.channel][message.publisher].append(message)
    for stay in stays:
        _audit_stay(result, accepted[stay.channel], stay)
    for channel in accepted:
        result.disordered += _disordered([stay for stay in stays if stay.channel == channel])
    return result


def _audit_stay(result, accepted, stay):
    came = set(stay.received)
    result.delivered += len(stay.received)
    result.duplicates += len(stay.received) - len(came)
    result.gaps += stay.gaps
    missing = sum(
        message.name not in came
        for messages in accepted.values()
        for message in _due(messages, stay)
    )
    if stay.gaps:
        result.told += missing
        result.unfounded += 0 if missing else stay.gaps
    else:
        result.lost += missing


def _due(messages, stay):
    """Return the messages of one publisher that a socket must have got.

    From its subscription, or the first message that it got, if that was earlier; until it left, of
    which the last message that it got is the only sure sign.
    """
    publisher = messages[0].publisher
    numbers = [number for name, number in stay.received if name == publisher]
    first = bisect_left(messages, stay.subscribed, key=lambda message: message.begun)
    if numbers:
        first = min(first, bisect_left(messages, numbers[0], key=lambda message: message.number))
    if stay.whole:
        return messages[first:]
    last = max(numbers, default=-1)
    return messages[first : bisect_left(messages, last, key=lambda message: message.number)]


def _disordered(stays):
    """Return how many messages came at another place than to the socket that got most."""
    if not stays:
        return 0
    longest = max(stays, key=lambda stay: len(stay.received))
    places = {name: place for place, name in enumerate(longest.received)}
    count = 0
    for stay in stays:
        seen = [places[name] for name in stay.received if name in places]
        count += sum(later < earlier for earlier, later in pairwise(seen))
    return count
