"""Commands to sockets from anywhere: ``disconnect``, ``subscribe``, ``unsubscribe``."""

from typing import Any

from django_socketio.channels import commands
from django_socketio.channels.names import check_channel
from django_socketio.channels.publish import publish
from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.publishing import audiences
from django_socketio.publishing.audiences import OMITTED, Groups, Names, Sessions, Users
from django_socketio.publishing.emitting import new_result
from django_socketio.publishing.results import Emitted
from django_socketio.relay.envelope import Envelope, EnvelopeKind

LONGEST_REASON = 200
"""Characters of a reason."""


def disconnect(
    *,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
    reason: str = "",
) -> Emitted:
    """End the sockets of audiences, in all processes, as ``socket.disconnect`` does.

    The audiences are those of ``emit``; at least one is needed. Clients are told, and official ones
    do not come back by themselves. ``reason`` is what handlers get as ``socket.disconnect_reason``;
    clients are not told it.

    Raises:
        RelayError: the relay did not take the command; ``NoRelay`` if this process has none.
        ChannelError, TypeError, ValueError: an audience or the reason cannot be used.

    """
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
        raise ValueError(
            f"disconnect(reason=…) takes a string of up to {LONGEST_REASON} characters, "
            f"not {reason!r:.100}"
        )
    given = {"channel": channel, "user": user, "session": session, "group": group}
    return _command(commands.DISCONNECT, reason, given, session_id, namespace)


def subscribe(
    name: str,
    /,
    *,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
) -> Emitted:
    """Put the sockets of audiences on a channel, in all processes, as ``socket.subscribe`` does.

    The audiences are those of ``emit``; at least one is needed: ``subscribe("room-1", user=ann)``.
    No handlers run, and sockets that connect later are not concerned.

    Raises:
        RelayError: the relay did not take the command; ``NoRelay`` if this process has none.
        ChannelError, TypeError, ValueError: the channel or an audience cannot be used.

    """
    given = {"channel": channel, "user": user, "session": session, "group": group}
    return _command(commands.SUBSCRIBE, check_channel(name), given, session_id, namespace)


def unsubscribe(
    name: str,
    /,
    *,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
) -> Emitted:
    """Take sockets of audiences off a channel, in all processes, as ``socket.unsubscribe`` does.

    Without an audience, the channel is closed: all sockets on it leave. No handlers run.

    Raises:
        RelayError: the relay did not take the command; ``NoRelay`` if this process has none.
        ChannelError, TypeError, ValueError: the channel or an audience cannot be used.

    """
    given = {"channel": channel, "user": user, "session": session, "group": group}
    if session_id is OMITTED and all(value is OMITTED for value in given.values()):
        given["channel"] = check_channel(name)
    return _command(commands.UNSUBSCRIBE, check_channel(name), given, session_id, namespace)


def _command(
    name: str, argument: str, given: dict[str, Any], session_id: Names, namespace: str
) -> Emitted:
    given = {**given, "session_id": session_id}
    function, _, _ = name.partition(" ")
    audiences.require_one(given, function)
    namespace = check_namespace(namespace)
    topics = audiences.topics(namespace, given, function)
    envelope = Envelope(topics, namespace, name, (argument,), kind=EnvelopeKind.CONTROL)
    emitted = new_result()
    emitted.accept(publish(envelope) if topics else 0)
    return emitted
