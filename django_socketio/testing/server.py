"""A whole server within the thread of a test: no port, no event loop, and a clock of its own."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from unittest import mock

from django.utils import timezone
from gevent.event import AsyncResult

from django_socketio.channels import current
from django_socketio.channels.calls import Call, Callers
from django_socketio.channels.subscriber import is_socket
from django_socketio.concurrency.coroutines import refuse_coroutine
from django_socketio.concurrency.executors import Executor, InlineExecutor
from django_socketio.concurrency.native import get_ident
from django_socketio.concurrency.repeated import RepeatedErrors
from django_socketio.concurrency.timers import Timers
from django_socketio.exceptions import CallTimeout, RelayError
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.publishing.values import encode_default
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope, EnvelopeKind
from django_socketio.relay.receipt import Received
from django_socketio.server.bootstrap import build_server
from django_socketio.server.retentions import from_settings
from django_socketio.sockets.acks import unpack
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.server import AnyPart, Service
from django_socketio.testing import registrations
from django_socketio.testing.errors import Unanswered
from django_socketio.testing.messages import OutboxRelay, open_outbox
from django_socketio.testing.running import at_end_of_test

Answer = TypeVar("Answer")

NO_ANSWER_REGISTERED = (
    "call({!r}) would wait for ever: in a test, handlers run in the thread of the test. "
    "Register the client's answer beforehand: client.answer({!r}, value), or "
    "client.answer({!r}, NO_ANSWER) to have the call end with CallTimeout"
)


NO_TEST = (
    "A SocketClient connects within a test, in the test's thread: in setUp or in the test itself, "
    "not in setUpClass, setUpTestData or a fixture of a module, and by sync_to_async in an "
    "asynchronous test"
)

registrations.watch()


class Clock:
    """The clock of a server; it stands still until it is moved."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class CollectedErrors(RepeatedErrors):
    """Writes the errors of handlers to the log as a server does, and keeps them for the test.

    Args:
        timers: the timers of the server.
        collected: gets the errors.

    """

    def __init__(self, timers: Timers, collected: list[BaseException]) -> None:
        super().__init__(timers)
        self._collected = collected

    def is_new(self, error: BaseException) -> bool:
        """Keep an error; return whether it is to be written to the log."""
        self._collected.append(error)
        return super().is_new(error)


class InlineCalls(Calls):
    """The calls of handlers to clients that answer at once, or never.

    Args:
        executor: runs the handlers.
        limit: how many handlers may wait at the same time.
        failed: called with the error where a call has no answer.

    Attributes:
        timing_out: the events that a client has left unanswered on purpose since the call began.

    """

    def __init__(
        self, executor: Executor, limit: int, failed: Callable[[BaseException], object]
    ) -> None:
        super().__init__(executor, limit)
        self._failed = failed
        self.timing_out: set[str] = set()

    def check_number(self, event: str) -> None:
        """Begin a call: no client has left it unanswered yet. Raises as ``Calls.check_number``."""
        super().check_number(event)
        self.timing_out.discard(event)

    def wait_for_all(self, event: str, call: Call, timeout: float) -> None:
        """Return if a ``call`` is done: all clients of a test answer at once, or never.

        Raises:
            Unanswered: the test has registered no answer.

        """
        if not call.is_done and event not in self.timing_out:
            raise Unanswered(NO_ANSWER_REGISTERED.format(event, event, event))

    def wait(self, event: str, answer: AsyncResult, timeout: float | None) -> Any:
        """Return the answer to an event.

        Raises:
            CallTimeout: the client leaves the event unanswered on purpose.
            Unanswered: the test has registered no answer.

        """
        if answer.ready():
            return unpack(answer.get())
        if event in self.timing_out:
            raise CallTimeout(f"{event!r} was not answered within {timeout} s")
        error = Unanswered(NO_ANSWER_REGISTERED.format(event, event, event))
        self._failed(error)  # the handler may catch it
        raise error


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class InlineServer:
    """The server that the clients of a test connect to, as the settings describe it.

    Attributes:
        sockets: the Socket.IO server.
        relay: carries messages within the process.
        calls: the calls of handlers to clients.

    """

    def __init__(self) -> None:
        self._thread = get_ident()
        self._clock = Clock()
        self._moved = timedelta()
        self._errors: list[BaseException] = []
        self.relay: Relay = OutboxRelay(encode_default, from_settings(), lazily=True)
        self._executor = InlineExecutor()
        self.sockets = build_server(
            relay=self.relay,
            executor=self._executor,
            clock=self._clock,
            make_errors=self._make_errors,
            make_calls=self._make_calls,
        )

    def _make_errors(self, timers: Timers) -> CollectedErrors:
        return CollectedErrors(timers, self._errors)

    def _make_calls(self, executor: Executor, limit: int) -> InlineCalls:
        self.calls = InlineCalls(executor, limit, self._errors.append)
        return self.calls

    @classmethod
    def of_test(cls) -> "InlineServer":
        """Return the server of the running test; the first call starts it.

        Raises:
            RuntimeError: this thread runs no test.

        """
        running = current.current()
        if isinstance(running, InlineServer):
            return running
        server = cls()
        open_outbox()
        if not at_end_of_test(server.stop):
            raise RuntimeError(NO_TEST)
        server.start()
        return server

    def start(self) -> None:
        """Become the server that messages of this process go through."""
        self.sockets.start()
        current.remove(self.sockets)
        current.add(self)

    def stop(self) -> None:
        """End all sockets; their last handlers run.

        Raises:
            AssertionError: the server has a socket or a channel left.
            BaseException: a handler has raised it, and no client has.

        """
        self._end_streams()
        try:
            self.sockets.stop()
        finally:
            current.remove(self)
        self.raise_failure()
        self._check_nothing_is_left()

    def _end_streams(self) -> None:
        """End the event streams of Django's test client, which have no connection to be closed."""
        for member in list(self.sockets.open_sockets):
            if not is_socket(member):
                member.close(Reason.SHUTTING_DOWN)

    def _check_nothing_is_left(self) -> None:
        kept = [*self.sockets.open_sockets, *self.sockets.engine.sessions.values()]
        if kept or len(self.sockets.channels):
            count = len(self.sockets.channels)
            raise AssertionError(f"The test has left {kept} and {count} topics with subscribers")

    @property
    def is_stopping(self) -> bool:
        """Whether the server ends its connections."""
        return self.sockets.is_stopping

    @property
    def services(self) -> Sequence[Service]:
        """The services of the server: its numbers are one of them."""
        return self.sockets.services

    def part(self, kind: type[AnyPart]) -> AnyPart:
        """Return the server's part of a kind; see ``SocketServer.part``."""
        return self.sockets.part(kind)

    @property
    def callers(self) -> Callers:
        """The calls that wait for answers."""
        return self.sockets.callers

    def prepare_call(self, event: str) -> None:
        """Begin a call, as ``SocketServer.prepare_call`` does; answers do not leave the process."""
        refuse_coroutine("call")
        self.calls.check_number(event)

    def wait(self, event: str, call: Call, timeout: float) -> None:
        """Return if a ``call`` is done; see ``InlineCalls.wait_for_all``."""
        self.calls.wait_for_all(event, call, timeout)

    def publish(self, envelope: Envelope) -> Received:
        """Publish an envelope at once, in whichever thread."""
        self._trust_logins_elsewhere()
        if envelope.kind is not EnvelopeKind.EVENT:  # an answer to a call may use other clients
            return self.sockets.channels.publish(envelope)
        with self._executor.postponed():  # those that it ends leave topics after its delivery
            return self.sockets.channels.publish(envelope)

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Publish events at once, in whichever thread."""
        self._trust_logins_elsewhere()
        with self._executor.postponed():
            return self.sockets.channels.publish_all(envelopes)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Call a function at once, in whichever thread."""
        return question()

    def _trust_logins_elsewhere(self) -> None:
        """Have no login examined but in the thread of the test, which has its database connection.

        Where an event loop runs, that thread may not query either.
        """
        if get_ident() == self._thread and not _has_running_loop():
            return
        for session in self.sockets.engine.sessions.values():
            login: Any = getattr(session.delegate, "login", None)
            if login is not None:
                login.confirm(True)

    def tell_presence(self, socket: Any, channel: str) -> None:
        """Have a socket told of changes on a channel that wait for the end of a pause."""
        presence = self.sockets.channels.presence
        if presence is not None:
            presence.watched(socket, [channel])  # the position that this returns has been told

    def raise_failure(self) -> None:
        """Raise the first error that handlers have raised since the last call."""
        errors = self.forget_failures()
        if errors:
            raise errors[0]

    def forget_failures(self) -> list[BaseException]:
        """Return the errors that handlers have raised since the last call."""
        collected = self._errors[:]
        self._errors.clear()
        return collected

    def advance(self, seconds: float) -> None:
        """Let time pass: call what is due, at its time.

        Raises:
            ValueError: the time is negative.

        """
        if seconds < 0:
            raise ValueError(f"advance() takes a number of seconds from 0, not {seconds!r}")
        end = self._clock.now + seconds
        timers = self.sockets.timers
        with self._moved_wall_clock():
            while timers.next_due <= end:
                self._move_to(max(timers.next_due, self._clock.now))
                timers.call_due()
            self._move_to(end)

    def _move_to(self, now: float) -> None:
        self._moved += timedelta(seconds=now - self._clock.now)
        self._clock.now = now

    @contextmanager
    def _moved_wall_clock(self) -> Iterator[None]:
        """Have Django's ``timezone.now`` tell the moved time: sessions expire by it."""
        real: Callable[[], datetime] = timezone.now
        with mock.patch.object(timezone, "now", lambda: real() + self._moved):
            yield
