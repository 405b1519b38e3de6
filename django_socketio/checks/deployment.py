"""Checks of what a server process needs: drivers that wait cooperatively, a relay, its command."""

import ast
import os
import shlex
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.core.management import get_commands
from django.db import connections

from django_socketio import conf


def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return warnings about servers of this site.

    ``django_socketio.W008``: a driver blocks the event loop. ``…W009``: several workers have no
    relay. ``…W010``: ``SOCKETIO_RUNSERVER`` has no effect.
    """
    return [*_blocking_databases(), *_blocking_sessions(), *_workers_alone(), *_late_runserver()]


# Drivers

HINTS = {
    "MySQLdb": "Use PyMySQL: pymysql.install_as_MySQLdb().",
    "psycopg2": "Use psycopg 3, or call psycogreen.gevent.patch_psycopg() in the server.",
    "cx_Oracle": "Use python-oracledb in its thin mode.",
}
"""Drivers that wait in C, by their modules."""


def _blocking_databases() -> Iterator[CheckMessage]:
    for alias in connections:
        driver = getattr(getattr(connections[alias], "Database", None), "__name__", "")
        if driver in HINTS and not _is_made_cooperative(driver):
            yield _blocks(f"The database {alias!r} uses the driver {driver}", HINTS[driver])


def _is_made_cooperative(driver: str) -> bool:
    if driver != "psycopg2":
        return False
    extensions = import_module("psycopg2.extensions")
    return extensions.get_wait_callback() is not None


def _blocking_sessions() -> Iterator[CheckMessage]:
    if not settings.SESSION_ENGINE.endswith((".cache", ".cached_db")):
        return
    backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
    if backend.endswith(".PyLibMCCache"):
        engine = f"The session engine {settings.SESSION_ENGINE} uses the cache {backend}"
        yield _blocks(engine, "Use PyMemcacheCache or RedisCache.")


def _blocks(subject: str, hint: str) -> CheckMessage:
    return Warning(
        f"{subject}, which waits in C: each query of a handler blocks all sockets of its process.",
        hint=hint,
        id="django_socketio.W008",
    )


# Workers


def _workers_alone() -> Iterator[CheckMessage]:
    if conf.raw("RELAY_URL") is not None:
        return
    source, workers = next(_numbers_of_workers(), ("", 1))
    if workers > 1:
        yield Warning(
            f"{source} has gunicorn start {workers} workers, and SOCKETIO_RELAY_URL is not set: a "
            "message reaches only the sockets of the worker that sends it.",
            hint="Set SOCKETIO_RELAY_URL, or start one worker.",
            id="django_socketio.W009",
        )


def _numbers_of_workers() -> Iterator[tuple[str, int]]:
    """Yield where gunicorn finds its number of workers, and the number; the first one counts."""
    options = _options(shlex.split(os.environ.get("GUNICORN_CMD_ARGS", "")))
    values = [value for name, value in options if name in ("-w", "--workers")]
    if values and values[-1].isdecimal():
        yield "GUNICORN_CMD_ARGS", int(values[-1])
    if (count := _number_in(Path("gunicorn.conf.py"))) is not None:
        yield "gunicorn.conf.py", count
    if (text := os.environ.get("WEB_CONCURRENCY", "")).isdecimal():
        yield "WEB_CONCURRENCY", int(text)


def _options(arguments: list[str]) -> Iterator[tuple[str, str]]:
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, equals, value = argument.partition("=")
        if argument.startswith("-w") and len(argument) > 2:
            yield "-w", argument[2:]
        else:
            yield name, value if equals else following


def _number_in(path: Path) -> int | None:
    """Return the number that a configuration of gunicorn assigns to ``workers``, if it is plain."""
    try:
        tree = ast.parse(path.read_text())
    except (OSError, SyntaxError, ValueError):
        return None
    values = [value for node in tree.body for name, value in _assigned(node) if name == "workers"]
    last = values[-1] if values else None
    return last.value if isinstance(last, ast.Constant) and isinstance(last.value, int) else None


def _assigned(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a statement assigns, each with the expression of its value."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value


# The command


def _late_runserver() -> Iterator[CheckMessage]:
    if conf.raw("RUNSERVER") is not True:
        return
    first = get_commands()["runserver"]
    if first != "django_socketio":
        yield Warning(
            f"SOCKETIO_RUNSERVER has no effect: the command runserver is that of {first!r}.",
            hint=f'List "django_socketio" before {first!r} in INSTALLED_APPS.',
            id="django_socketio.W010",
        )
