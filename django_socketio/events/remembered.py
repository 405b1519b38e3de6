"""The calls of an event for the channels that clients name, within a limit of memory."""

from sys import getsizeof

from django_socketio.events.handlers import Call

Calls = tuple[Call, ...]
Key = tuple[str, tuple[str, ...]]
"""A namespace and channels."""

REMEMBERED_BYTES = 2_000_000
"""Memory of one event for the channels, and sets of channels, whose handlers are known."""

ENTRY_BYTES = 200
"""Memory of one entry, its channels' names aside."""


class Remembered:
    """The calls that were found for channels, as long as their names take little memory.

    Clients choose the names, so the limit counts bytes instead of names. Past the limit, the
    entries that were added first are forgotten.
    """

    def __init__(self) -> None:
        self._entries: dict[Key, Calls] = {}
        self._size = 0
        self.get = self._entries.get

    def add(self, key: Key, found: Calls) -> None:
        """Remember the calls for a namespace and channels."""
        self._entries[key] = found
        self._size += _size(key)
        while self._size > REMEMBERED_BYTES:
            oldest = next(iter(self._entries))
            del self._entries[oldest]
            self._size -= _size(oldest)


def _size(key: Key) -> int:
    """Return about how many bytes an entry takes, with the names that it keeps."""
    return ENTRY_BYTES + sum(map(getsizeof, key[1])) + getsizeof(key[1])
