"""The sockets that a user of the page means: those on a channel, of a user, or a single one."""

from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.publishing import audiences
from django_socketio.relay.topics import Topic, presence_topic

KINDS = ("channel", "user", "session_id")


class NotFound(Exception):
    """There is no such target; the text is for the user of the page."""


class Target(NamedTuple):
    """Some sockets.

    Attributes:
        kind: one of ``KINDS``.
        value: the name of the channel, the user, or the id of the socket.
        name: the value as people read it.
        namespace: of the sockets.

    """

    kind: str
    value: Any
    name: str
    namespace: str

    @property
    def audience(self) -> dict[str, Any]:
        """The arguments of ``emit`` and ``disconnect``."""
        return {self.kind: self.value, "namespace": self.namespace}

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics of the sockets."""
        return audiences.topics(self.namespace, {self.kind: self.value})

    @property
    def presence(self) -> Topic:
        """The topic of the people on a channel."""
        return presence_topic(self.namespace, self.value)

    def __str__(self) -> str:
        kind = "socket" if self.kind == "session_id" else self.kind
        return f"{kind} {self.name} ({self.namespace})"


def find(asked: Any) -> Target:
    """Return the target that a page names.

    Raises:
        NotFound: there is none.
        EventError: the name of the namespace is not allowed.

    """
    match asked:
        case {"kind": str(kind), "value": str(value), "namespace": str(namespace)} if value:
            pass
        case _:
            raise NotFound("Choose a channel, a user or a socket")
    if kind not in KINDS:
        raise NotFound(f"There is no kind {kind!r:.100}")
    namespace = check_namespace(namespace)
    if kind == "user":
        user = _user(value)
        return Target(kind, user, f"{user.get_username()} ({user.pk})", namespace)
    return Target(kind, value, value, namespace)


def _user(text: str) -> Any:
    """Return the user with a name or, if there is none, with a primary key."""
    model: Any = get_user_model()
    for field in (model.USERNAME_FIELD, "pk"):
        try:
            return model._default_manager.get(**{field: text})
        except model.MultipleObjectsReturned:
            problem = f"Several users are called {text!r:.100}: choose one by its primary key"
            raise NotFound(problem) from None
        except (model.DoesNotExist, ValidationError, ValueError, TypeError):
            continue
    raise NotFound(f"There is no user {text!r:.100}")
