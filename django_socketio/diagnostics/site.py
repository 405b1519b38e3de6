"""The settings of the site, and the process limits: what needs no connection."""

import resource
from collections.abc import Iterator

from django.core import checks as django_checks
from django.core.checks import CheckMessage

from django_socketio import checks, events
from django_socketio.diagnostics.findings import Finding, error, note, ok, warning

SETTINGS, HANDLERS, LIMITS = "settings", "handlers", "limits"

FEW = 4096
"""Descriptors that are too few for a site with many sockets: each connection is one."""

RAISE_LIMIT = "Raise the limit where the server is started: LimitNOFILE= for systemd, ulimit -n."


def examine() -> Iterator[Finding]:
    """Yield what is found without a connection."""
    yield from _settings()
    yield from _handlers()
    yield from _descriptors()


def _settings() -> Iterator[Finding]:
    found = [
        message
        for check in (*checks.ALL, *checks.BEFORE_DEPLOYMENT)
        for message in check(None)
        if not message.is_silenced()
    ]
    yield from map(_of_check, found)
    if not found:
        yield ok(SETTINGS, "The system checks of django-socketio find nothing.")


def _of_check(message: CheckMessage) -> Finding:
    makers = {django_checks.ERROR: error, django_checks.WARNING: warning, 0: note}
    make = next(make for level, make in makers.items() if message.level >= level)
    return make(SETTINGS, f"{message.msg} ({message.id})", message.hint or "")


def _handlers() -> Iterator[Finding]:
    if events.handlers_of_site():
        yield ok(HANDLERS, f"{events.summary()}.")
    else:
        yield note(
            HANDLERS,
            "No handlers are registered: clients connect and can subscribe, their events have no "
            "effect.",
            "Handlers belong into the module events.py of an installed app.",
        )


def _descriptors() -> Iterator[Finding]:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 < limit < FEW:
        yield warning(
            LIMITS,
            f"A process of this shell may open {limit} descriptors; each connection needs one.",
            RAISE_LIMIT,
        )
    else:
        yield ok(LIMITS, f"A process of this shell may open {limit} descriptors.")
