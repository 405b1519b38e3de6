"""People on channels, as handlers and functions of the site get them."""

from typing import Any, NamedTuple

from django_socketio.protocol import json
from django_socketio.relay.roster import Change, Entry, Presence, Roster
from django_socketio.relay.topics import Topic, TopicKind

MAX_DETAILS = 4000
"""Characters of what the site tells of a person, as JSON."""


class Person(NamedTuple):
    """A person on a channel.

    Attributes:
        id: names the person in this site: ``"user:7"`` for a user, ``"visitor:…"`` for the Django
            session of an anonymous visitor, ``"socket:…"`` for a socket that has neither.
        user_id: the primary key of the user as a text; None for an anonymous visitor.
        info: what the functions of ``presence_info`` have told; None without one.
        is_away: whether all sockets of the person are away: their connections have broken, and may
            come back.

    """

    id: str
    user_id: str | None = None
    info: Any = None
    is_away: bool = False


class Identity(NamedTuple):
    """The person that a socket belongs to."""

    id: str
    user_id: str | None


def identity_of(audiences: tuple[Topic, ...], socket_id: str) -> Identity:
    """Return the person that a socket belongs to: a user, else a Django session, else itself."""
    names = {topic.kind: topic.name for topic in audiences}
    if (user := names.get(TopicKind.USER)) is not None:
        return Identity(f"user:{user}", user)
    if (session := names.get(TopicKind.SESSION)) is not None:
        # A part of a digest of the session's key: nobody can make the key from it.
        return Identity(f"visitor:{session[:16]}", None)
    return Identity(f"socket:{socket_id}", None)


def details_of(user_id: str | None, info: Any, default: json.Default | None) -> str:
    """Return what rosters keep of a person.

    Raises:
        TypeError, ValueError: the info cannot be written as JSON, or is too long.

    """
    text = json.dumps([user_id, info], default)
    if len(text) > MAX_DETAILS:
        raise ValueError(
            f"presence_info returns at most {MAX_DETAILS} characters as JSON, not {len(text)}"
        )
    return text


def are_details(text: str) -> bool:
    """Return whether a text is one of ``details_of``, or none: anything may write to Redis."""
    try:
        person("", Entry(Presence.ONLINE, text))
    except (TypeError, ValueError):
        return False
    return True


def person(id: str, entry: Entry) -> Person:
    """Return a person of a roster."""
    user_id, info = json.loads(entry.details) if entry.details else (None, None)
    return Person(id, user_id, info, entry.presence is Presence.AWAY)


def people(roster: Roster) -> list[Person]:
    """Return all people of a roster."""
    return [person(id, entry) for id, entry in roster.people.items()]


def person_of(change: Change) -> Person:
    """Return the person of a change."""
    return person(change.person, Entry(change.presence, change.details))


def as_json(id: str, entry: Entry) -> dict[str, Any]:
    """Return a person as browsers get it."""
    one = person(id, entry)
    return {"id": id, "user": one.user_id, "info": one.info, "away": one.is_away}
