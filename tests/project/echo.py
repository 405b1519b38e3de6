"""WebSockets that send every message back, for tools that judge RFC 6455.

``echo`` is a view that waits for messages in a greenlet of its own. ``echo_at_once`` has its
messages from the event loop. Both are reached as the sockets are (Django, the engine's handshake,
the event loop), and speak no Engine.IO: a message, text or binary, goes back in one frame.
"""

from django_socketio import WebSocketListener, accept, require_websocket


@require_websocket(subprotocols=["third", "second"])
def echo(request):
    """Send messages back until the client leaves."""
    for message in request.websocket:
        request.websocket.send(message)


class Echo(WebSocketListener):
    """Sends messages back."""

    def on_message(self, message):
        self.send(message)


def echo_at_once(request):
    """Answer the handshake."""
    return accept(request, Echo())
