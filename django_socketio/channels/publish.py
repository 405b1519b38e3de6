"""Out-of-band messages: from a view, a task, a shell, from any process with Django."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from django_socketio.channels.calls import Answers, Call, Callers
from django_socketio.channels.current import Server, current
from django_socketio.channels.listening import listening
from django_socketio.channels.names import check_channel
from django_socketio.concurrency.coroutines import refuse_coroutine
from django_socketio.concurrency.native import get_ident, in_loop
from django_socketio.concurrency.threads import forbid, running
from django_socketio.exceptions import NoRelay, NoSocket, RelayError
from django_socketio.protocol.socketio.names import check_event_name, check_namespace
from django_socketio.relay.base import Relay
from django_socketio.relay.envelope import Envelope, LogRange, ReplyTo, StreamPosition
from django_socketio.relay.receipt import Receipt
from django_socketio.relay.roster import Roster
from django_socketio.relay.topics import Topic, channel_topic, everyone_topic, socket_topic

Answer = TypeVar("Answer")


_NOT_SET_UP = "Django is not set up in this process: call django.setup() first"


class _WithoutServer:
    relay: Callable[[], Relay] | None = None
    """Returns the relay of a process that runs no server; set once Django is set up."""

    open_listening: Callable[[], Relay] | None = None
    """Returns a new relay of such a process, which listens for the answers to its calls."""


class _Watched:
    by: Callable[[str], None] | None = None
    """Gets the name of each function that sends; None while nobody watches."""


def publish_without_server(relay: Callable[[], Relay], open_listening: Callable[[], Relay]) -> None:
    """Have a process without a server publish by a relay, and read from it.

    Args:
        relay: returns the relay.
        open_listening: returns a new relay, which listens for the answers to calls.

    """
    _WithoutServer.relay = relay
    _WithoutServer.open_listening = open_listening


def watch(by: Callable[[str], None]) -> None:
    """Have a function called with the name of ``broadcast`` and its like, before each sends."""
    _Watched.by = by


def read_history(topic: Topic, after: StreamPosition | None, limit: int | None) -> LogRange:
    """Return the newest messages of a topic's history after a position.

    Raises:
        NoRelay: this process has no relay.
        RelayError: the relay cannot be asked.

    """
    return _ask_relay(lambda relay: relay.history(topic, after, limit))


def keep_from_now(topic: Topic, seconds: float) -> StreamPosition | None:
    """Have a topic's messages kept for some seconds; return its position, None if none are kept.

    Raises:
        NoRelay: this process has no relay.
        RelayError: the relay cannot be asked.

    """
    return _ask_relay(lambda relay: relay.keep(topic, seconds))


def read_roster(topic: Topic) -> Roster:
    """Return the people on a channel, by its presence topic.

    Raises:
        NoRelay: this process has no relay.
        RelayError: the relay cannot be asked.

    """
    return _ask_relay(lambda relay: relay.rosters.read(topic))


def count_present(topic: Topic) -> int:
    """Return the number of people on a channel; raises as ``read_roster``."""
    return _ask_relay(lambda relay: relay.rosters.count(topic))


def ask_clients(envelope: Envelope, reply_to: ReplyTo) -> Answers | None:
    """Publish a call, and return the answers that come in time; None if no socket was asked.

    Args:
        envelope: the call.
        reply_to: how long to wait, and for what; the name of the topic is set here.

    Raises:
        NoRelay: nothing can leave this process.
        RelayError: the relay did not take it.
        CallTimeout: too many handlers wait already.
        RuntimeError: the caller is a coroutine.

    """
    if running:
        forbid("call")
    server = current()
    if server is not None:
        server.prepare_call(envelope.name)
        wait = partial(server.wait, envelope.name)
        return _ask_by(server.callers, envelope, reply_to, wait)
    if _WithoutServer.open_listening is None:
        raise NoRelay(_NOT_SET_UP)
    refuse_coroutine("call")
    with listening(_WithoutServer.open_listening) as callers:
        return _ask_by(callers, envelope, reply_to, Call.wait)


def _ask_by(
    callers: Callers,
    envelope: Envelope,
    reply_to: ReplyTo,
    wait: Callable[[Call, float], None],
) -> Answers | None:
    envelope.reply_to = reply_to._replace(name=callers.name)
    call = callers.begin(envelope.id, reply_to.wants_all)
    try:
        received = int(publish(envelope))
        if not received:
            return None
        call.expect(received)
        wait(call, reply_to.timeout)
        return call.answers
    finally:
        callers.end(envelope.id)


def _ask(question: Callable[[], Answer]) -> Answer:
    """Return the answer to a question; for a function of ``in_thread``, the event loop asks it."""
    if running and (call := running.get(get_ident())) is not None:
        answer: Answer = in_loop(call.loop, question)
        return answer
    return question()


def _ask_relay(question: Callable[[Relay], Answer]) -> Answer:
    server = current()
    if server is None:
        return _ask(lambda: question(_relay_without_server()))
    return _ask(lambda: server.ask(partial(question, server.relay)))


def _relay_without_server() -> Relay:
    if _WithoutServer.relay is None:
        raise NoRelay(_NOT_SET_UP)
    return _WithoutServer.relay()


def _publisher() -> Server | Relay:
    server = current()
    return _relay_without_server() if server is None else server


def broadcast(message: Any, event: str = "message", namespace: str = "/") -> int:
    """Send a message (any JSON value, or bytes) to all sockets.

    Returns how many received it: sockets, or processes where a relay carries it to them. It returns
    0 for a message that is kept for sockets that may come back.

    Raises:
        NoSocket: there is no socket.
        RelayError: the relay did not take the message.

    """
    namespace = check_namespace(namespace)
    _note("broadcast")
    return _send((everyone_topic(namespace),), namespace, event, message, "there is no socket")


def broadcast_channel(
    message: Any, channel: str, event: str = "message", namespace: str = "/"
) -> int:
    """Send a message (any JSON value, or bytes) to all sockets on a channel.

    Returns how many received it: sockets, or processes where a relay carries it to them. It returns
    0 for a message that is kept for sockets that may come back.

    Raises:
        ChannelError: the channel's name is not allowed.
        NoSocket: there is no socket on the channel.
        RelayError: the relay did not take the message.

    """
    namespace = check_namespace(namespace)
    topics = (channel_topic(namespace, check_channel(channel)),)
    _note("broadcast_channel")
    missing = f"there is no socket on the channel {channel!r}"
    return _send(topics, namespace, event, message, missing)


def send(session_id: str, message: Any, event: str = "message", namespace: str = "/") -> int:
    """Send a message (any JSON value, or bytes) to the socket with this id.

    The id is ``socket.session.session_id``, the one that the client sees as ``socket.id``.

    Raises:
        NoSocket: there is no such socket.
        RelayError: the relay did not take the message.

    """
    namespace = check_namespace(namespace)
    topics = (socket_topic(namespace, session_id),)
    _note("send")
    missing = f"there is no socket with the session id {session_id!r}"
    return _send(topics, namespace, event, message, missing)


def publish(envelope: Envelope) -> int:
    """Publish an envelope as this process does; return how many received it.

    Raises:
        NoRelay: nothing can leave this process.
        RelayError: the relay did not take it.

    """
    received: int = _ask(lambda: _publisher().publish(envelope))
    return received


def publish_all(envelopes: Sequence[Envelope]) -> list[int | RelayError]:
    """Publish envelopes as this process does, in their order and in few round trips.

    Returns how many received each, or its error. The first error ends it: the envelopes after it
    are not published, and have ``NotTried``.

    Raises:
        NoRelay: nothing can leave this process.

    """
    return _ask(lambda: _publisher().publish_all(envelopes))


def _note(function: str) -> None:
    if _Watched.by is not None:
        _Watched.by(function)


def _send(
    topics: tuple[Topic, ...], namespace: str, event: str, message: Any, missing: str
) -> Receipt:
    check_event_name(event)
    try:
        received = publish(Envelope(topics, namespace, event, (message,)))
    except NoRelay as error:
        raise NoSocket(str(error)) from None
    receipt = Receipt.of(received)
    if not receipt.is_accepted:
        raise NoSocket(missing)
    return receipt
