"""Answers that end where their heads say so (RFC 9112, section 6)."""

from typing import Any

from gevent.pywsgi import WSGIHandler

from django_socketio.server.stream import Stream

BODILESS = (204, 304)
"""Codes of answers without a body (RFC 9110, section 6.4.1)."""


class FramedAnswers(WSGIHandler):
    """Sends as much of an answer as its head announces; where that cannot be, the connection ends.

    pywsgi sends whatever the application returns. What is too much would be taken for the next
    answer, and a client would wait for what is missing.
    """

    rfile: Stream
    code: Any
    close_connection: bool
    _left: int | None = None
    """Bytes that are missing of the answer; None if its head does not announce how many come."""

    def finalize_headers(self) -> None:
        """Complete the head of an answer; say so when the connection is closed after it."""
        has_body = self.command != "HEAD" and self.code not in BODILESS
        self.close_connection = (
            self.close_connection or self.has_broken_body() or (has_body and self._lacks_end())
        )
        super().finalize_headers()
        if self.close_connection:
            self._say_that_it_closes()
        length = self.provided_content_length or ""
        self._left = int(length) if has_body and length.isdecimal() else None
        if self.command == "HEAD":
            self.response_use_chunked = False  # or an end of chunks would follow

    def has_broken_body(self) -> bool:
        """Return whether nobody knows where the body of the request ends."""
        return bool(getattr(self.wsgi_input, "_chunked_input_error", False))

    def _lacks_end(self) -> bool:
        """Return whether only the end of the connection can end the answer: there are no chunks."""
        is_counted = self.provided_content_length is not None or hasattr(self.result, "__len__")
        return self.request_version != "HTTP/1.1" and not is_counted

    def _say_that_it_closes(self) -> None:
        fields = [one for one in self.response_headers if not _keeps_alive(*one)]
        if not any(name.lower() == b"connection" for name, _ in fields):
            fields.append((b"Connection", b"close"))
        self.response_headers[:] = fields

    def process_result(self) -> None:
        """Send what the application returns."""
        if self.command == "HEAD":
            self._send_head_alone()
        else:
            super().process_result()
        if self._left:
            self.close_connection = True  # less came than was announced

    def _send_head_alone(self) -> None:
        """Send the head; ask the application for content only as long as it has not begun."""
        content = iter(self.result)
        while not self.status and next(content, None) is not None:
            pass
        if self.status and not self.headers_sent:
            self.write(b"")

    def _write(self, data: bytes) -> None:
        # A body in the answer to HEAD would be taken for the next answer (RFC 9110, 9.3.2).
        if self.command == "HEAD" or self.socket is None:
            return
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self.rfile.give_turn()  # a client may take as much as there is
        super()._write(data)


def _keeps_alive(name: bytes, value: bytes) -> bool:
    return name.lower() == b"connection" and value.lower() == b"keep-alive"
