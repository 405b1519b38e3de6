"""The body of a request, for the application to read."""

from collections.abc import Callable

from gevent.pywsgi import Input

from django_socketio.server.compat.gevent import InvalidClientInput


class Body(Input):
    """A request's body. Where it is cut short, or badly chunked, that is the client's mistake."""

    __slots__ = ()

    def read(self, length: int | None = None) -> bytes:
        """Read up to ``length`` bytes, or all."""
        return self._checked(super().read, length)

    def readline(self, size: int | None = None) -> bytes:
        """Read a line."""
        return self._checked(super().readline, size)

    def _chunked_read(self, length: int | None = None, use_readline: bool = False) -> bytes:
        """Read from ``rfile``, which is the content of the chunks."""
        self._send_100_continue()
        read = self.rfile.readline if use_readline else self.rfile.read
        content: bytes = read(-1 if length is None else length)
        return content

    def _checked(self, read: Callable[[int | None], bytes], size: int | None) -> bytes:
        try:
            return read(size)
        except (ValueError, OSError) as error:
            if getattr(error, "errno", None) is not None:  # of the connection
                raise
            self._chunked_input_error = True  # type: ignore[misc]  # nothing more is read
            # What pywsgi answers with 400; of other errors it would print the traceback.
            raise InvalidClientInput(str(error)) from None
