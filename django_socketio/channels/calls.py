"""The calls of this process: events that clients anywhere answer, and the wait for their answers.

A process with sockets that get a call sends a *report* for each answer, and for each socket that
will not answer. The reports come by a topic of the calling process. Each of them says how many
sockets that process has asked, so that a call ends when no further answer can come.
"""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from django_socketio.concurrency import hub_log
from django_socketio.concurrency.native import get_ident
from django_socketio.logs import get_logger
from django_socketio.relay.base import Relay, Unit
from django_socketio.relay.envelope import (
    Delivery,
    Envelope,
    EnvelopeKind,
    ReplyTo,
    ignore_kind,
    new_id,
)
from django_socketio.relay.topics import Topic, TopicKind

logger = get_logger("django_socketio.relay")

REPORT = "report"
"""The name of replies."""


class Answer(NamedTuple):
    """The answer of one client to ``call(…, wait="all")``.

    Attributes:
        value: the argument of the answer; a tuple for several, None for none.
        session_id: the id of the socket, as ``emit(session_id=…)`` takes it.
        user_id: the primary key of the user as a text; None for an anonymous visitor.

    """

    value: Any
    session_id: str
    user_id: str | None


class Answers(list[Answer]):
    """The answers to ``call(…, wait="all")``, in the order in which they came.

    Attributes:
        asked: the number of sockets that were asked, as far as it is known.
        left: the number of those that will not answer: their clients have left.
        expected: the number of sockets or processes that the relay has counted; None until it is
            known.
        heard: how many of these have told whom they have asked. A process that has died meanwhile,
            or stands still, does not.

    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.left = self.heard = 0
        self.expected: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every socket of the audiences has answered."""
        return self.is_heard and len(self) == self.asked

    @property
    def is_nobody(self) -> bool:
        """Whether the audiences have no socket: event streams, for example, are not asked."""
        return self.is_heard and not self.asked

    @property
    def is_heard(self) -> bool:
        """Whether it is known of all sockets of the audiences that they were asked."""
        return self.heard >= (self.expected or 0)


class Report(NamedTuple):
    """A part of the outcome of a call, from one process with sockets.

    Attributes:
        call_id: the id of the call.
        process: names the process.
        heard: for how many of the call's audiences, or for how many sockets, the process was
            counted when the call was published.
        asked: the number of sockets that the process has asked.
        session_id: of the socket that this is about; None if the process has asked none.
        user_id: of the user of the socket.
        values: the arguments of the answer; None if the socket does not answer.

    """

    call_id: str
    process: str
    heard: int
    asked: int
    session_id: str | None = None
    user_id: str | None = None
    values: list[Any] | None = None

    def envelope(self, reply_to: ReplyTo) -> Envelope:
        """Return the message that carries the report."""
        topic = replies_topic(reply_to.name)
        return Envelope((topic,), "/", REPORT, tuple(self), kind=EnvelopeKind.REPLY)


def replies_topic(name: str) -> Topic:
    """Return the topic by which a process gets the answers to its calls."""
    return Topic(TopicKind.REPLIES, "", name)


class Waiting(Protocol):
    """An event of gevent or of a thread."""

    def set(self) -> object:
        """Wake the waiting caller."""

    def wait(self, timeout: float | None = None) -> object:
        """Wait until ``set`` was called."""


class Call:
    """A call that waits for its answers.

    Args:
        wants_all: whether it waits for all answers, rather than for the first one.
        changed: wakes the caller.

    Attributes:
        answers: those that have come.

    """

    def __init__(self, wants_all: bool, changed: Waiting) -> None:
        self._wants_all = wants_all
        self._changed = changed
        self._processes: set[str] = set()
        self.answers = Answers()

    def expect(self, received: int) -> None:
        """Note by how many sockets or processes the call was received."""
        self.answers.expected = received
        self._wake()

    def add(self, report: Report) -> None:
        """Take a report."""
        if report.process not in self._processes:
            self._processes.add(report.process)
            self.answers.heard += report.heard
            self.answers.asked += report.asked
        if report.values is not None and report.session_id is not None:
            values = report.values
            value = values[0] if len(values) == 1 else tuple(values) or None
            self.answers.append(Answer(value, report.session_id, report.user_id))
        elif report.session_id is not None:
            self.answers.left += 1
        self._wake()

    def _wake(self) -> None:
        if self.is_done:
            self._changed.set()

    @property
    def is_done(self) -> bool:
        """Whether all is there that the caller waits for, or can still come."""
        if self.answers and not self._wants_all:
            return True
        if self.answers.expected is None:
            return False
        told = len(self.answers) + self.answers.left
        return self.answers.is_heard and told >= self.answers.asked

    def wait(self, timeout: float) -> None:
        """Wait until the call is done, for some seconds at most."""
        self._changed.wait(timeout)


class Callers:
    """The calls of this process, and the topic by which their answers come.

    Args:
        relay: returns the relay that listens for answers.
        loop_thread: the native thread with the event loop in which answers come; None if they come
            in a thread of the relay's.

    """

    def __init__(self, relay: Callable[[], Relay], loop_thread: int | None = None) -> None:
        self._relay = relay
        self._calls: dict[str, Call] = {}
        self._is_listening = False
        self._loop_thread = loop_thread
        self.name = new_id()
        self.others: dict[str, Callable[[Envelope], int]] = {}
        """Takes replies that are no reports, by their names."""

    def __len__(self) -> int:
        """Return how many calls wait."""
        return len(self._calls)

    def listen(self) -> None:
        """Have the answers come to this process, from the first call on."""
        if not self._is_listening:
            self._relay().subscribe(replies_topic(self.name), self.received)
            self._is_listening = True

    def begin(self, call_id: str, wants_all: bool) -> Call:
        """Return a new call; ``end`` forgets it."""
        call = self._calls[call_id] = Call(wants_all, self._event())
        return call

    def _event(self) -> Waiting:
        if get_ident() != self._loop_thread:
            return threading.Event()
        from gevent.event import Event

        event: Waiting = Event()
        return event

    def end(self, call_id: str) -> None:
        """Forget a call: answers that come later are dropped."""
        self._calls.pop(call_id, None)

    def received(self, delivery: Delivery) -> int:
        """Take a reply."""
        envelope = delivery.envelope
        if envelope.kind is not EnvelopeKind.REPLY:
            return ignore_kind(envelope.kind, hub_log.say)
        if (take := self.others.get(envelope.name)) is not None:
            return take(envelope)
        report = _report(envelope)
        if report is None:
            hub_log.say(logger.warning, "Ignored a reply of no known form: %.100r", envelope)
            return 0
        return self.take(report)

    def take_own(self, reply_to: ReplyTo, report: Report) -> bool:
        """Take a report for a call of this process; return False for a call of another one."""
        if reply_to.name != self.name:
            return False
        self.take(report)
        return True

    def take(self, report: Report) -> int:
        """Take a report; return 0 if no call waits for it any more."""
        call = self._calls.get(report.call_id)
        if call is None:
            return 0
        call.add(report)
        return 1


_TYPES = (str, str, int, int, str | None, str | None, list | None)


def _report(envelope: Envelope) -> Report | None:
    """Return the report that a reply holds; None if it holds none."""
    args = envelope.args[: len(_TYPES)]  # newer processes may add values
    fits = len(args) == len(_TYPES) and all(map(isinstance, args, _TYPES))
    return Report(*args) if fits and envelope.name == REPORT else None


def unit_heard(unit: Unit, topics: int, sockets: int) -> int:
    """Return what a process was counted as by the relay, as ``Relay.publish`` counts."""
    return sockets if unit == "sockets" else topics
