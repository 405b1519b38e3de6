"""The Socket.IO server of a process: its sessions, its channels and the sockets that are open."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from gevent import get_hub

from django_socketio.channels import current
from django_socketio.channels.calls import Call, Callers
from django_socketio.channels.claims import Claims
from django_socketio.channels.registry import Channels, Encode
from django_socketio.channels.subscriber import is_socket
from django_socketio.concurrency.coroutines import refuse_coroutine
from django_socketio.concurrency.executors import Executor
from django_socketio.concurrency.native import get_ident, in_loop
from django_socketio.concurrency.running_loops import end_loops
from django_socketio.concurrency.share import Share
from django_socketio.concurrency.timers import Timers, clock
from django_socketio.concurrency.wait_set import WaitSet
from django_socketio.concurrency.workers import Workers
from django_socketio.events.pipeline import Pipeline
from django_socketio.exceptions import RelayError
from django_socketio.logs import get_logger
from django_socketio.protocol.engineio.heartbeat import Reason
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope, EnvelopeKind, StreamPosition
from django_socketio.relay.receipt import Received
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.sockets.away import Away
from django_socketio.sockets.calls import Calls
from django_socketio.sockets.commands import Commands
from django_socketio.sockets.encoder import Encoder
from django_socketio.sockets.loss_reports import LossReports
from django_socketio.sockets.pasts import Pasts, Replay
from django_socketio.sockets.questions import Questions
from django_socketio.transports import engine
from django_socketio.transports.engine import Engine
from django_socketio.transports.limits import Limits
from django_socketio.transports.session import Delegate, Session

logger = get_logger("django_socketio.server")

STOP_TIMEOUT = 1.5
"""Seconds that the last handlers of all sockets have when the server stops."""

LOOPS_TIMEOUT = 0.3
"""Seconds that asyncio's loops which still run then have for their cancelled tasks."""

Lost = Callable[[Topic], None]
"""Called with a topic of which messages were lost on their way to this process."""

Connect = Callable[["SocketServer", Session, Any], Delegate]
"""Returns the client of a new session; gets the request of its handshake as well."""


MakeChannels = Callable[[Relay, Encode, int], Channels]
"""Makes the registry of channels of a server; see ``Channels``."""


class Service(Protocol):
    """A part of a server that works by itself from the server's start to its stop."""

    def start(self, server: "SocketServer", /) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """Work no longer; all sockets have ended."""


class Guard(Protocol):
    """The part of security in connections that are not sessions, such as raw WebSockets."""

    def begin(self, connection: Any, request: Any) -> Any:
        """Return the login of a connection, which is closed when the login ends.

        Args:
            connection: see ``security.login.Connection``.
            request: the request that has opened the connection.

        """

    def meters(self, request: Any) -> tuple[Any, ...]:
        """Return the meters that count what comes on a new connection."""


class Part(Protocol):
    """A part of a server that a room above has added, and that works until the server stops."""

    def __init__(self, server: "SocketServer", /) -> None: ...

    @property
    def is_busy(self) -> bool:
        """Whether the part runs code of the project."""

    def stop(self, timeout: float) -> None:
        """Wait for the end of that code, for at most ``timeout`` seconds."""


AnyPart = TypeVar("AnyPart", bound=Part)
Answer = TypeVar("Answer")


class Losses(Protocol):
    """What is told of the changes of presence that were lost."""

    def lost(self, topic: Topic, /) -> None:
        """Have the people on a channel read again."""


class SocketServer:
    """The Socket.IO server of a process.

    ``server/bootstrap.py`` builds it from the settings. All calls but ``publish`` and ``ask`` are
    made in the native thread that has built it.

    Args:
        limits: the limits of what clients may use.
        open_relay: returns the relay, which calls its argument with topics that lost messages.
        open_engine: returns the engine, which calls its argument with each new session.
        timers: the deadlines of the server, with its clock.
        executor: runs the mailboxes of the sockets.
        encoder: encodes Socket.IO packets.
        pipeline: calls the handlers of events.
        calls: the handlers that wait for answers of clients.
        refusals: the exception by which handlers refuse; the client is told its text.
        connect: returns the client of a new session.
        guard: has logins and rates for connections that are not sessions.
        replay: see ``Pasts``.
        make_channels: makes the registry of the channels.
        services: what starts and stops with the server.
        signal_receiver: the object whose methods handle signals for the server, if there is one.

    Attributes:
        hub: the hub in whose event loop the server works.
        open_sockets: the lifecycles of the sockets whose last handler has not run yet, and event
            streams.
        addresses: the addresses on which the server accepts connections (``getsockname``).
        pools: the pools of greenlets in which the project's code runs.
        away: the sockets whose clients may come back; None if no client may.
        loss_reports: tells sockets of the messages that were lost.
        is_stopping: whether the server ends its connections.

    """

    presence: Losses | None = None
    """Notes the presence of people, once the server has started."""

    is_stopping = False

    def __init__(
        self,
        *,
        limits: Limits,
        open_relay: Callable[[Lost], Relay],
        open_engine: Callable[[engine.Connect], Engine],
        timers: Timers,
        executor: Executor,
        encoder: Encoder,
        pipeline: Pipeline,
        calls: Calls,
        refusals: type[Exception],
        connect: Connect,
        guard: Guard,
        replay: Replay | None = None,
        make_channels: MakeChannels = Channels,
        services: Sequence[Service] = (),
        signal_receiver: object = None,
    ) -> None:
        self.limits, self.timers, self.executor = limits, timers, executor
        # A thousand sockets that end at once must not be in the way of those that stay.
        self.endings = Share(executor, max(1, limits.workers // 4))
        self.encoder, self.pipeline = encoder, pipeline
        self.refusals, self.guard = refusals, guard
        self.services, self.signal_receiver = services, signal_receiver
        self.hub: Any = get_hub()
        self._thread_id = get_ident()
        self.open_sockets: WaitSet[Any] = WaitSet()
        self.addresses: list[Any] = []
        self._parts: dict[type[Part], Part] = {}
        self.pools: list[Workers] = [executor] if isinstance(executor, Workers) else []
        self.calls = calls
        self.away = Away(limits, timers) if limits.recovery_seconds else None
        self.pasts = Pasts(lambda: self.channels, executor, limits.max_unsent_bytes // 2, replay)
        self.loss_reports = LossReports(lambda: self.channels, executor)
        self.relay = open_relay(self._lost)
        self.channels = make_channels(self.relay, encoder.delivery, limits.max_unsent_bytes)
        self.relay.tell_rewinds(self._rewound)
        self._take_calls()
        self.engine = open_engine(partial(connect, self))

    def _lost(self, topic: Topic) -> None:
        """Tell the subscribers of a topic that messages were lost."""
        if topic.kind is TopicKind.PRESENCE and self.presence is not None:
            self.presence.lost(topic)
        else:
            self.loss_reports.add(topic)

    def _rewound(self, place: tuple[Topic, StreamPosition]) -> None:
        """Have subscribers get the messages that come at positions of forgotten ones."""
        topic, position = place
        for backlog in self.channels.backlogs(topic).values():
            if backlog is not None:
                backlog.rewind(position)

    def _take_calls(self) -> None:
        """Begin to handle messages to sockets that are no events: calls and commands."""
        self.callers = Callers(lambda: self.relay, self._thread_id)
        if self.away is not None and self.relay.unit == "processes":
            step_out = self.executor.step_out
            self.away.claims = Claims(self.callers, self.channels.publish, step_out)
        questions = Questions(
            self.channels, self.callers, self.relay.unit, self.timers, self.executor
        )
        self.channels.kinds = {
            EnvelopeKind.CALL: questions.ask,
            EnvelopeKind.CONTROL: Commands(self.channels).received,
        }

    def part(self, kind: type[AnyPart]) -> AnyPart:
        """Return the server's part of a kind, which is made at its first use."""
        if kind not in self._parts:
            self._parts[kind] = kind(self)
        return cast(AnyPart, self._parts[kind])

    def lifecycles(self) -> list[Any]:
        """Return the lifecycles of the open sockets: event streams have none."""
        return [one for one in list(self.open_sockets) if is_socket(one)]

    @property
    def is_busy(self) -> bool:
        """Whether the last handler of a socket has not run, or a part is busy."""
        return bool(self.open_sockets) or any(part.is_busy for part in self._parts.values())

    def publish(self, envelope: Envelope) -> Received:
        """Publish an envelope in the event loop, for whichever native thread calls this.

        Raises:
            RelayError: the relay did not take it.

        """
        if get_ident() == self._thread_id:
            return self.channels.publish(envelope)
        return in_loop(self.hub.loop, self.channels.publish, envelope)

    def publish_all(self, envelopes: Sequence[Envelope]) -> list[int | RelayError]:
        """Publish envelopes in the event loop, for whichever native thread calls this."""
        if get_ident() == self._thread_id:
            return self.channels.publish_all(envelopes)
        return in_loop(self.hub.loop, self.channels.publish_all, envelopes)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Call a function in the event loop, for whichever native thread calls this."""
        if get_ident() == self._thread_id:
            return question()
        return in_loop(self.hub.loop, question)

    def prepare_call(self, event: str) -> None:
        """Check that the caller may wait, and have the answers come to this process.

        Raises:
            CallTimeout: the largest number of handlers waits already.
            RuntimeError: the caller is a coroutine.

        """
        refuse_coroutine("call")
        self.calls.check_number(event)
        self.ask(self.callers.listen)

    def wait(self, event: str, call: Call, timeout: float) -> None:
        """Wait for the answers to a call, while other handlers run."""
        self.calls.wait_for_all(event, call, timeout)

    def add_listener(self, address: Any, *pools: Workers) -> None:
        """Note an address on which connections are accepted, and the greenlets that serve them."""
        self.addresses.append(address)
        self.pools.extend(pools)

    def start(self) -> None:
        """Become the server that out-of-band messages of this process go through."""
        current.add(self)
        for service in self.services:
            service.start(self)

    def stop(self) -> None:
        """End all sockets in order; their last handlers run."""
        self.is_stopping = True
        self.engine.stop()
        if self.away is not None:
            self.away.end_all(Reason.SHUTTING_DOWN)
        end = clock() + STOP_TIMEOUT
        if not self.open_sockets.wait_until_empty(STOP_TIMEOUT):
            logger.warning("Some handlers did not end within %s s", STOP_TIMEOUT)
        for part in self._parts.values():
            part.stop(max(0.0, end - clock()))
        end_loops(LOOPS_TIMEOUT)
        for service in self.services:
            service.stop()
        self.engine.flush()
        self.timers.stop()
        self.relay.close()
        current.remove(self)
