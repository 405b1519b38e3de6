"""Users who have changed, and are looked for among the sockets of a process."""

from collections.abc import Callable, Collection

from django_socketio.concurrency.mailbox import Mailbox


class ChangedUsers:
    """Users who wait for a walk over all sockets; one walk looks for all of them.

    Args:
        mailbox: runs the walks.
        walk: called with the primary keys of the users; with None for all users.

    """

    def __init__(self, mailbox: Mailbox, walk: Callable[[Collection[str] | None], None]) -> None:
        self._mailbox = mailbox
        self._walk = walk
        self._users: set[str] | None = set()
        self._is_waiting = False

    def add(self, user: str | None) -> None:
        """Have a user looked for, all users without one."""
        if user is None:
            self._users = None
        elif self._users is not None:
            self._users.add(user)
        if not self._is_waiting:
            self._is_waiting = True
            self._mailbox.put(self._look)

    def _look(self) -> None:
        users, self._users, self._is_waiting = self._users, set(), False
        self._walk(users)
