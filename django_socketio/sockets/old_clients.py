"""Clients of Socket.IO 1 and 2: their packets are those of revision 4 of the protocol.

https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v4.md
(section "Exchange protocol")
"""

from collections.abc import Sequence
from typing import Any

from gevent import get_hub

from django_socketio.exceptions import ProtocolError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.protocol.socketio import v4
from django_socketio.transports.engineio3 import OldSession
from django_socketio.transports.session import Delegate, Session


class OldClient:
    """A client of revision 4, in front of the one that reads revision 5.

    The server connects such a client to the default namespace without being asked.

    Args:
        delegate: receives the messages of revision 5.
        session: the client's session.

    Attributes:
        login: the login of the client.

    """

    __slots__ = ("_delegate", "_session", "login")

    def __init__(self, delegate: Any, session: Session) -> None:
        self._delegate: Delegate | None = delegate
        self._session = session
        self.login = delegate.login
        # In the next turn of the event loop, after the session's own first packet.
        get_hub().loop.run_callback(self._connect)

    def _connect(self) -> None:
        try:
            if self._delegate is not None:
                self._delegate.received(v4.CONNECT)
        except ProtocolError as error:
            self._session.close(Reason.PARSE_ERROR, error)

    def received(self, data: str | bytes) -> None:
        """Take a message of the client.

        Raises:
            ProtocolError: the protocol does not allow the message.

        """
        if self._delegate is not None:
            self._delegate.received(v4.to_v5(data) if isinstance(data, str) else data)

    def extra_received(self, count: int, size: int) -> None:
        """Count packets without a message.

        Raises:
            ProtocolError: the client has sent too many.

        """
        if self._delegate is not None:
            self._delegate.extra_received(count, size)

    def upgraded(self, unfetched: Sequence[str | bytes]) -> None:
        """Do nothing: an old client does not come back to its sockets."""

    def closed(self, reason: str, error: ProtocolError | None) -> None:
        """End: the session is over."""
        delegate, self._delegate = self._delegate, None
        if delegate is not None:
            delegate.closed(reason, error)


def delegate_of(client: Delegate, session: Session) -> Delegate:
    """Return what receives the messages of a session: the client, or an ``OldClient`` before it."""
    return OldClient(client, session) if isinstance(session, OldSession) else client
