"""Functions that are to end although the handler that calls them is interrupted."""

import threading
from collections.abc import Callable
from typing import Any


def run_to_end(function: Callable[..., object], *args: Any) -> None:
    """Call a function; if it is interrupted, call it once more in a thread.

    A handler may set itself a timeout (``gevent.Timeout``), which ends whatever it waits for.

    Args:
        function: may be called again after any part of it.

    """
    try:
        function(*args)
    except BaseException as error:
        if not isinstance(error, Exception):
            threading.Thread(target=function, args=args, daemon=True).start()
        raise
