"""The outbox: the messages that a test has sent to channels, to all, or to a single socket.

``socket.send`` and ``socket.emit`` answer a client at once: these messages are in
``SocketClient.received`` only.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from weakref import WeakSet

from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.publishing import audiences
from django_socketio.publishing.audiences import OMITTED, Groups, Names, Sessions, Users
from django_socketio.publishing.values import encode_default
from django_socketio.relay import wire
from django_socketio.relay.envelope import UNLOGGED, Envelope, EnvelopeKind, StreamPosition
from django_socketio.relay.memory import MemoryRelay
from django_socketio.relay.memory_logs import MemoryLogs
from django_socketio.relay.repeats import Repeats
from django_socketio.relay.topics import Retentions, Topic, TopicKind
from django_socketio.testing.running import at_end_of_test


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that was sent, whether or not a socket has received it.

    Attributes:
        event: the name of its event.
        args: the arguments of the event, as clients receive them: tuples have become lists, dates
            texts.
        namespace: the namespace of the sockets.
        topics: where it was sent.

    """

    event: str
    args: tuple[Any, ...]
    namespace: str
    topics: tuple[Topic, ...]

    @property
    def channels(self) -> list[str]:
        """The channels that the message was sent to."""
        return [topic.name for topic in self.topics if topic.kind is TopicKind.CHANNEL]

    def __str__(self) -> str:
        arguments = ", ".join(map(repr, (self.event, *self.args)))
        audience = " and ".join(map(_name, self.topics))
        return f"{arguments} to {audience}" if audience else arguments


def _name(topic: Topic) -> str:
    if topic.kind is TopicKind.EVERYONE:
        return f"all of {topic.namespace!r}"
    return f"the {topic.kind.value} {topic.name!r}"


outbox: list[OutboxMessage] = []
"""The messages of the running test, in the order in which they were sent.

Messages from outside of tests, such as those of ``setUpTestData``, are not kept.
"""


class _Outbox:
    is_open = False
    """Whether messages are kept: a test runs, at whose end the outbox is emptied."""


def open_outbox() -> bool:
    """Keep messages until the end of the running test; return False if no test runs."""
    if not _Outbox.is_open:
        _Outbox.is_open = at_end_of_test(_close, in_any_thread=True)
    return _Outbox.is_open


@contextmanager
def opened_outbox() -> Iterator[None]:
    """Keep messages for the time of a context, also where no thread shows that a test runs."""
    _Outbox.is_open = True
    try:
        yield
    finally:
        _close()


def _close() -> None:
    _Outbox.is_open = False
    outbox.clear()
    _logs_of.cache_clear()
    for relay in _relays:
        relay.forget()
    repeats.clear()


repeats = Repeats()
"""The messages of the running test that had an idempotency key."""


@lru_cache(None)
def _logs_of(retentions: Retentions, lazily: bool) -> MemoryLogs:
    """Return the logs of the running test: a client gets what was published before it came."""
    return MemoryLogs(retentions, lazily)


class OutboxRelay(MemoryRelay):
    """Carries messages within the process, and keeps those of tests in the outbox."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._repeats = repeats
        _relays.add(self)

    def _begin_logs(self) -> MemoryLogs:
        return _logs_of(self._retentions, self._lazily)

    def publish(self, envelope: Envelope) -> int:
        """Keep a message, and hand it to the sockets of this process."""
        if envelope.kind is EnvelopeKind.EVENT:
            envelope = self._prepared(envelope)
        return super().publish(envelope)

    def _prepared(self, envelope: Envelope) -> Envelope:
        """Return an event with the values that its arguments have now."""
        encoded = envelope.encoded or wire.encode(envelope, self._default)
        if open_outbox():
            return replace(envelope, encoded=encoded)
        # No test runs, whose end would forget the message and its key.
        return replace(envelope, encoded=encoded, once="", keep=UNLOGGED)

    def _publish(self, envelope: Envelope) -> int:
        if envelope.kind is not EnvelopeKind.EVENT or not _Outbox.is_open:
            return super()._publish(envelope)
        emitted = OutboxMessage(envelope.name, envelope.args, envelope.namespace, envelope.topics)
        outbox.append(emitted)
        try:
            return super()._publish(envelope)
        except BaseException:
            outbox.remove(emitted)  # it could not be sent
            raise

    def keep(self, topic: Topic, seconds: float) -> StreamPosition | None:
        """Keep a topic's messages; not before a test runs, whose end would forget them."""
        return super().keep(topic, seconds) if open_outbox() else None

    def __str__(self) -> str:
        return "in-process (tests: no message leaves this process)"


_relays: WeakSet[OutboxRelay] = WeakSet()
"""The relays of tests, whose histories end with the test."""


def assert_emitted(
    event: str,
    *args: Any,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
) -> OutboxMessage:
    """Check that a message was sent, and return the first one that fits.

    Args:
        event: the name of the event.
        args: its arguments, as ``emit`` takes them; without any, those of the message do not
            matter. A value that cannot be sent, such as ``mock.ANY``, is compared as it is.
        channel, user, session, group, session_id: audiences that it was sent to, as ``emit`` takes
            them. Without any, its audience does not matter.
        namespace: the namespace of the sockets.

    Raises:
        AssertionError: no such message was sent; the text lists the messages of the test.

    """
    given = {"channel": channel, "user": user, "session": session, "group": group}
    given["session_id"] = session_id
    namespace = check_namespace(namespace)
    wanted, sent = _topics(namespace, given), tuple(map(_as_sent, args))
    for emitted in outbox:
        if emitted.event != event or emitted.namespace != namespace:
            continue
        if wanted.issubset(emitted.topics) and sent in ((), emitted.args):
            return emitted
    asked = OutboxMessage(event, sent, namespace, tuple(wanted))
    raise AssertionError(f"{asked} was not emitted; {listed('emitted', outbox)}")


def _as_sent(value: Any) -> Any:
    """Return a value as clients receive it, but for what cannot be sent."""
    try:
        encoded = wire.encode(Envelope((), "/", "value", (value,)), encode_default)
    except TypeError:
        if isinstance(value, dict):
            return {name: _as_sent(item) for name, item in value.items()}
        return [*map(_as_sent, value)] if isinstance(value, list | tuple) else value
    return wire.decode(encoded).args[0]


def _topics(namespace: str, given: dict[str, Any]) -> frozenset[Topic]:
    if all(value is OMITTED for value in given.values()):
        return frozenset()
    return frozenset(audiences.topics(namespace, given, "assert_emitted"))


def assert_nothing_emitted() -> None:
    """Check that the test has sent no message.

    Raises:
        AssertionError: the test has; the text lists its messages.

    """
    if outbox:
        raise AssertionError(listed("emitted", outbox))


def listed(verb: str, messages: Iterable[object]) -> str:
    """Return a sentence with messages, a line each."""
    lines = [f"\n  {message}" for message in messages]
    return f"these were {verb}:{''.join(lines)}" if lines else f"nothing was {verb}"
