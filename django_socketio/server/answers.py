"""Answers of WSGI applications, read far enough to know their status before any of them is sent."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Head = tuple[Any, ...]
"""What an application hands to ``start_response``: status, header fields, exception."""


class WSGIAnswer:
    """What a WSGI application answers (PEP 3333), until ``send`` hands it on to the server.

    An application may call ``start_response`` as late as with the first bytes of its body, or more
    than once, and may send a body by the function that ``start_response`` returns.

    Args:
        application: the application, with whatever is around it.
        environ: the request.

    Attributes:
        status: the status line.
        headers: the header fields.

    Raises:
        RuntimeError: the application does not call ``start_response``.

    """

    def __init__(self, application: Any, environ: dict[str, Any]) -> None:
        self._head: Head | None = None
        self._read: list[bytes] = []
        self._start: Callable[..., Any] | None = None
        self._write: Callable[[bytes], Any] = self._read.append
        self._body: Iterable[bytes] = application(environ, self._start_response)
        try:
            self._rest = self._read_head()
        except BaseException:
            self.close()
            raise
        self.status, self.headers = self._known_head()[:2]

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        if self._start is not None:
            self._start(status, headers, exc_info)  # raises, for the head has been sent
        self._head = (status, headers, exc_info)
        return self._take

    def _take(self, data: bytes) -> None:
        self._write(data)

    def _read_head(self) -> Iterator[bytes]:
        chunks = iter(self._body)
        for chunk in chunks:
            if chunk:
                self._read.append(chunk)
                break
        return chunks

    def _known_head(self) -> Head:
        if self._head is None:
            self.close()
            raise RuntimeError("the WSGI application did not call start_response for its answer")
        return self._head

    def send(self, start_response: Callable[..., Any]) -> "WSGIAnswer":
        """Begin the answer; return its body."""
        head = self._known_head()
        self._start = start_response
        self._write = start_response(*head if head[2] else head[:2])
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield from self._read
        yield from self._rest

    def close(self) -> None:
        """Let go of the application's body."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
