"""Processes that hold people on a channel, with a clock of their own, for tests of presence."""

from contextlib import contextmanager

from django_socketio.channels.presence import PresenceKeeper
from django_socketio.concurrency.executors import InlineExecutor
from django_socketio.concurrency.timers import Timers
from django_socketio.relay.roster import Presence
from django_socketio.relay.topics import presence_topic

ROOM = presence_topic("/", "room-1")


class Site:
    """Several processes, and what their handlers were told.

    Attributes:
        now: the time of all processes, in seconds.
        told: the joins and leaves of all processes, in their order.

    """

    def __init__(self, grace=5.0):
        self.grace = grace
        self.now = 1000.0
        self.processes = []
        self.told = []
        self._acting = []

    def start(self, rosters):
        """Return a new process, which looks after the others from now on."""
        process = Process(self, rosters)
        self.processes.append(process)
        process.keeper.begin()
        return process

    def advance(self, seconds, step=1.0):
        """Let time pass, in steps: what is due in each process happens at its time."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + step, end)
            for process in self.processes:
                process.run()

    @contextmanager
    def acting(self, process):
        """Note that a process does something."""
        self._acting.append(process)
        try:
            yield
        finally:
            self._acting.pop()

    def run_others(self):
        """Run all processes while one is in the midst of something."""
        if len(self._acting) == 1:
            for process in self.processes:
                if process not in self._acting:
                    process.run()

    def announce(self, changes):
        """Note what handlers are told."""
        for change in changes:
            if change.before is Presence.GONE:
                self.told.append(("join", change.person))
            elif change.presence is Presence.GONE:
                self.told.append(("leave", change.person))


class Process:
    """A process of the site.

    Attributes:
        is_running: whether it works: not if it is frozen, or was killed.
        has_frozen: whether it has ever been frozen, or was killed.

    """

    def __init__(self, site, rosters):
        self.is_running = True
        self.has_frozen = False
        self._site = site
        self._timers = Timers(lambda: site.now)
        executor = InlineExecutor()
        self.keeper = PresenceKeeper(rosters, self._timers, executor, site.grace, site.announce)
        self._count = 0

    def run(self):
        """Do what is due."""
        self.has_frozen = self.has_frozen or not self.is_running
        if self.is_running:
            with self._site.acting(self):
                self._timers.call_due()

    def open(self, person, socket_id=None, topic=ROOM):
        """Have a tab of a person open; return the id of its socket."""
        self._count += 1
        socket_id = socket_id or f"{id(self)}-{self._count}"
        with self._site.acting(self):
            self.keeper.joined(topic, socket_id, person, f'[null,"{person}"]')
        return socket_id

    def close(self, socket_id, at_once=False, topic=ROOM):
        """Have a tab end."""
        with self._site.acting(self):
            self.keeper.left(topic, socket_id, 0 if at_once else self._site.grace)
