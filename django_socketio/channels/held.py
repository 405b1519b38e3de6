"""A person on a channel, by sockets of this process."""

from django_socketio.concurrency.timers import Timer
from django_socketio.relay.roster import Presence


class Held:
    """A person on a topic, by sockets of this process."""

    __slots__ = ("details", "held", "sockets", "timer")

    def __init__(self, details: str) -> None:
        self.details = details
        self.sockets: dict[str, Presence] = {}
        self.held: Presence | None = None
        """How the rosters have the person for this process; None if that is not known."""
        self.timer: Timer | None = None

    @property
    def presence(self) -> Presence:
        """How the sockets have the person; while the time of grace runs, as before."""
        if not self.sockets and self.timer is not None:
            return self.held or Presence.ONLINE
        if not self.sockets:
            return Presence.GONE
        return Presence.ONLINE if Presence.ONLINE in self.sockets.values() else Presence.AWAY
