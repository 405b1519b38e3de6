"""Signals of Django that end logins, published to all server processes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from django_socketio.channels import publish as broadcasts
from django_socketio.exceptions import NoRelay, RelayError
from django_socketio.logs import get_logger
from django_socketio.relay.envelope import Envelope, EnvelopeKind
from django_socketio.relay.topics import Topic, TopicKind
from django_socketio.security import sessions
from django_socketio.security.memberships import group_model

logger = get_logger("django_socketio.security")

TOPIC = Topic(TopicKind.CONTROL, name="logins")
"""The topic of the ends of logins, which every server process subscribes to."""

SESSION_ENDED = "session ended"
USER_CHANGED = "user changed"
USER_LOGGED_OUT = "user logged out"
GROUPS_CHANGED = "groups changed"
"""The groups of a user have changed; of any number of users if the message names none."""

MANY = 100
"""Users, added to a group or removed from it at once, up to which a message names each."""

HARMLESS = frozenset({"last_login"})
"""Fields of a user that no login depends on. Every login saves ``last_login``."""


def connect() -> None:
    """Receive the signals of logins, logouts and changed users, in a process of any kind."""
    if not apps.is_installed("django.contrib.auth"):
        return
    user_logged_in.connect(_logged_in, dispatch_uid="django_socketio")
    user_logged_out.connect(_logged_out, dispatch_uid="django_socketio")
    for model in apps.get_models():
        if issubclass(model, get_user_model()):  # itself, and its proxies
            post_save.connect(_user_changed, model, dispatch_uid="django_socketio")
            post_delete.connect(_user_changed, model, dispatch_uid="django_socketio")
    if (groups := group_model()) is not None:
        through = get_user_model()._meta.get_field("groups").remote_field.through
        m2m_changed.connect(_membership_changed, through, dispatch_uid="django_socketio")
        post_save.connect(_group_changed, groups, dispatch_uid="django_socketio")
        post_delete.connect(_group_changed, groups, dispatch_uid="django_socketio")


def connect_sessions() -> None:
    """Receive the signals of deleted sessions, in a server process.

    Other processes do not: Django loads each row that it deletes if a signal has a receiver, and
    ``clearsessions`` may delete millions.
    """
    store = sessions.store_class()
    try:
        model = store.get_model_class()
    except (AttributeError, RuntimeError):
        return  # sessions are not in the database, or their app is not installed
    post_delete.connect(_session_deleted, model, dispatch_uid="django_socketio")


def _logged_in(request: Any, user: Any, **kwargs: Any) -> None:
    store = getattr(request, "session", None)
    if store is None:
        return  # a login by a token: the sessions of the browser go on
    cookie = sessions.cookie_of(request)
    if not cookie or cookie == getattr(store, "session_key", None):
        return
    _tell(SESSION_ENDED, sessions.digest(cookie))
    if sessions.are_in_cookies():
        before = sessions.user_id(sessions.store_class()(cookie).load())
        if before is not None and before != sessions.key_of(user):
            _tell(USER_LOGGED_OUT, before)


def _logged_out(request: Any, user: Any, **kwargs: Any) -> None:
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key:
        _tell(SESSION_ENDED, sessions.digest(key))
    if sessions.are_in_cookies() and (id := sessions.key_of(user)) is not None:
        # No store lists the cookies that hold this session. All sockets of the user end, and the
        # browsers that are still logged in connect again.
        _tell(USER_LOGGED_OUT, id)


def _user_changed(instance: Any, using: str, **kwargs: Any) -> None:
    if kwargs.get("created") or kwargs.get("raw"):
        return
    fields = kwargs.get("update_fields")
    if fields is None or not HARMLESS.issuperset(fields):
        _tell(USER_CHANGED, _id(instance), using)


def _membership_changed(
    instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, using: str, **kwargs: Any
) -> None:
    if not action.startswith("post_") or pk_set == set():
        return
    if not reverse:
        return _tell(GROUPS_CHANGED, _id(instance), using)
    # A group that is cleared names no users.
    few = pk_set is not None and len(pk_set) <= MANY
    for user in map(str, pk_set or ()) if few else ("",):
        _tell(GROUPS_CHANGED, user, using)


def _group_changed(using: str, **kwargs: Any) -> None:
    if kwargs.get("created", True) and not kwargs.get("raw"):
        _tell(GROUPS_CHANGED, "", using)  # created or deleted; deletions send no m2m_changed


def _session_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    _tell(SESSION_ENDED, sessions.digest(instance.session_key), using)


def _id(user: Any) -> str:
    return str(user._meta.pk.value_to_string(user))


def _tell(command: str, subject: str, using: str = DEFAULT_DB_ALIAS) -> None:
    """Publish the end of a login to all server processes, once the transaction is committed."""
    envelope = Envelope((TOPIC,), "", command, (subject,), kind=EnvelopeKind.CONTROL)
    _after_commit(partial(_publish, envelope), using)


def _after_commit(call: Callable[[], None], using: str) -> None:
    if connections[using].in_atomic_block:
        transaction.on_commit(call, using=using)
    else:
        call()


def _publish(envelope: Envelope) -> None:
    try:
        broadcasts.publish(envelope)
    except NoRelay:
        logger.debug("No server process learns of this: %s", envelope.name)
    except RelayError as error:
        # The view that logs a user out must not fail; the next check of the sessions finds out.
        logger.error("Other processes do not learn at once: %s: %s", envelope.name, error)
