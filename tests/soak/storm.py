"""Everything at once: sockets that stay, sockets that come and go, publishers and faults."""

import itertools
import threading
import time
from collections import Counter

from tests.relay.site.publishing import publish
from tests.soak.attackers import attackers
from tests.soak.faults import Faults
from tests.soak.publishers import Publisher, by_view, say_end
from tests.soak.site import PING_INTERVAL, PING_TIMEOUT
from tests.soak.sockets import KINDS, Resident, Visitor

CHANNELS = ["a", "b", "c", "d"]
VISITORS = 16
PATIENCE = 30
"""Seconds in which all must come to an end."""


class Storm:
    """Begins at once."""

    def __init__(self, site, seconds):
        self._over = threading.Event()
        ports = [site.steady.port, site.reloaded.port]
        self._residents = [
            Resident(ports[0], kind, channel, self._over) for kind in KINDS for channel in CHANNELS
        ]
        assert all(one.subscribed.wait(10) for one in self._residents), "nobody could subscribe"
        # Before those that behave: all of their time is spent beside attackers.
        self._attackers = attackers([ports[0], ports[0], ports[1]], seconds / 2)
        self._visitors = [
            Visitor(where, CHANNELS, self._over)
            for where in itertools.islice(itertools.cycle(([ports[0]], ports)), VISITORS)
        ]
        kinds = {"view1": by_view(ports[0]), "view2": by_view(ports[1])}
        kinds |= {"thread1": publish, "thread2": publish}
        self._publishers = [
            Publisher(name, CHANNELS, self._over, push) for name, push in kinds.items()
        ]
        self._faults = Faults(site.redis, site.reloaded, min(max(seconds / 12, 0.5), 5))

    def end(self):
        """Let everybody come to an end, and be forgotten by the servers."""
        self._faults.stop()
        self._over.set()
        for one in self._attackers:
            one.stop()
        self._join(self._publishers)
        self.messages = [message for one in self._publishers for message in one.messages]
        self.messages += say_end(CHANNELS)
        self._join([*self._residents, *self._visitors])
        time.sleep(PING_INTERVAL + PING_TIMEOUT + 0.5)  # some have left without a word

    def _join(self, threads):
        deadline = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
            assert not thread.is_alive(), f"{thread} did not come to an end"

    @property
    def stays(self):
        return [stay for guest in (*self._residents, *self._visitors) for stay in guest.stays]

    @property
    def counts(self):
        """How many sockets came and went in each way, and how often each fault was made."""
        others = [*self._residents, *self._visitors, *self._attackers]
        return sum((one.counts for one in others), Counter()) + self._faults.counts

    @property
    def failures(self):
        """What should not have happened: to sockets that should have stayed, or to a fault."""
        all_ = (*self._residents, *self._visitors, *self._attackers, self._faults)
        return [one.failure for one in all_ if one.failure is not None]
