"""Functions that wait are not for coroutines: the event loop that runs these would stand still."""

import sys


def refuse_coroutine(function: str) -> None:
    """Check that no coroutine calls a function, which is named.

    Raises:
        RuntimeError: a coroutine does.

    """
    events = sys.modules.get("asyncio.events")  # imported late: gevent has to patch it first
    if events is not None and events._get_running_loop() is not None:
        raise RuntimeError(
            f"{function} waits, and would hold up the coroutine that calls it; write "
            f"`await sync_to_async({function})(…)`"
        )
