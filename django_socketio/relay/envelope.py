"""Envelopes: messages on their way between processes, and their places in the logs of topics."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from os import urandom
from typing import Any, NamedTuple, TypeVar

from django_socketio.concurrency.log_limits import Once
from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic

logger = get_logger("django_socketio.relay")


Entry = TypeVar("Entry")


class EnvelopeKind(StrEnum):
    """The kinds of messages; the value is the name of a kind on the wire."""

    EVENT = "event"
    """A Socket.IO event for the sockets that are on a topic."""

    CONTROL = "control"
    """A command for the server processes that subscribe to a topic."""

    CALL = "call"
    """An event for the sockets that are on a topic, which their clients are to answer."""

    REPLY = "reply"
    """An answer to a call, for the process that has made the call."""


Trace = Mapping[str, str]
"""Header fields such as ``traceparent``, by which spans of several processes form one trace."""

UNLOGGED = -1.0
"""For ``Envelope.keep``: the message has no position, and is missed by whoever is away."""


def new_id() -> str:
    """Return an id that no other message has, whichever process made it."""
    return urandom(8).hex()


class ReplyTo(NamedTuple):
    """The place for the answers to a call.

    Attributes:
        name: of the topic (``TopicKind.REPLIES``) on which the calling process waits.
        timeout: the seconds for which it waits.
        wants_all: whether it waits for all answers, and wants to know how many sockets are asked.

    """

    name: str
    timeout: float
    wants_all: bool = False


@dataclass(slots=True)
class Envelope:
    """A message on its way to the subscribers of its topics; each gets it once.

    Nothing changes an envelope. It is not declared as frozen, because the attributes of a frozen
    dataclass take three times as long to set, for each message.

    Args:
        topics: where it goes.
        namespace: of the sockets that an event is for; ``""`` if it is for none.
        name: of the event or of the command.
        args: of the event or of the command.
        exclude: the id of a socket that does not get it: the one that sent it.
        kind: what it is.
        id: its identity, by which a second copy is known.
        keep: the seconds for which it is kept whether or not there are subscribers; 0 for as long
            as its topics keep messages anyway; ``UNLOGGED`` if no log is to have it.
        once: a digest of its idempotency key, under which the relay publishes a single message;
            "" for a message without a key. It does not travel.
        encoded: its form between processes, where that was made before it is published: the values
            of ``args`` may have changed since then. b"" for most. It does not travel.
        late: the seconds after its first publishing for which the relay may publish it to topics
            that did not take it then.
        reply_to: where the answers to a call go; None for messages of all other kinds.
        trace: the fields by which tracing goes on where it arrives, as W3C Trace Context has them;
            None while nothing is traced.
        is_copy: whether it was for further topics, by which it has come to this process before:
            some of its receivers may have it. It does not travel.

    """

    topics: tuple[Topic, ...]
    namespace: str
    name: str
    args: tuple[Any, ...]
    exclude: str | None = None
    kind: EnvelopeKind = EnvelopeKind.EVENT
    id: str = field(default_factory=new_id)
    keep: float = field(default=0.0, compare=False)
    once: str = field(default="", compare=False)
    encoded: bytes = field(default=b"", compare=False, repr=False)
    late: float = field(default=0.0, compare=False)
    reply_to: ReplyTo | None = None
    trace: Trace | None = field(default=None, compare=False)
    is_copy: bool = field(default=False, compare=False)


class StreamPosition(NamedTuple):
    """A place in a topic's sequence of messages.

    Attributes:
        epoch: names the sequence. A new one begins when the topic has been idle for longer than its
            log is kept, or when the log was lost.
        offset: the number of a message in the epoch, from 1.

    """

    epoch: str
    offset: int


EncodedData = tuple[str, Sequence[bytes]]
"""An event as JSON text with placeholders, and its attachments."""


class Delivery(NamedTuple):
    """A message as subscribers of a topic receive it.

    Attributes:
        envelope: the message. It may be for several topics, and is delivered once for all of them.
        topic: that by which it has come.
        position: its place in that topic; None if the topic keeps no log.
        encoded: its event as JSON text and attachments, where the relay has encoded it in this
            process; else None.

    """

    envelope: Envelope
    topic: Topic
    position: StreamPosition | None = None
    encoded: EncodedData | None = None


Deliver = Callable[[Delivery], int]
"""Hands a message to the subscribers in this process; returns how many received it."""


class LogRange(NamedTuple):
    """A part of a topic's log.

    Attributes:
        deliveries: its messages, oldest first.
        position: of the topic when the log was read; None for an idle topic, which has no log.
        is_complete: whether the range has every message from its beginning to its end. Its end is
            the topic's position, or the last message that the limit of the range allowed.
        is_cut: whether as many messages as its limit allows were found, so that there may be more.
            Those of a kind that only newer processes know count, although they are no deliveries.

    """

    deliveries: tuple[Delivery, ...]
    position: StreamPosition | None
    is_complete: bool
    is_cut: bool = False


def nothing_after(position: StreamPosition | None) -> LogRange:
    """Return the range of an idle topic: of the epoch that a position was in, all is missing."""
    return LogRange((), None, is_complete=position is None)


def is_cut(offsets: Sequence[int], limit: int | None) -> bool:
    """Return whether as many messages were found as a limit allows."""
    return limit is not None and len(offsets) == limit


def is_complete(
    offsets: Sequence[int],
    position: StreamPosition | None,
    after: StreamPosition | None,
    limit: int | None,
    mark: int = 0,
) -> bool:
    """Return whether what a log has after a position is all that the topic had.

    Args:
        offsets: of the messages that were found, at most ``limit``; each is higher than the last.
        position: of the topic.
        mark: the offset from which on the log was complete, but for what it has let go.

    """
    if position is None:
        return after is None
    if after is not None and after.epoch != position.epoch:
        return False
    begin = 0 if after is None else after.offset
    if not mark <= begin <= position.offset:
        return False
    last = offsets[-1] if offsets else begin
    end = last if is_cut(offsets, limit) else position.offset
    return len(offsets) == end - begin


def is_history_complete(
    found: Sequence[int],
    kept: Iterable[tuple[int, bool]],
    position: StreamPosition | None,
    after: StreamPosition | None,
    mark: int = 0,
) -> bool:
    """Return whether a history misses nothing: after a position, or after its own first message.

    Args:
        found: offsets of the messages that were found.
        kept: offsets of the messages that the log has after the position, and whether each of them
            was published to be kept.
        position: of the topic.
        mark: the offset from which on the log was complete, but for what it has let go.

    """
    if position is None:
        return after is None
    if after is not None and after.epoch != position.epoch:
        return False
    begin = found[0] - 1 if found else position.offset
    if after is not None:
        begin = after.offset
    later = [is_history for offset, is_history in kept if offset > begin]
    is_whole = mark <= begin <= position.offset and len(later) == position.offset - begin
    return is_whole and len(found) == sum(later)


def newest(found: list[Entry], limit: int | None) -> list[Entry]:
    """Return the last ones, as many as a limit allows."""
    return found if limit is None else found[max(len(found) - limit, 0) :]


def call_at_once(function: Callable[..., object], *args: Any) -> None:
    """Call a function with its arguments: the schedule of processes without an event loop."""
    function(*args)


def ignore_kind(kind: str, say: Callable[..., object] = call_at_once) -> int:
    """Return that no subscriber receives a message, for its kind is not handled here.

    The log says so for debugging, once for each kind. In the event loop, which must not wait,
    ``say`` is ``hub_log.say``.
    """
    if _ignored_kinds.is_new(kind):
        say(
            logger.debug,
            "Ignored a message of the kind %.100r, which is not handled here",
            str(kind),
        )
    return 0


MAX_IGNORED_KINDS = 100
"""Kinds of messages that the log names: anything that can write to Redis can make up more."""

_ignored_kinds = Once(MAX_IGNORED_KINDS)
