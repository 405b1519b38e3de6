"""Database connections that workers keep between turns, without changes that handlers made.

The driver's connection stays open for ``CONN_MAX_AGE``. Django's connection object, which handlers
import as ``connection``, is kept with it if no handler has changed the object. Otherwise a new
object takes over the driver's connection.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.dummy.base import DatabaseWrapper as DummyWrapper
from django.utils.functional import cached_property
from greenlet import greenlet

Wrapper = BaseDatabaseWrapper

_parked: dict[greenlet, dict[str, Wrapper]] = {}
"""The parked connections, by worker and alias."""

_create = connections.create_connection

# Statements that change data and transactions only, unless they call one of these functions.
_PLAIN = re.compile(
    r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES|EXPLAIN|DECLARE|FETCH|CLOSE|"
    r"BEGIN|START|COMMIT|SAVEPOINT|RELEASE|ROLLBACK)\b",
    re.IGNORECASE,
)
_CHANGING = re.compile(r"set_config|_lock\s*\(|\btemp|;\s*\S", re.IGNORECASE)

_OBSOLETE = 0.0
"""A ``close_at`` in the past: the connection is closed after the handler."""

_DJANGOS = frozenset({*vars(DummyWrapper({})), "isolation_level"})
"""Attributes that Django sets when it connects, or changes while an object is used."""

_OF_THE_DRIVER = (
    "autocommit",
    "close_at",
    "connection",
    "errors_occurred",
    "health_check_done",
    "health_check_enabled",
)
"""Attributes that describe the driver's connection."""


def watch(connection: Wrapper) -> None:
    """Have a connection closed after a handler that changes its state by SQL, such as ``SET``."""
    if _note not in connection.execute_wrappers:
        connection.execute_wrappers.append(_note)


def _note(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    if not isinstance(sql, str) or not _PLAIN.match(sql) or _CHANGING.search(sql):
        context["connection"].close_at = _OBSOLETE
    return execute(sql, params, many, context)


def park(worker: greenlet, opened: Iterable[Wrapper]) -> None:
    """Keep the open connections of a worker until it uses them again."""
    for connection in opened:
        if connection.connection is not None:
            kept = connection if _is_as_made(connection) else _renewed(connection)
            _parked.setdefault(worker, {})[kept.alias] = kept


def take(worker: greenlet, alias: str) -> Wrapper:
    """Return the parked connection of a worker, or a new one; the worker keeps it no longer."""
    parked = _parked.get(worker)
    if not parked or alias not in parked:
        return _create(alias)
    connection = parked.pop(alias)
    if not parked:
        del _parked[worker]
    return connection


def take_all(worker: greenlet) -> list[Wrapper]:
    """Return all parked connections of a worker; the worker keeps them no longer."""
    return list(_parked.pop(worker, {}).values())


def all_parked() -> list[Wrapper]:
    """Return the parked connections of all workers; none is kept any longer."""
    return [connection for worker in list(_parked) for connection in take_all(worker)]


def _is_as_made(connection: Wrapper) -> bool:
    """Return whether no handler has changed a connection object."""
    return (
        connection.execute_wrappers == [_note]
        and connection.force_debug_cursor is False
        and all(_is_made(connection, name) for name in vars(connection).keys() - _DJANGOS)
    )


def _is_made(connection: Wrapper, name: str) -> bool:
    """Return whether an attribute has the value that the database backend gave it."""
    made, value = _as_made(connection.alias), vars(connection)[name]
    return (name in made and made[name] == value) or _is_cached(connection, name)


def _is_cached(connection: Wrapper, name: str) -> bool:
    return isinstance(getattr(type(connection), name, None), cached_property)


@cache
def _as_made(alias: str) -> dict[str, Any]:
    made = _create(alias)
    made.get_connection_params()  # sets some attributes, as connecting does
    return vars(made)


def _renewed(old: Wrapper) -> Wrapper:
    new = _create(old.alias)
    for name in _OF_THE_DRIVER:
        setattr(new, name, getattr(old, name))
    old.connection = None
    watch(new)
    return new
