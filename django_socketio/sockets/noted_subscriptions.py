"""The presence of a socket's user on the channels that the socket is on."""

from collections.abc import Mapping
from typing import Any

from django_socketio.channels.registry import Channels
from django_socketio.sockets.subscriber import Subscriber


class NotedSubscriptions:
    """Channels of one socket on which people are noted, if the site notes any."""

    __slots__ = ()

    _channels: Channels
    _socket: Subscriber | None
    names: tuple[str, ...]

    def admitted(self, channel: str) -> None:
        """Note the presence of the socket's user on a channel, unless the socket has left it."""
        presence, socket = self._channels.presence, self._socket
        if presence is not None and socket is not None and channel in self.names:
            presence.admitted(socket, channel)

    def moved_here(self) -> None:
        """Note the presence of the socket's user, which its earlier process does not any more."""
        if self._channels.presence is not None and self._socket is not None:
            self._channels.presence.moved_here(self._socket, self.names)

    def note_away(self, is_away: bool) -> None:
        """Note that the client is away, and may come back to the socket; or that it is back."""
        if self._channels.presence is not None and self._socket is not None:
            self._channels.presence.set_away(self._socket, self.names, is_away)

    def watch(self, channel: str, since: Any) -> None:
        """Have the client told who is on a channel.

        Raises:
            ChannelError: nobody's presence is noted on the channel.

        """
        if self._channels.presence is not None and self._socket is not None:
            self._channels.presence.watch(self._socket, channel, since)

    @property
    def watched(self) -> dict[str, str]:
        """The channels of which the client is told who is there, and up to which positions."""
        presence, socket = self._channels.presence, self._socket
        return {} if presence is None or socket is None else presence.watched(socket, self.names)

    def go_on_watching(self, watched: Mapping[str, str]) -> None:
        """Have the client told who is on channels, from positions on."""
        presence, socket = self._channels.presence, self._socket
        if presence is not None and socket is not None:
            for channel, since in watched.items():
                presence.watch_soon(socket, channel, since)
