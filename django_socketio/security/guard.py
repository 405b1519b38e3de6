"""Logins and rates of connections that are not sessions: views hold raw WebSockets, for example."""

from typing import Any

from django.http import HttpRequest

from django_socketio.security.interfaces import Connection
from django_socketio.security.login import Login
from django_socketio.security.login_registry import LoginRegistry
from django_socketio.security.throttling import Meter, Throttle


class Guard:
    """Gives such a connection the login of its request and the rates of its address.

    Args:
        logins: the logins of the server's clients.
        throttle: the rates of the server's clients.

    """

    def __init__(self, logins: LoginRegistry, throttle: Throttle) -> None:
        self._logins = logins
        self._throttle = throttle

    def begin(self, connection: Connection, request: HttpRequest) -> Login:
        """Return the login of a connection, registered until its ``release``."""
        return self._logins.begin(connection, request)

    def meters(self, request: Any) -> tuple[Meter, ...]:
        """Return the meters that count what comes on a new connection."""
        return self._throttle.meters(request.META.get("REMOTE_ADDR") or "")
