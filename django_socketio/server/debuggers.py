"""Debuggers on the terminal (``breakpoint()``, pdb, ipdb, debugpy) in a handler or a view."""

import sys
from types import FrameType

REMOTE = ("_pydevd", "pydevd")
"""The beginnings of the names of modules in which debugpy and PyCharm's debugger wait."""


def leave_interrupts_to_server() -> None:
    """Have pdb, and the debuggers made from it, leave Ctrl-C to the server.

    In the main thread, pdb handles SIGINT from the first ``continue`` on, and for good: Ctrl-C then
    opens the debugger again. In other threads, where the views of ``runserver`` are, it does not.
    """
    import pdb

    pdb.Pdb.nosigint = property(  # type: ignore[attr-defined]
        lambda debugger: True, lambda debugger, value: None
    )


def is_debugged(frame: FrameType | None) -> bool:
    """Return whether a debugger waits for its user, or steps, in this frame or its callers."""
    bdb = sys.modules.get("bdb")
    while frame is not None:
        # The class is asked for, not the object: a lazy object would be evaluated.
        if bdb is not None and issubclass(type(frame.f_locals.get("self")), bdb.Bdb):
            return True
        if str(frame.f_globals.get("__name__")).startswith(REMOTE):
            return True
        frame = frame.f_back
    return False
