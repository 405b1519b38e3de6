"""Events of a test's client for one of its channels."""

from collections.abc import Callable
from typing import Any


class ChannelSender:
    """Sends events for one channel, as ``socket.channel(name)`` of ``socketio.js`` does.

    Args:
        emit: sends an event of the client.
        channel: the channel, which handlers get as ``socket.event_channel``.

    """

    def __init__(self, emit: Callable[..., Any], channel: str) -> None:
        self._emit = emit
        self._channel = channel

    def emit(self, event: str, *args: Any) -> Any:
        """Send an event for the channel; otherwise as ``SocketClient.emit``."""
        return self._emit("channel", self._channel, event, *args)

    def send(self, message: Any) -> Any:
        """Send a message for the channel; otherwise as ``SocketClient.emit``."""
        return self.emit("message", message)
