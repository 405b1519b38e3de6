"""The calls that sockets of this process are asked: their answers are reported to the callers."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from django_socketio.channels.backlogs import Backlog, is_concerned, is_gated
from django_socketio.channels.calls import Callers, Report, unit_heard
from django_socketio.channels.encoded_event import EncodedEvent, Errand
from django_socketio.channels.registry import Channels, Receivers
from django_socketio.channels.subscriber import is_socket
from django_socketio.concurrency.mailbox import Mailbox, Pool
from django_socketio.concurrency.timers import Timer, Timers
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.relay import wire
from django_socketio.relay.base import Unit
from django_socketio.relay.envelope import Delivery, Envelope, ReplyTo, new_id
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.relay.untried import publish_apart
from django_socketio.sockets.acks import Acks
from django_socketio.sockets.awaited import Awaited
from django_socketio.sockets.life import Lifecycle

logger = get_logger("django_socketio.sockets")


class Asked(Protocol):
    """A socket, as a question uses it."""

    id: str
    namespace: str
    subscriptions: Any
    lifecycle: Lifecycle

    @property
    def acks(self) -> Acks:
        """The answers that the socket waits for."""

    def deliver(self, encoded: EncodedEvent, /) -> bool:
        """Send an event; False if the socket has ended."""


Tell = Callable[[ReplyTo, Report], None]
"""Reports to the maker of a call."""


class Question:
    """A call in the process of the sockets that it is for.

    Args:
        reply_to: where the reports go.
        outline: a report without a socket.
        asked: the sockets that are asked.
        tell: reports an answer.
        cancel: cancels a timer.

    Attributes:
        timer: ends the question with its call.

    """

    def __init__(
        self,
        reply_to: ReplyTo,
        outline: Report,
        asked: Iterable[Asked],
        tell: Tell,
        cancel: Callable[[Timer], object],
    ) -> None:
        self._reply_to = reply_to
        self._answers: dict[Asked, ExpectedAnswer | None] = dict.fromkeys(asked)
        self._outline = outline
        self._tell = tell
        self._cancel = cancel
        self.timer: Timer | None = None
        if reply_to.wants_all or not self._answers:
            tell(reply_to, outline)

    def put(self, socket: Asked, event: EncodedEvent) -> None:
        """Ask a socket, unless the time of the call is over."""
        if self._answers.get(socket, self) is None:
            answer = self._answers[socket] = ExpectedAnswer(self, socket)
            if not _send(socket, event, answer):
                self.take(socket, None)

    def take(self, socket: Asked, values: list[Any] | None) -> None:
        """Report the answer of a socket; None if it will not answer."""
        if socket in self._answers:
            del self._answers[socket]
            user = user_of(socket.subscriptions.audiences)
            report = self._outline._replace(session_id=socket.id, user_id=user, values=values)
            self._tell(self._reply_to, report)
        if self.is_over and self.timer is not None:
            self._cancel(self.timer)
            self.timer = None

    @property
    def is_over(self) -> bool:
        """Whether no socket is to answer any more."""
        return not self._answers

    def expire(self, now: float) -> None:
        """Take no answers any more."""
        answers, self._answers = self._answers, {}
        for socket, answer in answers.items():
            if answer is not None:
                socket.acks.forget(answer)


class ExpectedAnswer(Awaited):
    """The answer that one socket is to give to a question."""

    __slots__ = ("_question", "_socket")

    def __init__(self, question: Question, socket: Asked) -> None:
        self._question = question
        self._socket = socket

    def set(self, values: list[Any]) -> None:
        """Report the answer."""
        self._question.take(self._socket, values)

    def set_exception(self, error: Exception) -> None:
        """Report that the client has left."""
        self._question.take(self._socket, None)


def _send(socket: Asked, event: EncodedEvent, answer: Awaited) -> bool:
    """Send an event with an ack id; return False if the socket has ended."""
    id = socket.acks.expect(answer)
    asked = EncodedEvent(socket.namespace, event.data, id, event.text, event.attachments)
    if socket.deliver(asked):
        socket.lifecycle.resume()  # the answer comes behind the events that wait
        return True
    socket.acks.forget(answer)
    return False


def user_of(audiences: Iterable[Topic]) -> str | None:
    """Return the primary key of the user whose audience is among some; None without one."""
    return next((topic.name for topic in audiences if topic.kind is TopicKind.USER), None)


class Questions:
    """The calls that sockets of this process are asked.

    Args:
        channels: the channels of the process.
        callers: the calls of this process itself, whose answers need no relay.
        unit: what the relay counts.
        timers: end each question with its call.
        pool: runs the job that publishes reports.

    """

    def __init__(
        self,
        channels: Channels,
        callers: Callers,
        unit: Unit,
        timers: Timers,
        pool: Pool,
    ) -> None:
        self._channels = channels
        self._callers = callers
        self._unit = unit
        self._timers = timers
        self._mailbox = Mailbox(pool)
        self._reports: list[Envelope] = []
        self._process = new_id()

    def ask(self, delivery: Delivery, receivers: Receivers) -> int:
        """Ask the receivers of a call; return how many."""
        envelope, channels = delivery.envelope, self._channels
        if envelope.reply_to is None:
            return 0
        admitted = [
            (one, backlog) for one, backlog in receivers if is_socket(one) and is_concerned(backlog)
        ]
        asked: list[Any] = [socket for socket, _ in admitted]
        here = channels.topics_here(envelope.topics)
        heard = unit_heard(self._unit, max(1, here), len(asked))
        outline = Report(envelope.id, self._process, heard, len(asked))
        question = Question(envelope.reply_to, outline, asked, self._tell, self._timers.cancel)
        event = channels.encode(delivery)
        for socket, backlog in admitted:
            _put(question, socket, backlog, event)
        if not question.is_over:
            question.timer = self._timers.after(envelope.reply_to.timeout, question.expire)
        return len(asked)

    def _tell(self, reply_to: ReplyTo, report: Report) -> None:
        if self._callers.take_own(reply_to, report):
            return
        self._reports.append(report.envelope(reply_to))
        if len(self._reports) == 1:
            self._mailbox.put(self._publish)

    def _publish(self) -> None:
        """Publish the reports that wait, many in a round trip."""
        while self._reports:
            reports, self._reports = [*map(_checked, self._reports)], []
            try:
                results = publish_apart(self._channels.publish_all, reports, range(len(reports)))
            except RelayError as error:
                results = [error]
            failed = [one for one in results if isinstance(one, RelayError)]
            if failed:
                logger.warning("%d answers to calls were not sent: %s", len(failed), failed[0])


def _put(
    question: Question,
    socket: Any,
    backlog: Backlog[EncodedEvent] | None,
    event: EncodedEvent,
) -> None:
    if backlog is None or not is_gated(backlog):
        question.put(socket, event)
        return
    ask = Errand(event, lambda one: question.put(one, event), lambda one: question.take(one, None))
    if not backlog.add(ask):
        socket.overflow()


def _checked(envelope: Envelope) -> Envelope:
    """Return a report that can be sent: without the answer, if that cannot be written again."""
    try:
        wire.encode(envelope)
    except (TypeError, ValueError) as error:
        logger.warning("The answer to a call cannot be sent on: %s", error)
        envelope.args = (*envelope.args[:-1], None)
    return envelope
