"""Database connections: each belongs to the greenlet that opened it, and is closed after its use.

Django opens a connection in the greenlet of a worker when a handler first queries. After each
handler, open transactions are rolled back, and connections past ``CONN_MAX_AGE`` are closed. The
others stay with their worker until it has not used them for ``IDLE_TIME``. A handler costs the test
of an empty set as long as no worker has an open connection.
"""

import contextvars
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import current_thread
from typing import Any

import gevent
from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from greenlet import getcurrent, greenlet

from django_socketio.concurrency.threads import forbid, running
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.worker import Worker, forget_locals, linked
from django_socketio.events.handlers import Call, Registration
from django_socketio.exceptions import ThreadError
from django_socketio.logs import get_logger, name_of
from django_socketio.server import parking
from django_socketio.sockets.server import SocketServer

logger = get_logger("django_socketio.server")

IDLE_TIME = 10.0
"""Seconds without a query after which the connections of an idle worker are closed."""

GRACE = 1.0
"""Seconds for which an HTTP connection that waits for its next request keeps those of its last
view: behind a proxy, the next request comes at once."""

MAX_KEPT = 10
"""Number of HTTP connections that may keep theirs at the same time."""

IN_TRANSACTION = (1, 2, 3)
"""The values of PostgreSQL's ``transaction_status`` while a command or a transaction is open."""

_holders: set[greenlet] = set()
"""The workers that have an open connection in their turn."""

_last_used: dict[Any, float] = {}
"""The workers that keep connections between turns, with the time of their last turn."""

_MARK = "django_socketio_has_connection"
"""The attribute of greenlets that serve HTTP and have opened a connection."""

_keeping: set[greenlet] = set()
"""The greenlets that serve HTTP and keep their connections for ``GRACE``."""

_opened_for_asyncio: set[str] = set()
"""The aliases of the connections that asgiref's thread has opened: see ``_is_asgirefs``."""


# Opening


def _opened(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if running:
        _close_forbidden(connection)
    greenlet = getcurrent()
    if isinstance(greenlet, Worker):
        parking.watch(connection)
        _holders.add(greenlet)
    else:
        setattr(greenlet, _MARK, True)
    if _is_asgirefs(greenlet):
        _opened_for_asyncio.add(connection.alias)


def _is_asgirefs(greenlet: greenlet) -> bool:
    """Return whether this is the thread in which asgiref runs the synchronous code of a loop.

    ``sync_to_async`` uses that thread, one for the whole process, under ``asyncio.run``. Where
    gevent has patched threads, the thread is a greenlet.
    """
    threads: Any = getattr(SyncToAsync.single_thread_executor, "_threads", ())
    return isinstance(greenlet, gevent.Greenlet) and current_thread() in threads


def _close_forbidden(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that a function of ``in_thread`` has opened, and raise ThreadError."""
    try:
        forbid(f"the database {connection.alias!r}")
    except ThreadError:
        connection.close()
        if connection.connection is not None:
            connection.connection.close()  # Django keeps SQLite's in memory open
        with suppress(AttributeError):  # it may be another thread's
            del connections[connection.alias]
        raise


connection_created.connect(_opened)


# After a handler


def cleaning_up(call: Call, handler: Registration) -> Call:
    """Clean up the connections of the worker when a handler has returned (a handler layer)."""
    function = handler.function

    def call_and_clean_up(request: Any, socket: Any, context: Any, args: Any) -> Any:
        try:
            return call(request, socket, context, args)
        finally:
            if _holders:
                _clean_up(function)

    return call_and_clean_up


def _clean_up(handler: Callable[..., Any] | None) -> None:
    """Roll back and close what a handler has left open; None: the handler is not known."""
    worker = getcurrent()
    if worker not in _holders:
        return  # another worker has a connection, not this one
    for connection in connections.all(initialized_only=True):
        _clean(connection, handler)
    _discard_unless_open(worker)


def _discard_unless_open(worker: greenlet) -> None:
    if not _are_open():
        _holders.discard(worker)


def _are_open() -> bool:
    """Return whether this greenlet has an open connection."""
    opened = connections.all(initialized_only=True)
    return any(connection.connection is not None for connection in opened)


def _clean(connection: BaseDatabaseWrapper, handler: Callable[..., Any] | None) -> None:
    # As Django does before and after a request.
    connection.queries_log.clear()
    try:
        if _is_in_transaction(connection):
            _roll_back(connection, handler)
        else:
            connection.close_if_unusable_or_obsolete()
    except Exception:
        logger.exception("The database connection %r could not be closed", connection.alias)


def _is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    driver = connection.connection
    if driver is None or connection.in_atomic_block:
        return connection.in_atomic_block
    if connection.vendor == "postgresql":
        return bool(driver.info.transaction_status in IN_TRANSACTION)
    if connection.vendor == "sqlite":
        return bool(driver.in_transaction)
    return bool(connection.autocommit != connection.settings_dict["AUTOCOMMIT"])


def _roll_back(connection: BaseDatabaseWrapper, handler: Callable[..., Any] | None) -> None:
    culprit = "A function" if handler is None else f"The handler {name_of(handler)}"
    problem = "%s left a transaction open on the database %r; it is rolled back"
    logger.error(problem, culprit, connection.alias)
    if connection.connection is not None:
        with suppress(Exception):  # close() rolls back as well
            connection.connection.rollback()
    connection.close()
    # Django never reconnects an object that is still inside atomic().
    del connections[connection.alias]


# Between turns


def keep_between_turns() -> None:
    """Have a worker take up its parked connections; Django would open new ones in every turn."""
    connections.create_connection = _create  # type: ignore[method-assign]


def _create(alias: str) -> BaseDatabaseWrapper:
    worker = getcurrent()
    connection = parking.take(worker, alias)
    if connection.connection is not None:
        _holders.add(worker)
    return connection


def around_turn(run: Callable[[], None]) -> None:
    """Run a worker's turn in a context of its own: a language or a tenant ends with the turn."""
    worker: Any = getcurrent()
    try:
        worker.context.copy().run(run)
    finally:
        if _holders:
            _clean_up(None)
        if linked:
            _forget_turn()


def _forget_turn() -> None:
    worker = getcurrent()
    if worker in _holders and worker in linked:
        parking.park(worker, connections.all(initialized_only=True))
        _last_used[worker] = clock()
        _holders.discard(worker)
    forget_locals()


class IdleConnections:
    """Closes the connections of workers that have not used them for ``IDLE_TIME``.

    The workers are those of all pools of this event loop that run their turns by ``around_turn``.
    """

    def start(self, server: SocketServer) -> None:
        """Have workers keep their connections between turns, and close unused ones again."""
        keep_between_turns()
        server.timers.after(0, self.close)

    def stop(self) -> None:
        """Do nothing: the timers of the server stop by themselves."""

    def close(self, now: float) -> float:
        """Close the idle connections; return the time of the next call."""
        hub = gevent.get_hub()
        idle = {worker for worker, used in _last_used.items() if now - used >= IDLE_TIME}
        for pool in {worker.pool for worker in idle if worker.parent is hub}:
            pool.wake(idle, _close_unused)
        if _opened_for_asyncio:
            _opened_for_asyncio.clear()
            gevent.spawn(SyncToAsync.single_thread_executor.submit, _close_for_asyncio)
        return now + IDLE_TIME / 2


def _close_unused() -> None:
    _close_parked(getcurrent())


def _close_parked(worker: greenlet) -> None:
    if _last_used.pop(worker, None) is None:
        return
    kept = parking.take_all(worker)
    for connection in kept:
        connection.close()
    parking.park(worker, kept)  # close() leaves SQLite's in memory open


def _close_for_asyncio() -> None:
    """Close the connections of asgiref's thread, which never ends, but for those in a transaction.

    Several calls of ``sync_to_async`` may be in one transaction; this runs between two calls.
    """
    for connection in connections.all(initialized_only=True):
        if _is_in_transaction(connection):
            _opened_for_asyncio.add(connection.alias)
        else:
            connection.close()


# Closing early


def give_back_of_worker() -> bool:
    """Close the connections of a worker that is about to wait for a client, or to end.

    Returns False, and closes none, where one of them is in a transaction.
    """
    worker = getcurrent()
    _close_parked(worker)
    if worker not in _holders:
        return True
    if any(_is_in_transaction(connection) for connection in connections.all(initialized_only=True)):
        return False
    _close_all()
    _discard_unless_open(worker)
    return True


def around_connection(serve: Callable[[], None]) -> None:
    """Serve one HTTP connection in a context of its own; its greenlet serves others later."""
    try:
        contextvars.Context().run(serve)
    finally:
        give_back()
        if linked:
            forget_locals()


def give_back() -> None:
    """Close the connections of a greenlet that serves HTTP and is about to wait for long."""
    if getattr(getcurrent(), _MARK, False):
        setattr(getcurrent(), _MARK, False)
        _close_all()


def give_back_if_idle(comes_within: Callable[[float], bool]) -> None:
    """Close the connections of a greenlet that serves HTTP, unless its next request comes soon.

    Args:
        comes_within: waits for the request for a number of seconds; false if it has not come.

    """
    if getattr(getcurrent(), _MARK, False) and not (_are_open() and _comes_soon(comes_within)):
        give_back()


def _comes_soon(comes_within: Callable[[float], bool]) -> bool:
    if len(_keeping) >= MAX_KEPT:
        return False
    _keeping.add(getcurrent())
    try:
        return comes_within(GRACE)
    finally:
        _keeping.discard(getcurrent())


def _close_all() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        if connection.closed_in_transaction:
            del connections[connection.alias]  # Django never reconnects this object


# In a forked child


def forget() -> Sequence[BaseDatabaseWrapper]:
    """Forget the connections of the parent of a forked process; return them.

    To close a connection would close it for the parent as well, which shares it with the child.
    """
    _holders.clear()
    _keeping.clear()
    inherited = connections.all(initialized_only=True)
    for connection in inherited:
        del connections[connection.alias]
    return [*inherited, *parking.all_parked()]
