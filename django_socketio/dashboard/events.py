"""What the page asks its server for, on a socket of its own."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django_socketio import Emitted, disconnect, emit, site_stats
from django_socketio.dashboard.access import DISCONNECT, NAMESPACE, SEND, VIEW, log, require
from django_socketio.dashboard.targets import NotFound, Target, find
from django_socketio.events import on_connect, on_event
from django_socketio.exceptions import SocketIOError
from django_socketio.monitoring.site import site_sockets
from django_socketio.protocol import json
from django_socketio.publishing.presences import people_on

LONGEST = 100_000
"""Characters of a message."""


@on_connect(namespace=NAMESPACE)
def connect(request: Any, socket: Any, context: Any) -> None:
    """Admit users with the permission.

    Raises:
        PermissionDenied: the user has it not.

    """
    require(request.user, VIEW)


def answering(permission: str) -> Callable[[Any], Any]:
    """Return a decorator of handlers that need a permission, and answer errors by a text."""

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def handle(request: Any, socket: Any, context: Any, *args: Any) -> Any:
            require(request.user, permission)
            try:
                return handler(request.user, *args)
            except (NotFound, SocketIOError, ValueError) as error:
                return {"error": str(error)}

        return handle

    return decorate


@on_event("stats", namespace=NAMESPACE)
@answering(VIEW)
def stats(user: Any) -> Any:
    """Return the numbers of all processes."""
    return site_stats()


@on_event("find", namespace=NAMESPACE)
@answering(VIEW)
def look(user: Any, asked: Any) -> Any:
    """Return the sockets of a target, and who is present there."""
    target = find(asked)
    sockets = [one for topic in target.topics for one in site_sockets(topic)]
    people = people_on(target.presence) if target.kind == "channel" else []
    return {
        "name": str(target),
        "sockets": sockets,
        "people": [{"id": one.id, "user": one.user_id, "away": one.is_away} for one in people],
    }


@on_event("send", namespace=NAMESPACE)
@answering(SEND)
def send(user: Any, asked: Any, event: Any, text: Any) -> Any:
    """Send an event to a target; its argument is JSON, or the text itself."""
    target, message = find(asked), _message(text)
    emitted = emit(str(event or ""), message, **target.audience)
    done = f"Sent {event!r:.100} to {target}: {_received(emitted)}"
    return _logged(user, target, done)


@on_event("disconnect sockets", namespace=NAMESPACE)
@answering(DISCONNECT)
def end(user: Any, asked: Any) -> Any:
    """Disconnect the sockets of a target."""
    target = find(asked)
    emitted = disconnect(**target.audience, reason=f"disconnected by {user.get_username()}"[:200])
    done = f"Disconnected {target}: {_received(emitted)}"
    return _logged(user, target, done)


def _logged(user: Any, target: Target, done: str) -> dict[str, str]:
    log(user, str(target), done)
    return {"done": done}


def _received(emitted: Emitted) -> str:
    units = {"sockets": "socket", "processes": "process"}
    unit = units[emitted.unit] if emitted.received == 1 else emitted.unit
    return f"received by {emitted.received} {unit}"


def _message(text: Any) -> Any:
    if not isinstance(text, str) or len(text) > LONGEST:
        raise NotFound(f"A message is a text of up to {LONGEST:,} characters")
    try:
        return json.loads(text)
    except ValueError:
        return text
