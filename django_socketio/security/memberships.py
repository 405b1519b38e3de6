"""The groups of the users who have sockets here, on sites that use groups.

A site uses groups if its database has any. Where it has none, no query reads the groups of a user.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db.models import Model

from django_socketio.logs import get_logger
from django_socketio.relay.topics import Topic, TopicKind

logger = get_logger("django_socketio.security")

BATCH = 100
"""Users whose groups one query reads."""

UNREADABLE = (DatabaseError, OSError, ImproperlyConfigured)


class Member(Protocol):
    """The lifecycle of a socket, or an event stream: it is on the topics of its user's groups."""

    @property
    def namespace(self) -> str:
        """The namespace of its topics."""

    @property
    def audiences(self) -> Iterable[Topic]:
        """The topics of its user, Django session and groups."""

    def follow_groups(self, groups: Iterable[Topic], /) -> None:
        """Be on the topics of these groups, and of no others."""


Members = dict[str, list[Member]]
"""Sockets and event streams, by the primary keys of their users."""


def group_model() -> type[Model] | None:
    """Return the model of the groups of users; None if users have no groups."""
    try:
        field: Any = get_user_model()._meta.get_field("groups")
    except (FieldDoesNotExist, ImproperlyConfigured):
        return None
    return field.related_model if field.many_to_many else None


class Memberships:
    """Keeps sockets on the topics of their users' groups.

    Args:
        open_sockets: the sockets and event streams of this process.

    """

    def __init__(self, open_sockets: Iterable[Member] = ()) -> None:
        self.open_sockets = open_sockets
        self._are_used: bool | None = None

    def groups_of(self, user: str) -> Sequence[str]:
        """Return the primary keys of a user's groups; of none where they cannot be read now."""
        try:
            if self._are_used is None:
                self._are_used = _has_groups()
            return _read([user])[user] if self._are_used else ()
        except UNREADABLE as error:
            self._are_used = False  # the next check of the logins reads them again
            logger.warning("The groups of users could not be read: %s", error)
            return ()

    def follow(self, users: Collection[str] | None = None) -> None:
        """Read the groups of users who have sockets here, of all without ``users``."""
        found = self._members(users)
        if not found:
            self._are_used = None
            return
        try:
            self._are_used = _has_groups()
            self._follow(found)
        except UNREADABLE as error:
            # The next round reads them.
            logger.warning("The groups of users could not be read: %s", error)

    def _follow(self, found: Members) -> None:
        users = list(found)
        for first in range(0, len(users), BATCH):
            some = users[first : first + BATCH]
            groups = _read(some) if self._are_used else dict.fromkeys(some, ())
            for user in some:
                for member in found[user]:
                    _have_follow(member, user, groups[user])

    def _members(self, users: Collection[str] | None) -> Members:
        found: Members = {}
        for member in list(self.open_sockets):
            for topic in member.audiences:
                if topic.kind is TopicKind.USER and (users is None or topic.name in users):
                    found.setdefault(topic.name, []).append(member)
        return found


def _have_follow(member: Member, user: str, groups: Iterable[str]) -> None:
    namespace = member.namespace
    # While the groups were read, a handler may have logged in another user.
    if Topic(TopicKind.USER, namespace, user) in member.audiences:
        member.follow_groups([Topic(TopicKind.GROUP, namespace, group) for group in groups])


def _has_groups() -> bool:
    model = group_model()
    return model is not None and model._default_manager.exists()


def _read(users: list[str]) -> dict[str, Sequence[str]]:
    """Return the primary keys of the groups of users, by one query."""
    model: Any = get_user_model()
    field = model._meta.get_field("groups")
    owner, group = field.m2m_field_name(), field.m2m_reverse_field_name()
    to_text = {model._meta.pk.to_python(user): user for user in users}
    found: dict[str, list[str]] = {user: [] for user in users}
    rows = field.remote_field.through._default_manager.filter(**{f"{owner}__in": list(to_text)})
    for key, name in rows.values_list(f"{owner}_id", f"{group}_id"):
        found[to_text[key]].append(str(name))
    return {user: tuple(sorted(groups)) for user, groups in found.items()}
