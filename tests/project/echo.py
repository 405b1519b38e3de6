"""A WebSocket that sends every message back, for tools that judge RFC 6455.

It is reached as the sockets are (Django, the engine's handshake, the event loop), and speaks no
Engine.IO: what comes, text or binary, goes back in one frame.
"""

from django_socketio.server.view import accept
from django_socketio.transports.encoded import EncodedPacket


class Echo:
    """Listens to one connection."""

    def opened(self, websocket):
        self.websocket = websocket

    def extra_received(self, frames, size):
        """Count nothing."""

    def data_received(self, data):
        self.websocket.send(EncodedPacket([data]))

    def transport_closed(self, reason, error):
        self.websocket = None


def echo(request):
    """Answer the handshake."""
    return accept(request, Echo())
