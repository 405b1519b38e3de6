"""The listeners of a transport."""

from typing import Any, Protocol

from django_socketio.exceptions import ProtocolError


class TransportListener(Protocol):
    """Receives the data of a transport, in the event loop or a greenlet. It must not block."""

    def data_received(self, data: str | bytes) -> None:
        """Take a message of the client."""

    def extra_received(self, frames: int, size: int) -> None:
        """Count frames of the client without a message, of ``size`` bytes."""

    def transport_closed(self, reason: str, error: ProtocolError | None) -> None:
        """End: the transport receives and sends nothing any more."""


class WebSocketListener(TransportListener, Protocol):
    """A listener of a WebSocket that is not Engine.IO's."""

    def opened(self, websocket: Any) -> None:
        """Tell that the WebSocket is open; ``websocket`` sends and closes."""


class PendingUpgrade(Protocol):
    """A WebSocket that asks to replace the long-polling of a session."""

    def close(self, code: int, reason: str) -> None:
        """End the upgrade, and close the WebSocket."""
