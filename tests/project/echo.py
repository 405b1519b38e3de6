"""A WebSocket that sends every message back, for tools that judge RFC 6455.

It is reached as the sockets are (Django, the engine's handshake, the event loop), and speaks no
Engine.IO: what comes, text or binary, goes back in one frame.
"""

from django_socketio.server.view import _response
from django_socketio.server.wsgi import ENGINE, HANDSHAKE
from django_socketio.transports.encoded import EncodedPacket
from django_socketio.transports.http import EngineRequest, RequestError


class Echo:
    """Listens to one connection."""

    def __init__(self, transport, received):
        self.transport = transport
        transport.start(self)
        transport.feed(received)

    def extra_received(self, frames, size):
        """Count nothing."""

    def data_received(self, data):
        self.transport.send(EncodedPacket([data]))

    def transport_closed(self, reason, error):
        self.transport = None


def echo(request):
    """Answer the handshake."""
    engine_request = EngineRequest.of(request.META)
    try:
        answer = request.META[ENGINE].open()._accept(engine_request, Echo)
    except RequestError as error:
        answer = error.answer()
    handshake = request.META[HANDSHAKE].open()
    handshake.answer, handshake.request = answer, request
    return _response(answer, ())
