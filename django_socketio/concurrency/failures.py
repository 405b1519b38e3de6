"""Exceptions that end the job which raises them, and nothing else."""

import sys

from gevent import GreenletExit, Timeout


def failures() -> tuple[type[BaseException], ...]:
    """Return the classes of these exceptions, for an ``except`` clause to call.

    SystemExit and KeyboardInterrupt are not among them: they are for the process. gunicorn raises
    SystemExit in a worker that blocks.

    asyncio is asked late, for gevent has to patch before asyncio is imported. Nothing raises
    asyncio's ``CancelledError`` before that.
    """
    asyncio = sys.modules.get("asyncio.exceptions")
    cancelled = (asyncio.CancelledError,) if asyncio is not None else ()
    return (Exception, Timeout, GreenletExit, *cancelled)
