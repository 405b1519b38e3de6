"""The connection that the sockets of one page share, as with the Manager of JavaScript's client."""

from collections.abc import Mapping

from django.test import Client

from django_socketio.testing.connection import Connection
from django_socketio.testing.server import InlineServer


class Manager:
    """Opens the connections of a page, one after the other.

    The arguments are those of ``Connection``.
    """

    def __init__(self, http: Client, headers: Mapping[str, str] | None, secure: bool) -> None:
        self._http = http
        self._headers = headers
        self._secure = secure
        self._connection: Connection | None = None

    def open(self) -> Connection:
        """Return the connection of the page to the server of the test; open one if none is."""
        server, connection = InlineServer.of_test(), self._connection
        if connection is None or connection.server is not server or not connection.is_used:
            if connection is not None:
                connection.leave()
            connection = Connection(server, self._http, self._headers, self._secure)
            self._connection = connection
        return connection
