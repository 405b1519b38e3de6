"""Accepting a raw WebSocket in a view: the lower level, without a greenlet."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from django_socketio.protocol.websocket.handshake import SUBPROTOCOL
from django_socketio.server.handshake import Handshake
from django_socketio.server.view import no_sockets
from django_socketio.websockets.listener import WebSocketListener


def accept(
    request: HttpRequest, listener: WebSocketListener, subprotocols: Sequence[str] = ()
) -> HttpResponse:
    """Accept a raw WebSocket in a view; return the answer of the view.

    The WebSocket begins when the server sends this answer: a middleware may still answer otherwise.
    The rule for origins, the limits and the end of the login are those of sockets. A request that
    opens no WebSocket is answered 400; on a server that holds no WebSockets, the answer is 501.

    Args:
        request: the request of the view.
        listener: told when the WebSocket is open, of its messages and of its end.
        subprotocols: those that the view speaks, the preferred one first. The first of them that
            the client offers becomes ``listener.subprotocol``.

    Raises:
        DisallowedHost: the Host is none of ``ALLOWED_HOSTS``; Django answers 400.
        TypeError: ``subprotocols`` is a string.

    """
    names = check_subprotocols(subprotocols)
    handshake = Handshake.of(request)
    if handshake is None:
        return no_sockets()
    listener.bind(handshake.server, request)
    response = handshake.accept(request, listener, names)
    listener.subprotocol = response.headers.get(SUBPROTOCOL)
    return response


def check_subprotocols(names: Sequence[str]) -> Sequence[str]:
    """Return the names of subprotocols.

    Raises:
        TypeError: it is a string, or not a list of strings.

    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f'subprotocols is a list of names, such as ["chat.v1"], not {names!r}')
    return names
