"""Exceptions that end the job which raises them, and nothing else."""

import sys


def failures() -> tuple[type[BaseException], ...]:
    """Return the classes of these exceptions, for an ``except`` clause to call.

    SystemExit and KeyboardInterrupt are not among them: they are for the process. gunicorn raises
    SystemExit in a worker that blocks.

    asyncio is asked late, for gevent has to patch before asyncio is imported, and gevent itself is
    not imported in a process that only sends. Nothing raises their exceptions before that.
    """
    asyncio = sys.modules.get("asyncio.exceptions")
    cancelled = (asyncio.CancelledError,) if asyncio is not None else ()
    gevent = sys.modules.get("gevent")
    ended = (gevent.Timeout, gevent.GreenletExit) if gevent is not None else ()
    return (Exception, *ended, *cancelled)
