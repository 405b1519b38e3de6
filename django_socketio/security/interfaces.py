"""The connections that logins end, and the registry of logins, as logins use them."""

from collections.abc import Sequence
from typing import Any, Protocol


class Connection(Protocol):
    """A client's session, or another connection that ends with its login."""

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended."""

    def close(self, reason: str) -> None:
        """End the connection, for one of the reasons in ``Reason``."""


class Registry(Protocol):
    """The part of a ``LoginRegistry`` that its logins use."""

    touched: dict[tuple[Any, object], Any]
    """Requests whose user or session a worker has read, with the worker, until it settles them."""

    def add(self, login: Any) -> None:
        """Have a login end with its Django session, and with its user."""

    def doubt(self, user_key: str | None) -> None:
        """Have logins of a user examined that begin soon."""

    def discard(self, login: Any) -> None:
        """Forget a login."""

    def groups_of(self, user_key: str) -> Sequence[str]:
        """Return the primary keys of a user's groups, as texts."""

    def settle(self, request: Any, error: BaseException | None) -> None:
        """Forget the user and the session that were read, if they were."""
