"""The part of a server that knows its numbers, and tells them to other processes."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict

from django_socketio.channels.calls import Report
from django_socketio.channels.subscriber import is_socket
from django_socketio.concurrency import hub_log
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.mailbox import Mailbox
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.monitoring.instruments import Instruments
from django_socketio.monitoring.process import ProcessStats, process_name, process_stats
from django_socketio.relay.envelope import Delivery, EnvelopeKind, ReplyTo, ignore_kind, new_id
from django_socketio.relay.topics import Topic, TopicKind, topic_of_key
from django_socketio.sockets.questions import user_of
from django_socketio.sockets.server import SocketServer

logger = get_logger("django_socketio.relay")

TOPIC = Topic(TopicKind.CONTROL, name="processes")
"""The topic of questions to all server processes."""

STATS, SOCKETS = "stats", "sockets"
"""The questions: the numbers of a process; its sockets on a topic, which the argument names."""

MOST_SOCKETS = 200
"""Sockets of one topic that a process tells."""


class SocketInfo(TypedDict):
    """A socket, as other processes hear of it."""

    id: str
    namespace: str
    user: str | None
    channels: list[str]
    transport: str
    process: str


class Numbers:
    """The numbers of a server.

    Args:
        instruments: the parts of the server that count.
        pool: answers questions of other processes; handlers that wait must not be in its way.

    """

    def __init__(self, instruments: Instruments, pool: Executor) -> None:
        self._instruments = instruments
        self._mailbox = Mailbox(pool)
        self._name = new_id()
        self._server: SocketServer | None = None
        self._answers: dict[str, Callable[..., Any]] = {STATS: self.stats, SOCKETS: self.sockets}

    def start(self, server: SocketServer) -> None:
        """Hear questions of other processes."""
        self._server = server
        server.relay.subscribe(TOPIC, self.received)

    def stop(self) -> None:
        """Hear no more; the relay is about to be closed."""

    def stats(self) -> ProcessStats:
        """Return the numbers of this process."""
        return process_stats(self._server, self._instruments.measures)

    def sockets(self, key: str) -> list[SocketInfo]:
        """Return the sockets of this process on a topic, by the key of the topic."""
        topic, server = topic_of_key(key), self._server
        if topic is None or server is None:
            return []
        sockets = [one for one in server.channels.members(topic) if is_socket(one)]
        name = process_name()
        return [_info(one, name) for one in sockets[:MOST_SOCKETS]]

    def received(self, delivery: Delivery) -> int:
        """Take a question; the answer follows. Called in the event loop."""
        envelope = delivery.envelope
        if envelope.kind is not EnvelopeKind.CALL or envelope.reply_to is None:
            return ignore_kind(envelope.kind, hub_log.say)
        answer = self._answers.get(envelope.name)
        if answer is None:  # of a newer process
            return ignore_kind(f"{envelope.kind} {envelope.name!r:.50}", hub_log.say)
        call = partial(answer, *envelope.args)
        self._mailbox.put(partial(self._answer, envelope.id, envelope.reply_to, call))
        return 1

    def _answer(self, id: str, reply_to: ReplyTo, call: Callable[[], Any]) -> None:
        if self._server is None:
            return
        report = Report(id, self._name, 1, 1, self._name, None, [call()])
        if self._server.callers.take_own(reply_to, report):
            return
        try:
            self._server.channels.publish(report.envelope(reply_to))
        except RelayError as error:
            logger.warning("The numbers of this process were not sent: %s", error)


def _info(socket: Any, process: str) -> SocketInfo:
    session = getattr(socket, "_session", None)
    return {
        "id": socket.id,
        "namespace": socket.namespace,
        "user": user_of(socket.subscriptions.audiences),
        "channels": [*socket.subscriptions.names],
        "transport": "" if session is None else session.transport.name,
        "process": process,
    }
