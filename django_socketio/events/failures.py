"""Handlers that fail: the log is told, and the handlers of ``on_error`` get the error."""

from typing import Any

from django_socketio.concurrency.failures import failures
from django_socketio.concurrency.repeated import RepeatedErrors
from django_socketio.events.handlers import Call
from django_socketio.exceptions import WrongArguments
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.sockets")


class Failures:
    """Reports the errors of handlers.

    Args:
        errors: writes the log, and counts errors that repeat.
        on_error: calls the handlers of ``on_error``.

    """

    def __init__(self, errors: RepeatedErrors, on_error: Call) -> None:
        self.errors = errors
        self._on_error = on_error

    def handler_failed(
        self, error: BaseException, request: Any, socket: Any, context: dict[str, Any]
    ) -> None:
        """Log the error of a handler, and report it."""
        if not isinstance(error, WrongArguments):
            self.errors.log("A handler of %r failed", socket, error=error)
        elif self.errors.is_new(error):
            logger.warning("%r: %s", socket, error)
        self.report(error, request, socket, context)

    def report(
        self, error: BaseException, request: Any, socket: Any, context: dict[str, Any]
    ) -> None:
        """Call the handlers of ``on_error``; an error of theirs is logged only."""
        try:
            self._on_error(request, socket, context, (error,))
        except failures() as failure:
            self.errors.log("A handler of on_error failed for %r", socket, error=failure)
