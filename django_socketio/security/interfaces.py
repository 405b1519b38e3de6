"""The connections that logins end."""

from typing import Protocol


class Connection(Protocol):
    """A client's session, or another connection that ends with its login."""

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended."""

    def close(self, reason: str) -> None:
        """End the connection, for one of the reasons in ``Reason``."""
