"""What the page of a client of a test keeps of its channels: how to ask for them, their people."""

from collections.abc import Collection, Mapping
from typing import Any

from django_socketio.channels.people import Person
from django_socketio.security import channel_tokens
from django_socketio.security.channel_tokens import TokenError
from django_socketio.testing.people import SeenPeople


class Page:
    """The channels of a page.

    Attributes:
        asked: what to ask for when the client reconnects: the name of a channel or its token, by
            the name.
        people: whom the page is told of.

    """

    def __init__(self) -> None:
        self.asked: dict[str, str] = {}
        self.people = SeenPeople()
        self._ids: set[str] = set()

    def subscribed(self, channel: str, told: Mapping[str, Any]) -> list[list[Any]]:
        """Note a channel; return the messages that have come with the answer of the server."""
        name = told.get("channel", channel)
        self.asked[name] = told.get("token", name)
        self.people.pop(name, None)  # the server may have taken the page off the channel before
        return self._missed(told)

    def _missed(self, told: Mapping[str, Any]) -> list[list[Any]]:
        """Return the messages of an answer, without those that an earlier one has told."""
        messages, ids = told.get("messages", ()), told.get("ids", {})
        known = {number for number, id in ids.items() if id in self._ids}
        self._ids.update(ids.values())
        return [one for number, one in enumerate(messages) if str(number) not in known]

    def left(self, channel: str) -> None:
        """Forget a channel, by its name or its token."""
        name = _name(channel)
        self.asked.pop(name, None)
        self.people.pop(name, None)

    def has_seen(self, channel: str, channels: Collection[str]) -> bool:
        """Return whether the page is told of the people on a channel, which it is on.

        Args:
            channel: the name of the channel.
            channels: those that the page is on; the server may have taken it off others.

        """
        if channel not in channels:
            self.people.pop(channel, None)
        return channel in self.people

    def seen(self, channel: str) -> list[Person]:
        """Return the people on a channel that the page is told of."""
        return [*self.people[channel].values()]


def _name(channel: str) -> str:
    if not channel_tokens.is_token(channel):
        return channel
    try:
        return channel_tokens.channel_of(channel)
    except TokenError:
        return channel  # the server refuses it
