"""Django's sessions and their users, read without the changes that a request would make."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.sessions.backends import cache, cached_db, db, signed_cookies
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

Data = Mapping[str, Any]


def store_class() -> Any:
    """Return the class of the sessions that ``SESSION_ENGINE`` names."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def are_in_cookies() -> bool:
    """Return whether the cookies of browsers hold the sessions, and no store does."""
    return issubclass(store_class(), signed_cookies.SessionStore)


def cookie_of(request: HttpRequest) -> str:
    """Return a request's session cookie; empty if it has none."""
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")


def digest(key: str, secret: str | bytes | None = None) -> str:
    """Return the name of a session in messages between processes; its key is a secret."""
    salt = "django_socketio.sessions"
    return salted_hmac(salt, key, secret, algorithm="sha256").hexdigest()[:32]


def had_name(key: str, name: str) -> bool:
    """Return whether a session had this name with one of ``SECRET_KEY_FALLBACKS``."""
    names = (digest(key, secret) for secret in settings.SECRET_KEY_FALLBACKS)
    return any(constant_time_compare(one, name) for one in names)


def user_id(data: Data) -> str | None:
    """Return the id of the user who is logged in by a session with this content."""
    id = data.get(SESSION_KEY)
    return None if id is None else str(id)


def user_of(data: Data) -> Any:
    """Return the user whom a session logs in; None if it logs in no user any more.

    Unlike ``django.contrib.auth.get_user``, this function leaves the session as it is. The former
    may give the session another key, and no response would tell the browser.
    """
    id = user_id(data)
    return None if id is None else _users(data.get(BACKEND_SESSION_KEY, ""), {id: data}).get(id)


def key_of(user: Any) -> str | None:
    """Return the primary key of a user of the site as a text.

    Returns None for a user that is not saved, and for any object but an ``AUTH_USER_MODEL``: a row
    of another model may have the primary key of a user.
    """
    try:
        model = get_user_model()
    except ImproperlyConfigured:
        return None  # the site has no users
    if not isinstance(user, model) or user.pk is None:
        return None
    return str(user._meta.pk.value_to_string(user))


def user_by_id(id: str) -> Any:
    """Return the user with a primary key, whether or not the user may log in."""
    return get_user_model()._default_manager.filter(pk=id).first()


def data_of(user: Any) -> Data:
    """Return the content of a session that logs this user in; no session is begun.

    Raises:
        TypeError: the argument is not a user of ``AUTH_USER_MODEL`` that is saved.
        PermissionDenied: the user may not log in, for example because ``is_active`` is False.

    """
    key = key_of(user)
    if key is None:
        raise TypeError(f"socket.login takes a saved {settings.AUTH_USER_MODEL}, not {user!r}")
    path = _backend_of(user, key)
    may_log_in = getattr(load_backend(path), "user_can_authenticate", None)
    if may_log_in is not None and not may_log_in(user):
        raise PermissionDenied
    has_hash = hasattr(user, "get_session_auth_hash")
    return {
        SESSION_KEY: key,
        BACKEND_SESSION_KEY: path,
        HASH_SESSION_KEY: user.get_session_auth_hash() if has_hash else "",
    }


def _backend_of(user: Any, key: str) -> str:
    """Return the path of the backend that has authenticated a user, or else may have done so.

    Raises:
        PermissionDenied: no backend finds the user.

    """
    own, paths = getattr(user, "backend", ""), settings.AUTHENTICATION_BACKENDS
    if own in paths or len(paths) == 1:
        return str(own if own in paths else paths[0])
    for path in paths:
        if _find_users(path, {key}).get(key) is not None:
            return path
    raise PermissionDenied


def load(keys: Iterable[str]) -> dict[str, Data]:
    """Return the content of sessions by key, with one query of the cache or of the database.

    Stores of other kinds are asked for each session.

    Raises:
        DatabaseError, OSError: the sessions cannot be read.

    """
    keys, store = list(keys), store_class()
    if store.load is db.SessionStore.load:
        return _load_rows(store, keys)
    if store.load is cached_db.SessionStore.load:
        return _load_cached_rows(store, keys)
    if store.load is cache.SessionStore.load:
        return _load_cached(store, keys)
    return {key: store(key).load() for key in keys}


def _load_rows(store: Any, keys: list[str]) -> dict[str, Data]:
    rows = store.get_model_class().objects.filter(
        session_key__in=keys, expire_date__gt=timezone.now()
    )
    decode = store().decode
    return {row.session_key: decode(row.session_data) for row in rows}


def _load_cached_rows(store: Any, keys: list[str]) -> dict[str, Data]:
    """Return the content of sessions of ``cached_db``: as for a request, the cache goes first.

    The rows may be gone, or not be on a replica yet.
    """
    try:
        found = _load_cached(store, keys)
    except OSError:
        found = {}  # Django takes them for missing as well
    return {**found, **_load_rows(store, [key for key in keys if key not in found])}


def _load_cached(store: Any, keys: list[str]) -> dict[str, Data]:
    """Return the content of sessions in a cache, whose own ``load`` hides that the cache is away.

    Raises:
        OSError: the cache cannot be read. What its library raises may be of any class.

    """
    names = {store(key).cache_key: key for key in keys}
    try:
        found = store()._cache.get_many(names)
    except Exception as error:
        raise OSError(f"the cache of the sessions cannot be read: {error}") from error
    return {names[name]: data for name, data in found.items()}


def users_of(sessions: Mapping[str, Data]) -> dict[str, str]:
    """Return the id of the user whom each session logs in, by the keys of the sessions.

    One query reads all users, if ``ModelBackend`` finds them in the database.
    """
    backends = {data.get(BACKEND_SESSION_KEY, "") for data in sessions.values()}
    found: dict[str, str] = {}
    for backend in backends:
        logged_in = {
            key: data
            for key, data in sessions.items()
            if data.get(BACKEND_SESSION_KEY, "") == backend and user_id(data) is not None
        }
        found.update(_valid_users(backend, logged_in))
    return found


def _valid_users(backend: str, sessions: Mapping[str, Data]) -> dict[str, str]:
    ids = {key: str(user_id(data)) for key, data in sessions.items()}
    users = _find_users(backend, set(ids.values()))
    return {key: id for key, id in ids.items() if _is_valid(users.get(id), sessions[key])}


def _users(backend: str, sessions: Mapping[str, Data]) -> dict[str, Any]:
    users = _find_users(backend, set(sessions))
    return {id: users.get(id) for id in sessions if _is_valid(users.get(id), sessions[id])}


def find_user(path: str, id: str) -> Any:
    """Return the user whom an authentication backend still accepts; None if there is none."""
    user = _find_users(path, {id}).get(id)
    if user is not None:
        user.backend = path
    return user


def _find_users(path: str, ids: set[str]) -> dict[str, Any]:
    """Return the users whom an authentication backend still accepts, by their ids."""
    if path not in settings.AUTHENTICATION_BACKENDS or not ids:
        return {}
    from django.contrib.auth.backends import ModelBackend

    backend: Any = load_backend(path)
    if not hasattr(backend, "get_user"):
        return {}  # a backend that only grants permissions
    to_python = get_user_model()._meta.pk.to_python
    if len(ids) == 1 or type(backend).get_user is not ModelBackend.get_user:
        return {id: backend.get_user(to_python(id)) for id in ids}
    rows = get_user_model()._default_manager.in_bulk([to_python(id) for id in ids])
    users = {id: rows.get(to_python(id)) for id in ids}
    return {id: user for id, user in users.items() if user and backend.user_can_authenticate(user)}


def _is_valid(user: Any, data: Data) -> bool:
    """Return whether the password of the user is the one that the session began with."""
    if user is None or not hasattr(user, "get_session_auth_hash"):
        return user is not None
    stored = data.get(HASH_SESSION_KEY) or ""
    hashes = [user.get_session_auth_hash()]
    if hasattr(user, "get_session_auth_fallback_hash"):
        hashes += user.get_session_auth_fallback_hash()
    return any(constant_time_compare(stored, hash) for hash in hashes)
