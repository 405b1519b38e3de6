"""The transactions of the site's databases, and a warning of messages that do not wait for them."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from traceback import walk_stack
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from django_socketio.logs import get_logger

logger = get_logger("django_socketio.publishing")

PACKAGE = str(Path(__file__).parent.parent)

MAX_WARNED = 1000
"""Lines of code that the log names, each of them once."""

_warned: set[tuple[str, int]] = set()


def open_aliases() -> Iterator[str]:
    """Yield the aliases of the databases on which the site has opened a transaction here.

    The transaction that Django's ``TestCase`` puts around a test is none of the site.
    """
    for connection in connections.all(initialized_only=True):
        blocks: Iterable[Any] = connection.atomic_blocks
        if not all(block._from_testcase for block in blocks):
            yield connection.alias


def alias_of(on_commit: bool | str) -> str:
    """Return the alias of the database for whose commit a message waits.

    ``True`` stands for the default database, unless it has no transaction and another one has.
    """
    if isinstance(on_commit, str):
        return on_commit
    found = [*open_aliases()]
    return DEFAULT_DB_ALIAS if DEFAULT_DB_ALIAS in found or not found else found[0]


def has_transaction(connection: Any) -> bool:
    """Return whether a connection is in a transaction; it is not opened to find out."""
    if connection.in_atomic_block:
        return True
    if connection.connection is not None:
        return not connection.autocommit
    return not connection.settings_dict.get("AUTOCOMMIT", True)


def warn(name: str) -> None:
    """Under DEBUG, warn of a function that publishes before the commit, once for each line."""
    if not (settings.configured and settings.DEBUG):
        return
    alias = next(open_aliases(), None)
    if alias is None:
        return
    place = _line_of_site()
    if place in _warned or len(_warned) >= MAX_WARNED:
        return
    _warned.add(place)
    logger.warning(
        "%s() in %s:%s publishes before the commit of the transaction on %r: receivers may read "
        "old data, and a rollback takes nothing back. Use emit(…, on_commit=True), or "
        "on_commit=False to publish at once without this warning.",
        *(name, *place, alias),
    )


def _line_of_site() -> tuple[str, int]:
    """Return the file and the line that have called this package."""
    for frame, line in walk_stack(sys._getframe()):
        if not frame.f_code.co_filename.startswith((PACKAGE, contextlib.__file__)):
            return frame.f_code.co_filename, line
    return "?", 0
