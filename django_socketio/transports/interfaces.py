"""Who hears from a transport."""

from typing import Any, Protocol

from django_socketio.exceptions import ProtocolError


class TransportListener(Protocol):
    """What a transport tells, from the event loop or a greenlet. It must not block."""

    def data_received(self, data: str | bytes) -> None:
        """A message of the client."""

    def extra_received(self, frames: int, size: int) -> None:
        """Frames of the client that held no message, of ``size`` bytes."""

    def transport_closed(self, reason: str, error: ProtocolError | None) -> None:
        """No message comes any more, and none is sent."""


class WebSocketListener(TransportListener, Protocol):
    """A listener of a WebSocket that is not Engine.IO's."""

    def opened(self, websocket: Any) -> None:
        """Tell that the WebSocket is open; ``websocket`` sends and closes."""
