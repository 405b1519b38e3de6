"""The keys of users, Django sessions and groups, as the names of topics have them.

Errors tell the name of the function that got the values: it is the first argument here.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable

from django_socketio.security import sessions
from django_socketio.security.memberships import group_model


def of_user(function: str, user: Any) -> str:
    """Return the primary key of a user as a text.

    Raises:
        TypeError, ValueError: the value is no user that was saved, and no primary key of a user.

    """
    if getattr(user, "is_anonymous", False):
        raise ValueError(
            f"{function}(user=AnonymousUser): an anonymous user has no sockets of its own; "
            "a visitor's sockets are those of its session (session=request.session)"
        )
    return _of(function, "user", get_user_model(), user)


def of_groups(function: str, groups: Iterable[Any]) -> list[str]:
    """Return the primary keys of groups as texts; a string is the name of a group.

    Raises:
        TypeError, ValueError: a value is no group that was saved, no primary key and no name of a
            group, or the users of the site have no groups.

    """
    model, given = group_model(), list(groups)
    if model is None:
        raise ValueError(f"{function}(group=…): {get_user_model().__name__} has no field 'groups'")
    has_names = any(field.name == "name" for field in model._meta.fields)
    names = {one for one in given if has_names and isinstance(one, str)}
    others = [one for one in given if not (has_names and isinstance(one, str))]
    return [
        *_named(function, model, names),
        *(_of(function, "group", model, one) for one in others),
    ]


def _named(function: str, model: type[Model], names: set[str]) -> list[str]:
    if not names:
        return []
    rows = list(model._default_manager.filter(name__in=names).values_list("name", "pk"))
    found = Counter(name for name, pk in rows)
    for name in sorted(names):
        if found[name] != 1:
            number = "several groups have" if found[name] else "no group has"
            raise ValueError(f"{function}(group={name!r}): {number} this name")
    return [str(pk) for name, pk in rows]


def of_session(function: str, session: Any) -> str:
    """Return the hash of a Django session's key: the key itself is a secret.

    Raises:
        TypeError, ValueError: the value is no Django session that was saved, and no key of one.

    """
    if sessions.are_in_cookies():
        raise ValueError(
            f"{function}(session=…): sessions in cookies (SESSION_ENGINE) have no key; use user="
        )
    key = getattr(session, "session_key", session)  # of request.session, or of a row
    if key is None and session is not None:
        raise ValueError(f"{function}(session=…): a session has no key before it is saved")
    if not isinstance(key, str) or not key:
        raise TypeError(
            f"{function}(session=…) takes a session or its key, not {type(session).__name__}"
        )
    return sessions.digest(key)


def of_query(function: str, argument: str, values: Iterable[Any]) -> Iterable[Any]:
    """Have a queryset of users that has not been evaluated read primary keys only.

    Raises:
        TypeError: its objects are of another model.

    """
    if argument != "user" or not isinstance(values, QuerySet) or values._result_cache is not None:
        return values
    if not issubclass(values._iterable_class, ModelIterable):
        return values
    model = get_user_model()
    if not issubclass(values.model, model._meta.concrete_model or model):
        raise TypeError(
            f"{_expected(function, argument, model)}, not a queryset of {values.model.__name__}"
        )
    return values.values_list("pk", flat=True)


def _of(function: str, argument: str, model: type[Model], value: Any) -> str:
    """Return the primary key of an object, given the object or its key."""
    if not isinstance(value, Model):
        return _of_key(function, argument, model, value)
    if not isinstance(value, model._meta.concrete_model or model):
        raise TypeError(f"{_expected(function, argument, model)}, not {value!r:.100}")
    if value.pk is None or _is_new(value):
        raise ValueError(f"{function}({argument}=…): {value!r:.100} was not saved, or is deleted")
    return str(model._meta.pk.value_to_string(value))


def _is_new(value: Model) -> bool:
    """Return whether the key of an object may be one that was made for it, and is in no row yet."""
    key: Any = value._meta.pk
    return value._state.adding and (key.has_default() or key.has_db_default())


def _of_key(function: str, argument: str, model: type[Model], key: Any) -> str:
    expected = f"{_expected(function, argument, model)}, not {_shown(key)}"
    if key is None or key == "" or isinstance(key, (bool, bytes)):
        raise TypeError(expected)
    try:
        value = model._meta.pk.to_python(key)
    except (ValidationError, TypeError, ValueError):
        raise ValueError(expected) from None
    # int() takes floats, UUIDs and "1_0" as well.
    if str(value) != str(key) and not (isinstance(value, UUID) and isinstance(key, str)):
        raise ValueError(expected)
    return str(value)


def _shown(key: Any) -> str:
    # The rows of QuerySet.values() hold passwords: of other values, the type is shown.
    return f"{key!r:.100}" if isinstance(key, int | float | str | None) else type(key).__name__


def _expected(function: str, argument: str, model: type[Model]) -> str:
    kind = type(model._meta.pk).__name__
    return f"{function}({argument}=…) takes a {model.__name__} or its primary key ({kind})"
