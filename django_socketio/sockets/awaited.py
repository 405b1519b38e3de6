"""The interface of what gets an answer; not compiled, so that any class can have it."""

from abc import ABC, abstractmethod
from typing import Any


class Awaited(ABC):
    """An answer for the maker of a ``call``, which may be in another process."""

    @abstractmethod
    def set(self, values: list[Any]) -> None:
        """Take the arguments of the answer."""

    @abstractmethod
    def set_exception(self, error: Exception) -> None:
        """Note that no answer will come."""
