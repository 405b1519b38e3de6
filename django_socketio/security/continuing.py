"""Whether a client that comes back, to this process or to another one, has the login of before."""

from typing import Any, Protocol

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.core.exceptions import PermissionDenied
from django.utils.crypto import constant_time_compare, salted_hmac

from django_socketio.security import sessions

SALT = "django_socketio.logins"


class Continued(Protocol):
    """A ``Login``, as it is compared with another one."""

    over: bool
    own_data: sessions.Data | None

    @property
    def key(self) -> str | None:
        """The name of the session in topics."""

    def user_key(self) -> str | None:
        """Return the primary key of the user."""

    def identity(self) -> list[str | None]:
        """Return both."""

    def verify(self) -> bool:
        """Return whether the user is still logged in; otherwise the login ends."""

    def end(self) -> None:
        """End the client's sockets."""


def continues(login: Continued, earlier: Continued) -> bool:
    """Return whether the client of an earlier login of this process goes on with another one."""
    identity = login.identity()
    if login.over or not allows(earlier, identity):
        return False
    is_valid, now = login.verify(), login.identity()
    if login.over or (identity[1] and not now[1]):
        earlier.end()  # the same login
    return is_valid and allows(earlier, now)


def allows(earlier: Continued, identity: list[str | None]) -> bool:
    """Return whether a login has the Django session and the user of an earlier one.

    A user of ``socket.login`` is logged in again, so that there is none yet.
    """
    if earlier.over or identity[:1] != [earlier.key]:
        return False
    return earlier.own_data is not None or identity[1:2] == [earlier.user_key()]


# The proof goes between processes: it tells neither keys of sessions nor hashes of passwords


def proof_of(data: sessions.Data | None) -> list[str]:
    """Return the user of ``socket.login`` for another login; [] without one."""
    if data is None:
        return []
    return [str(sessions.user_id(data)), data[BACKEND_SESSION_KEY], _digest(data)]


def user_of(proof: list[str]) -> Any:
    """Return the user of the proof of another login.

    Returns None for [], and if the user may not log in any more, or has another password by now.
    """
    if not proof:
        return None
    id, path, digest = proof
    user = sessions.find_user(path, id)
    try:
        data = None if user is None else sessions.data_of(user)
    except PermissionDenied:
        return None
    is_same = data is not None and constant_time_compare(_digest(data), digest)
    return user if is_same else None


def _digest(data: sessions.Data) -> str:
    return salted_hmac(SALT, data[HASH_SESSION_KEY], algorithm="sha256").hexdigest()
