"""The relay: whether messages of this process arrive, how fast, and which processes hear them."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.core.exceptions import ImproperlyConfigured

from django_socketio import conf, events
from django_socketio.diagnostics.findings import Finding, error, note, ok, warning
from django_socketio.diagnostics.site import RAISE_LIMIT
from django_socketio.exceptions import SocketIOError
from django_socketio.monitoring.process import ProcessStats
from django_socketio.monitoring.site import site_stats
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope, new_id
from django_socketio.relay.roster import Hold, Presence
from django_socketio.relay.topics import channel_topic, presence_topic
from django_socketio.server import relays
from django_socketio.server.watchdog import HELD_FOR

RELAY, PRESENCE, PROCESSES = "relay", "presence", "processes"

SLOW = 0.1
"""Seconds from which a message counts as slow."""

PATIENCE = 2.0
"""Seconds that a message may take, and that processes have to answer."""

NAMED = 8
"""Processes whose names are told."""

FULL = 0.8
"""The share of the descriptors of a process from which it is nearly full."""


def examine() -> Iterator[Finding]:
    """Yield whether the relay carries messages, and what the server processes tell."""
    if conf.raw("RELAY_URL") is None:
        yield note(
            RELAY,
            "There is no relay: messages stay within the process that sends them.",
            "Set SOCKETIO_RELAY_URL, unless a single process serves the site, and nothing else "
            "publishes.",
        )
        return
    with _logged() as logged:
        try:
            yield from _examine(relays.for_caller())
            yield from _processes()
        except (ImproperlyConfigured, SocketIOError) as problem:
            yield _failed(problem, logged)


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Collect the errors that the relay logs: why it hears nothing, only the log knows."""
    found: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("django_socketio.relay")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _examine(relay: Relay) -> Iterator[Finding]:
    with closing(relay):
        yield _told(relay, _time(relay))
        if _notes_people():
            _note_one(relay)
            yield ok(PRESENCE, "People can be noted on channels.")


def _notes_people() -> bool:
    handlers = (*events.on_join.handlers, *events.on_leave.handlers)
    return bool(conf.get("PRESENCE") or handlers)


def _note_one(relay: Relay) -> None:
    """Note a person on a channel that nobody has, and forget it again: this needs more rights."""
    process = new_id()
    rosters, topic = relay.rosters, presence_topic("/", f"socketio_doctor-{process}")
    rosters.renew(process, is_new=True)
    rosters.note(process, [topic])
    for presence in (Presence.ONLINE, Presence.GONE):
        rosters.hold(process, [Hold(topic, "doctor", presence)])
    rosters.note_left(process, [topic])
    rosters.forget(process)


def _told(relay: Relay, seconds: float | None) -> Finding:
    if seconds is None:
        return error(
            RELAY,
            f"{relay} has taken a message, and it did not arrive within {PATIENCE:g} s: the relay "
            "is deaf.",
            "Look at the log of django_socketio.relay. The user of Redis needs rights for the "
            "channels of SOCKETIO_RELAY_PREFIX (ACL: &socketio*).",
        )
    if seconds > SLOW:
        return warning(
            RELAY,
            f"A message takes {seconds:.2f} s through {relay}.",
            "Look for slow commands (SLOWLOG GET) and for the distance to Redis.",
        )
    return ok(RELAY, f"A message takes {seconds * 1000:.1f} ms through {relay}.")


def _time(relay: Relay) -> float | None:
    """Return the seconds that a message to this process takes; None if it does not arrive.

    It is one as on any channel: Redis keeps it for a while.
    """
    arrived, topic = threading.Event(), channel_topic("/", f"socketio_doctor-{new_id()}")

    def receive(_: object) -> int:
        arrived.set()
        return 1

    relay.subscribe(topic, receive)
    begin = time.monotonic()
    relay.publish(Envelope((topic,), "/", "message", ()))
    return time.monotonic() - begin if arrived.wait(PATIENCE) else None


REMEDIES = (
    (
        r"NOPERM|no permissions|can't run this command",
        "The user of Redis lacks rights: docs/relay.rst lists the commands, keys and channels that "
        "the relay needs.",
    ),
    (
        r"NOAUTH|WRONGPASS|[Aa]uthentication|username-password",
        "SOCKETIO_RELAY_URL needs the user and the password of Redis.",
    ),
    (
        r"on their way back",
        "Redis has started a moment ago, or no process has used this database of Redis with this "
        "SOCKETIO_RELAY_PREFIX: try again in half a minute.",
    ),
    (r"", "Is Redis running, and is SOCKETIO_RELAY_URL its address as this host sees it?"),
)
"""What to do about errors, by a pattern of their text; the first that fits."""


def _failed(problem: Exception, logged: list[str]) -> Finding:
    if isinstance(problem, ImproperlyConfigured):
        return error(RELAY, str(problem))
    reasons = (
        (line, remedy)
        for pattern, remedy in REMEDIES
        for line in (*logged, str(problem))
        if re.search(pattern, line)
    )
    reason, remedy = next(reasons)
    return error(RELAY, ". ".join(dict.fromkeys((str(problem), reason))), remedy)


def _processes() -> Iterator[Finding]:
    found = site_stats(PATIENCE)
    processes, silent = found["processes"], found["silent"]
    if silent:
        yield error(
            PROCESSES,
            f"{_hear(silent)} the relay, and did not answer within {PATIENCE:g} s.",
            f"Their event loops may be blocked: look for '{HELD_FOR}' in their logs.",
        )
    if not processes and not silent:
        yield error(
            PROCESSES,
            "No server process hears the relay.",
            "Is the server running, with the same SOCKETIO_RELAY_URL and SOCKETIO_RELAY_PREFIX as "
            "this command?",
        )
    if processes:
        names = ", ".join(one["process"] for one in processes[:NAMED])
        more = ", …" if len(processes) > NAMED else ""
        yield ok(PROCESSES, f"{_hear(len(processes))} the relay: {names}{more}.")
    for process in processes:
        yield from _process(process)


def _hear(number: int) -> str:
    return "1 server process hears" if number == 1 else f"{number} server processes hear"


def _process(process: ProcessStats) -> Iterator[Finding]:
    name, used, limit = process["process"], process["descriptors"], process["descriptors_limit"]
    if used is not None and used > FULL * limit:
        yield error(
            PROCESSES,
            f"{name} has {used} of {limit} descriptors open: it will refuse clients.",
            RAISE_LIMIT,
        )
    if process["relay"]["alive"] is False:
        yield error(PROCESSES, f"{name} does not hear the relay at present.")
    if (process["relay"]["lag"] or 0) > SLOW:
        yield warning(
            PROCESSES,
            f"Messages take {process['relay']['lag']:.2f} s to {name}.",
            "Its event loop may be busy, or Redis far away.",
        )
    if process["handlers_waiting"]:
        yield warning(
            PROCESSES,
            f"{process['handlers_waiting']} sockets of {name} wait for a free greenlet.",
            "Handlers wait for the database or another service; see SOCKETIO_WORKERS.",
        )
