"""The people on channels, as the page of a client of a test is told of them."""

from collections.abc import Mapping
from typing import Any

from django_socketio.channels.people import Person


class SeenPeople(dict[str, dict[str, Person]]):
    """The people that a client has been told of, by channel."""

    def take(self, channel: str, update: Mapping[str, Any]) -> None:
        """Take an event of the server."""
        seen = self.setdefault(channel, {})
        if update.get("page") == 1 and "people" in update:
            seen.clear()
        for one in (*update.get("people", ()), *update.get("changes", ())):
            if one.get("gone"):
                seen.pop(one["id"], None)
            else:
                seen[one["id"]] = Person(one["id"], one["user"], one["info"], one["away"])
