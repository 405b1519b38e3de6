"""Objects of the server that travel in a request's environ."""

from typing import Any, Generic, NoReturn, TypeVar

Content = TypeVar("Content")


class Opaque(Generic[Content]):
    """A wrapper that hides an object of the server from everything else that reads an environ.

    Django's error reports, error trackers and middlewares print, walk and copy whatever an environ
    holds. The server's objects refer to the environ, to sids and to all sessions.

    Args:
        content: the object.

    """

    __slots__ = ("_content",)

    def __init__(self, content: Content) -> None:
        self._content = content

    def open(self) -> Content:
        """Return the object."""
        return self._content

    def __repr__(self) -> str:
        return "<django_socketio>"

    def __copy__(self) -> "Opaque[Content]":
        return self

    def __deepcopy__(self, memo: Any) -> "Opaque[Content]":
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an object of django-socketio's server cannot be pickled")
