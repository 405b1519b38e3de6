"""The stack of the code that runs."""

import sys
from traceback import walk_stack
from types import CodeType


def is_running(code: CodeType) -> bool:
    """Return whether this greenlet or thread is in a call of a function, by its code."""
    return any(frame.f_code is code for frame, _ in walk_stack(sys._getframe()))
