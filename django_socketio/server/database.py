"""Database connections: each belongs to the greenlet that opened it, and none outlives its use.

A worker's connections are looked after when a handler has returned, and closed once the worker has
had nothing to do for a while. Handlers that use no database pay nothing for it.
"""

import contextvars
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import gevent
from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from greenlet import getcurrent, greenlet

from django_socketio.concurrency.threads import refuse, running
from django_socketio.concurrency.timers import clock
from django_socketio.concurrency.worker import Worker, forget_locals, linked
from django_socketio.concurrency.workers import Workers
from django_socketio.events.handlers import Call, Registration
from django_socketio.exceptions import ThreadError
from django_socketio.logs import get_logger, name_of
from django_socketio.server import parking

logger = get_logger("django_socketio.server")

IDLE_TIME = 10.0
"""Seconds after which a worker that has nothing to do gives its connections back."""

IN_TRANSACTION = (1, 2, 3)
"""PostgreSQL's states of a connection on which a command or a transaction is under way."""

_holders: set[greenlet] = set()
"""The workers that use connections in their turn."""

_used: dict[greenlet, float] = {}
"""The workers that keep connections between turns, and when they last used them."""

_MARK = "django_socketio_has_connection"

_opened_in_threads: set[str] = set()
"""The databases to which threads (greenlets, where gevent has patched them) opened connections."""


def _opened(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if running:
        _refuse(connection)
    greenlet = getcurrent()
    if isinstance(greenlet, Worker):
        parking.watch(connection)
        _holders.add(greenlet)
    else:
        setattr(greenlet, _MARK, True)
    if isinstance(greenlet, gevent.Greenlet):
        _opened_in_threads.add(connection.alias)


def _refuse(connection: BaseDatabaseWrapper) -> None:
    """Leave no connection open that a function of ``in_thread`` has opened."""
    try:
        refuse(f"the database {connection.alias!r}")
    except ThreadError:
        connection.close()
        if connection.connection is not None:
            connection.connection.close()  # Django keeps SQLite's in memory open
        with suppress(AttributeError):  # it may be another thread's
            del connections[connection.alias]
        raise


connection_created.connect(_opened)


def looking_after(call: Call, handler: Registration) -> Call:
    """Look after the connections of the worker when a handler has returned (a handler layer)."""
    function = handler.function

    def call_and_clean_up(request: Any, socket: Any, context: Any, args: Any) -> Any:
        try:
            return call(request, socket, context, args)
        finally:
            if _holders:
                _clean_up(function)

    return call_and_clean_up


def keep_between_turns() -> None:
    """Have workers take up the connections that they keep: Django makes others in every turn."""
    connections.create_connection = _create  # type: ignore[method-assign]


def _create(alias: str) -> BaseDatabaseWrapper:
    worker = getcurrent()
    connection = parking.take(worker, alias)
    if connection.connection is not None:
        _holders.add(worker)
    return connection


def around_turn(run: Callable[[], None]) -> None:
    """Run a worker's turn; what it sets, a language or a tenant, is not for the next socket."""
    try:
        contextvars.Context().run(run)
    finally:
        if _holders:
            _clean_up(None)
        if linked:
            _forget_turn()


def _forget_turn() -> None:
    worker = getcurrent()
    if worker in _holders and worker in linked:
        parking.park(worker, connections.all(initialized_only=True))
        _used[worker] = clock()
        _holders.discard(worker)
    forget_locals()


def around_connection(serve: Callable[[], None]) -> None:
    """Serve one HTTP connection, in a greenlet that serves another one after it."""
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


def _close_all() -> None:
    for connection in connections.all(initialized_only=True):
        connection.close()
        if connection.closed_in_transaction:
            del connections[connection.alias]  # or it would never be opened again


def _clean_up(handler: Callable[..., Any] | None) -> None:
    """Leave nothing of a handler's to the next one. It may have been called in any greenlet."""
    worker = getcurrent()
    if worker not in _holders:
        return
    for connection in connections.all(initialized_only=True):
        _look_after(connection, handler)
    _note_use(worker)


def _note_use(worker: greenlet) -> None:
    opened = connections.all(initialized_only=True)
    if not any(connection.connection is not None for connection in opened):
        _holders.discard(worker)


def _look_after(connection: BaseDatabaseWrapper, handler: Callable[..., Any] | None) -> None:
    # What Django does around a request.
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
    who = "A function" if handler is None else f"The handler {name_of(handler)}"
    problem = "%s left a transaction open on the database %r; it is rolled back"
    logger.error(problem, who, connection.alias)
    if connection.connection is not None:
        with suppress(Exception):  # closing does as well, where there is anything to close
            connection.connection.rollback()
    connection.close()
    # An object that is still inside atomic() would never open a connection again.
    del connections[connection.alias]


def forget() -> Sequence[BaseDatabaseWrapper]:
    """Forget the connections of the parent of a forked process; return them.

    To close them would end them for the parent: the server sees one connection.
    """
    _holders.clear()
    inherited = connections.all(initialized_only=True)
    for connection in inherited:
        del connections[connection.alias]
    return [*inherited, *parking.all_parked()]


class IdleConnections:
    """Has workers that have nothing to do close their connections.

    Args:
        workers: the pool that they are of.

    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def close(self, now: float) -> float:
        """Close those that have not been used for a while; return when to be called again."""
        idle = {worker for worker, used in _used.items() if now - used >= IDLE_TIME}
        if idle:
            self._workers.wake(idle, _close_unused)
        if _opened_in_threads:
            _opened_in_threads.clear()
            gevent.spawn(_close_of_asyncio)
        return now + IDLE_TIME / 2


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
    _note_use(worker)
    return True


def _close_of_asyncio() -> None:
    """Close the connections of the thread that runs the synchronous code of ``asyncio.run``.

    It is asgiref's, and one for the whole process. It ends nothing by itself, so a connection that
    is broken would stay so.
    """
    SyncToAsync.single_thread_executor.submit(_close_all)


def _close_unused() -> None:
    _close_parked(getcurrent())


def _close_parked(worker: greenlet) -> None:
    if _used.pop(worker, None) is None:
        return
    kept = parking.take_all(worker)
    for connection in kept:
        connection.close()
    parking.park(worker, kept)  # in-memory SQLite stays open
