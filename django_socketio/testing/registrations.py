"""The handlers that a test registers: they are removed at its end."""

from django_socketio.events.handlers import Handlers, Registration
from django_socketio.testing.running import at_end_of_test


def watch() -> None:
    """Have the handlers that tests register from now on removed at the end of each test."""
    Handlers.added = _added


def _added(handlers: Handlers, registration: Registration) -> None:
    at_end_of_test(lambda: handlers.discard(registration))
