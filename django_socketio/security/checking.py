"""The check of logins against the database."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from django_socketio.security import sessions


class CheckedLogin(Protocol):
    """A login, as the check uses it."""

    session_key: str | None
    user_id: str | None
    own_data: sessions.Data | None

    def confirm(self, is_logged_in: bool) -> None:
        """Note whether the user is still logged in."""


class Stated(NamedTuple):
    """What a login says of its user."""

    key: str
    user_id: str | None
    data: sessions.Data | None


def stated(login: CheckedLogin) -> Stated:
    """Return what a login says now; a handler may change it while the database is read."""
    # Tabs of one Django session may have users of their own by socket.login.
    key = login.session_key if login.own_data is None else f"login {id(login)}"
    return Stated(str(key), login.user_id, login.own_data)


def check(logins: Iterable[CheckedLogin]) -> None:
    """Confirm, or end, each login that still says the same when the database has answered.

    Raises:
        DatabaseError, OSError: users or sessions cannot be read.

    """
    before = [(login, stated(login)) for login in logins]
    users = sessions.users_of(_data_of([state for _, state in before]))
    for login, state in before:
        if stated(login) == state:
            login.confirm(users.get(state.key) == state.user_id)


def _data_of(states: list[Stated]) -> dict[str, sessions.Data]:
    """Return the content of the session that logs each user in, by its key."""
    own = {state.key: state.data for state in states if state.data is not None}
    return {**sessions.load({state.key for state in states if state.data is None}), **own}
