"""What gevent has replaced in this process, without importing gevent.

A script or a task that only sends has no event loop, and needs no gevent.
"""

import importlib
import sys
from typing import Any


def is_patched(module: str) -> bool:
    """Return whether gevent has patched a module of the standard library."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched(module))


def original(module: str, name: str) -> Any:
    """Return a name of a module of the standard library, as it is without gevent's patches."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None:
        return getattr(importlib.import_module(module), name)
    return monkey.get_original(module, name)
