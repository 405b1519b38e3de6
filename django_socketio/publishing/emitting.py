"""``emit``: one function that sends an event to sockets, from any process of the site."""

from typing import Any

from django_socketio.channels.current import current
from django_socketio.channels.publish import publish
from django_socketio.protocol.socketio.names import check_event_name, check_namespace
from django_socketio.publishing import audiences, idempotency, transactions
from django_socketio.publishing.audiences import OMITTED, Groups, Names, Sessions, Users
from django_socketio.publishing.deferring import publish_each_later, snapshot
from django_socketio.publishing.results import Emitted
from django_socketio.relay.envelope import Envelope
from django_socketio.relay.history_rules import A_TIME, is_time


def emit(
    event: str,
    *args: Any,
    channel: Names = OMITTED,
    user: Users = OMITTED,
    session: Sessions = OMITTED,
    group: Groups = OMITTED,
    session_id: Names = OMITTED,
    namespace: str = "/",
    on_commit: bool | str = OMITTED,
    keep: float | None = None,
    idempotency_key: str | None = None,
) -> Emitted:
    """Send an event to the sockets of all audiences together, one copy each, in all processes.

    Each audience is a value or an iterable of values: names of channels, users, Django sessions,
    groups (objects or keys; a string is the name of a group), ids of sockets. Without an audience,
    all sockets of the namespace receive the event. An audience without sockets is no error.

    ``on_commit=True`` sends the event after the commit of the open transaction, a string after that
    of another database. A failure of the relay is then logged and counted, not raised. By default
    the event is sent at once, in a transaction with a warning under DEBUG.

    ``keep`` is a number of seconds for which ``history`` has the event, whether or not an audience
    has sockets.
    With ``idempotency_key``, the event is sent once to these audiences within five minutes: later
    calls with the same key send nothing, and return the result of the first.

    Raises:
        RelayError: the relay did not take the event; ``NoRelay`` if this process has none.
        ChannelError, EventError: a name is not allowed.
        TypeError, ValueError: an audience, an argument or the key cannot be used.

    """
    on_commit = decided(on_commit, "emit")
    given = {"channel": channel, "user": user, "session": session, "group": group}
    given["session_id"] = session_id
    return emit_envelope(
        new_envelope(event, args, given, namespace, keep, idempotency_key), on_commit
    )


def emit_envelope(envelope: Envelope, on_commit: bool | str) -> Emitted:
    """Publish an envelope now, or after a commit.

    Raises:
        RelayError: the relay did not take it now; ``NoRelay`` if this process has none.
        TypeError, ValueError: an argument of the event cannot be used.

    """
    emitted = new_result()
    if on_commit is False:
        emitted.accept(publish(envelope) if envelope.topics else 0)
    else:
        publish_each_later([(snapshot(envelope), emitted)], on_commit)
    return emitted


def new_envelope(
    event: str,
    args: tuple[Any, ...],
    given: dict[str, Any],
    namespace: str,
    keep: float | None,
    idempotency_key: str | None,
) -> Envelope:
    """Return the envelope of an event for audiences, as ``emit`` takes them.

    Raises:
        ChannelError, EventError: a name is not allowed.
        TypeError, ValueError: an audience, ``keep`` or the key cannot be used.

    """
    check_event_name(event)
    return own_envelope(event, args, given, namespace, keep, idempotency_key)


def own_envelope(
    event: str,
    args: tuple[Any, ...],
    given: dict[str, Any],
    namespace: str,
    keep: float | None,
    idempotency_key: str | None,
    exclude: str | None = None,
    function: str = "emit",
) -> Envelope:
    """Return the envelope of an event whose name may be one of the package's own.

    Args:
        exclude: the id of a socket that does not get it.
        function: the name of the function that got the arguments, which the errors tell.

    Raises:
        ChannelError, EventError, TypeError, ValueError: as ``new_envelope``.

    """
    _check_keep(keep, function)
    namespace = check_namespace(namespace)
    topics = audiences.topics(namespace, given, function)
    once = idempotency.digest(idempotency_key, event, topics, function)
    keep = float(keep or 0)
    return Envelope(topics, namespace, event, args, exclude=exclude, keep=keep, once=once)


def new_result() -> Emitted:
    """Return the result of a message that is not published yet."""
    server = current()
    return Emitted("processes" if server is None else server.relay.unit)


def decided(on_commit: bool | str, function: str) -> bool | str:
    """Return the argument ``on_commit`` of a function; False where it is omitted.

    Raises:
        TypeError: it is no boolean and no string.

    """
    if on_commit is OMITTED:
        transactions.warn(function)
        return False
    check_commit(on_commit, function)
    return on_commit


def check_commit(on_commit: object, function: str) -> None:
    """Check the argument ``on_commit`` of a function.

    Raises:
        TypeError: it is no boolean and no string.

    """
    if not isinstance(on_commit, bool | str):
        raise TypeError(
            f"{function}(on_commit={on_commit!r:.100}): expected True, False or the alias of a "
            "database"
        )


def _check_keep(keep: object, function: str) -> None:
    if keep is not None and not is_time(keep):
        raise ValueError(f"{function}(keep=…) takes {A_TIME}, not {keep!r:.100}")
