"""The handlers that a test registers, or its class: they are removed at its end."""

import sys
from functools import partial
from traceback import walk_stack

from django_socketio.events.handlers import Handlers, Registration
from django_socketio.testing.running import at_end_of_class, at_end_of_test

_IMPORT = "<frozen importlib._bootstrap>"
"""The file name in the frames of imports."""


def watch() -> None:
    """Have the handlers that tests register from now on removed at the end of each test."""
    Handlers.added = _added


def _added(handlers: Handlers, registration: Registration) -> None:
    if not _is_importing():
        discard = partial(handlers.discard, registration)
        at_end_of_test(discard, late=True) or at_end_of_class(discard)


def _is_importing() -> bool:
    """Return whether a module is being imported: its handlers outlast the test that needed it."""
    frames = walk_stack(sys._getframe())
    return any(frame.f_code.co_filename == _IMPORT for frame, _ in frames)
