"""``call``: a question to browsers, and their answers, from any process of the site."""

from typing import Any, Literal

from django_socketio.channels.calls import Answers
from django_socketio.channels.publish import ask_clients
from django_socketio.exceptions import CallTimeout, NoSocket
from django_socketio.protocol.socketio.names import check_event_name, check_namespace
from django_socketio.publishing import audiences
from django_socketio.publishing.audiences import OMITTED, Groups, Names, Sessions, Users
from django_socketio.relay.envelope import UNLOGGED, Envelope, EnvelopeKind, ReplyTo
from django_socketio.relay.history_rules import is_time
from django_socketio.relay.topics import Topic, TopicKind

LONGEST = 3600.0
"""Seconds for which a call may wait."""


def call(
    event: str,
    *args: Any,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
    timeout: float = 10.0,
    wait: Literal["first", "all"] = "first",
) -> Any:
    """Send an event to the sockets of all audiences together, and return what clients answer.

    The audiences are those of ``emit``; at least one is needed. By default, the result is the first
    answer: its argument, a tuple where it has several, None where it has none. With ``wait="all"``,
    the result is a list of an ``Answer`` for each client that has answered within ``timeout``
    seconds, ``Answers``, which is empty if there is no socket. Answers that come later are dropped.

    In a handler, other handlers run meanwhile, as with ``socket.call``.

    Raises:
        CallTimeout: no client has answered in time, all have left without an answer, or more
            handlers wait than ``SOCKETIO_MAX_WAITING_CALLS`` allows.
        NoSocket: the audiences have no socket (not with ``wait="all"``).
        RelayError: the relay did not take the event; ``NoRelay`` if this process has none.
        RuntimeError: a coroutine calls it.
        ChannelError, EventError, TypeError, ValueError: as ``emit``.

    """
    given = {"channel": channel, "user": user, "session": session, "group": group}
    given["session_id"] = session_id
    reply_to = _reply_to(timeout, wait)
    envelope = _envelope(event, args, given, namespace)
    answers = ask_clients(envelope, reply_to) if envelope.topics else None
    if wait == "all":
        return Answers() if answers is None else answers
    if answers is None or answers.is_nobody:
        raise NoSocket(f"{event!r} was not sent: no socket is connected for {_named(envelope)}")
    return _first(event, answers, timeout)


def _envelope(event: str, args: tuple[Any, ...], given: dict[str, Any], namespace: str) -> Envelope:
    check_event_name(event)
    audiences.require_one(given, "call")
    namespace = check_namespace(namespace)
    topics = audiences.topics(namespace, given, "call")
    return Envelope(topics, namespace, event, args, kind=EnvelopeKind.CALL, keep=UNLOGGED)


def _reply_to(timeout: Any, wait: object) -> ReplyTo:
    if wait not in ("first", "all"):
        raise ValueError(f'call(wait={wait!r:.100}): expected "first" or "all"')
    if not is_time(timeout) or timeout > LONGEST:
        raise ValueError(
            f"call(timeout=…) takes a number of seconds, more than 0 and at most {LONGEST:.0f}, "
            f"not {timeout!r:.100}"
        )
    return ReplyTo("", float(timeout), wait == "all")


def _first(event: str, answers: Answers, timeout: float) -> Any:
    if answers:
        return answers[0].value
    if answers.is_heard and answers.left and answers.left == answers.asked:
        raise CallTimeout(f"{event!r} was not answered: the clients left before they answered")
    raise CallTimeout(f"{event!r} was not answered within {timeout} s")


def _named(envelope: Envelope) -> str:
    named = ", ".join(map(_shown, envelope.topics[:5])) or "the empty audience"
    return f"{named} and others" if len(envelope.topics) > 5 else named


def _shown(topic: Topic) -> str:
    """Return an audience as callers write it; the name of a session is a hash and says nothing."""
    name = "…" if topic.kind is TopicKind.SESSION else repr(topic.name)
    kind = "session_id" if topic.kind is TopicKind.SOCKET else topic.kind
    return f"{kind}={name}" + ("" if topic.namespace == "/" else f" in {topic.namespace}")
