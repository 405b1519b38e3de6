"""The numbers of this process, and of all server processes of the site."""

from typing import Any, TypedDict, cast

from django_socketio.channels.current import current
from django_socketio.channels.publish import ask_clients
from django_socketio.monitoring.answering import SOCKETS, STATS, TOPIC, Numbers, SocketInfo
from django_socketio.monitoring.process import ProcessStats, process_stats
from django_socketio.relay.envelope import UNLOGGED, Envelope, EnvelopeKind, ReplyTo
from django_socketio.relay.history_rules import A_TIME, is_time
from django_socketio.relay.topics import Topic
from django_socketio.sockets.server import SocketServer


class SiteStats(TypedDict):
    """The numbers of all server processes that have answered."""

    processes: list[ProcessStats]
    """The numbers of each process, in the order of their names."""

    silent: int
    """How many processes that the relay knows of have not answered in time."""


def stats() -> ProcessStats:
    """Return the numbers of this process, which ``docs/monitoring.rst`` describes.

    Those that take time to count are there if ``SOCKETIO_METRICS`` is True: ``stats()["measured"]``
    is None otherwise.
    """
    return stats_of(cast(SocketServer | None, current()))


def stats_of(server: SocketServer | None) -> ProcessStats:
    """Return the numbers of this process with one of its servers."""
    services = () if server is None else server.services
    numbers = next((one for one in services if isinstance(one, Numbers)), None)
    return process_stats(server, None) if numbers is None else numbers.stats()


def site_stats(timeout: float = 1.0) -> SiteStats:
    """Return the numbers of all server processes, which are asked over the relay.

    Works in any process, also in one that holds no sockets. Waits until all have answered, for
    ``timeout`` seconds at most.

    Raises:
        RelayError: the relay did not take the question; ``NoRelay`` if this process has none.
        CallTimeout: more handlers wait than ``SOCKETIO_MAX_WAITING_CALLS`` allows.

    """
    found, silent = _ask(STATS, (), timeout)
    return {"processes": sorted(found, key=lambda one: one["process"]), "silent": silent}


def site_sockets(topic: Topic, timeout: float = 1.0) -> list[SocketInfo]:
    """Return the sockets on a topic in all processes, some of each; raises as ``site_stats``."""
    found, _ = _ask(SOCKETS, (str(topic),), timeout)
    return [socket for sockets in found for socket in sockets]


def _ask(question: str, args: tuple[Any, ...], timeout: Any) -> tuple[list[Any], int]:
    """Return the answers of all processes to a question, and how many have not answered."""
    if not is_time(timeout):
        raise ValueError(f"timeout must be {A_TIME}, not {timeout!r:.100}")
    envelope = Envelope((TOPIC,), "/", question, args, kind=EnvelopeKind.CALL, keep=UNLOGGED)
    answers = ask_clients(envelope, ReplyTo("", float(timeout), wants_all=True))
    if answers is None:
        return [], 0
    expected = answers.expected or 0
    return [answer.value for answer in answers], max(0, expected - len(answers))
