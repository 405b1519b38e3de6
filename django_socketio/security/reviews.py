"""The review of channels: whether clients may still have those that they are on."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from django_socketio.events import may_subscribe
from django_socketio.relay.topics import TopicKind

if TYPE_CHECKING:  # every process of a site imports this module, and few hold sockets
    from django_socketio.sockets.lifecycle import SocketLifecycle


class Reviews:
    """Has the functions of ``may_subscribe`` asked again, where there are any.

    Args:
        slots: into how many parts the sockets are divided, of which ``look`` reviews one.

    Attributes:
        lifecycles: returns those of the sockets of this process.

    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._turn = 0
        self.lifecycles: Callable[[], list[SocketLifecycle]] = list

    def look(self) -> None:
        """Review the next part of the sockets; each has its turn once in so many calls."""
        self._turn = (self._turn + 1) % self._slots
        for lifecycle in self._all():
            if (id(lifecycle) >> 6) % self._slots == self._turn:
                lifecycle.review()

    def of_users(self, users: Collection[str] | None) -> None:
        """Review the sockets of users whose rights have changed; of all users without ``users``."""
        for lifecycle in self._all():
            for topic in lifecycle.socket.subscriptions.audiences:
                if topic.kind is TopicKind.USER and (users is None or topic.name in users):
                    lifecycle.review()

    def _all(self) -> list["SocketLifecycle"]:
        has_functions = bool(may_subscribe.event.handlers.registrations)
        return self.lifecycles() if has_functions else []
