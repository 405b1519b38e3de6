"""The owner of a socket, which is its client, and the owner's login, as lifecycles use them."""

from typing import Any, Protocol

from django_socketio.relay.topics import Topic

Identity = list[str | None]
"""The name of a Django session between processes, and the primary key of its user."""

Proof = list[str]
"""A user who was logged in by ``socket.login``, as processes name one to each other."""


class LoginState(Protocol):
    """The login that a client connected with."""

    over: bool
    """Whether the login has ended: no waiting event may be handled in its name."""

    is_verified: bool
    """Whether the user of the login is known to be logged in."""

    is_accepted: bool
    """Whether a socket of the client has been accepted."""

    user_id: str | None
    """The user's primary key as a text; None for an anonymous user."""

    client: Any
    """The client that is told to ``follow_user`` where the login loses its user."""

    def log_in(self, user: Any) -> None:
        """Have the client be this user."""

    def audiences(self, namespace: str) -> tuple[Topic, ...]:
        """Return the topics of the user, the Django session and the groups of the login."""

    session: Any
    """The connection that is closed when the login ends."""

    def continues(self, earlier: Any) -> bool:
        """Return whether the client of an earlier login goes on with this one.

        It does with the same Django session, and the same user, who is still logged in. A user of
        ``socket.login`` has to be logged in again.
        """

    def identity(self) -> Identity:
        """Return what tells another process which login this is."""

    def allows(self, identity: Identity) -> bool:
        """Return whether a client with this login may have the sockets of this one."""

    def proof(self) -> Proof:
        """Return who was logged in by ``socket.login``, for another login; [] without a user."""

    def user_of(self, proof: Proof) -> Any:
        """Return the user of the proof of another login; None if there is none who may log in."""

    def verify(self) -> bool:
        """Return whether the user is still logged in; otherwise the login ends."""

    def release(self) -> None:
        """Note that the client is over, and its last handler has run."""


class SocketOwner(Protocol):
    """The client that a socket belongs to."""

    login: LoginState

    def log_in(self, user: Any) -> None:
        """Have this user be logged in for all sockets of the client."""

    def follow_user(self) -> None:
        """Have all sockets in the audiences of the user who is logged in now."""

    def displace(self, lifecycle: Any) -> None:
        """Dispatch no more packets to this lifecycle, but end it with the login."""

    def forget(self, lifecycle: Any) -> None:
        """Dispatch no more packets to this lifecycle."""

    def finished(self) -> None:
        """Count one socket less: its last handler has run."""

    @property
    def is_asked(self) -> bool:
        """Whether anybody waits for an answer of the client, in any namespace."""

    def resume(self) -> None:
        """Resume the session, whichever socket has paused it."""

    def awaits(self, lifecycle: Any) -> bool:
        """Return whether the other side still waits for the answer to this CONNECT."""
