"""Attributes of requests that are read late, and anew for each event: ``user`` and ``session``."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from weakref import proxy

from asgiref.sync import sync_to_async
from django.utils.functional import SimpleLazyObject, empty

from django_socketio.concurrency.current_worker import current_worker

MIDDLEWARE = "django.contrib.auth.middleware"
"""The module of the functions by which Django reads users."""


class LazyByWorker(SimpleLazyObject):  # type: ignore[type-arg]
    """A lazy attribute of a request, which each worker reads for itself.

    Sockets of several namespaces have the same request, and their handlers may run at the same
    time. No handler sees, or loses, what another one has read and not saved yet.
    """

    @property
    def _wrapped(self) -> Any:  # what the methods of lazy objects use
        return value_of(self, current_worker())

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_wrapped":
            _put(self, current_worker(), value)
        else:
            super().__setattr__(name, value)


def value_of(lazy: Any, worker: object) -> Any:
    """Return the value that a worker has read; ``empty`` if there is none."""
    return lazy.__dict__["_values"].get(worker, empty)


def _put(lazy: Any, worker: object, value: Any) -> None:
    values = dict(lazy.__dict__.get("_values", _NO_VALUES))
    values.pop(worker, None)
    if value is not empty:
        values[worker] = value
    lazy.__dict__["_values"] = values or _NO_VALUES


_NO_VALUES: dict[object, Any] = {}
"""Shared by all objects that no handler uses: a dictionary of its own would cost each memory."""


def restore(request: Any, name: str, read: Callable[[], Any], worker: object = None) -> None:
    """Have a worker read an attribute anew, also where a handler has replaced the attribute."""
    lazy = request.__dict__.get(name)
    if is_lazy(lazy, read):
        _put(lazy, worker, empty)  # of the same object: a handler may have kept it
    else:
        setattr(request, name, LazyByWorker(read))


def is_lazy(value: Any, read: Callable[[], Any]) -> bool:
    """Return whether a value is the lazy object that this function reads."""
    return _is_any_lazy(value) and value.__dict__["_setupfunc"] == read


def _is_any_lazy(value: Any) -> bool:
    # isinstance() may read the object: a lazy object shows the class of its value.
    return issubclass(type(value), SimpleLazyObject)


def put_user(request: Any, user: Any, read: Callable[[], Any]) -> None:
    """Have handlers find a user until ``restore``; then ``read`` returns the user."""
    restore(request, "user", read, current_worker())
    request.user._wrapped = user
    request.auser = partial(_auser, request)


def read_asynchronously(request: Any) -> None:
    """Have ``request.auser`` return ``request.user``: Django's keeps the user for all handlers."""
    auser = request.__dict__.get("auser")
    if isinstance(auser, partial) and auser.func.__module__ == MIDDLEWARE:
        request.auser = partial(_auser, request)


async def _auser(request: Any) -> Any:
    """Return ``request.user`` in asynchronous code."""
    return await sync_to_async(_loaded)(request.user)


def _loaded(user: Any) -> Any:
    """Return a user; a lazy one is read from the database."""
    hash(user.pk)
    return user


def refer_weakly(request: Any) -> None:
    """Have ``request.auser`` of Django's middleware refer to its request weakly."""
    auser = request.__dict__.get("auser")
    if isinstance(auser, partial) and auser.args == (request,):
        request.auser = partial(auser.func, proxy(request))


def way_to_read(
    user: Any, read: Callable[[], Any], is_in_session: Callable[[Any], bool]
) -> Callable[[], Any] | None:
    """Return what reads the user of a middleware anew; None where the session names the user.

    A middleware may take its user from Django's lazy one, as django-otp does. That one is read
    anew as well, by ``read``.
    """
    if not _is_any_lazy(user):
        return None if is_in_session(user) else _reading_again(user)
    if _is_of_django(user):
        return None
    setup: Callable[[], Any] = user.__dict__["_setupfunc"]
    within = tuple(_lazy_within(setup))
    for lazy in filter(_is_of_django, within):
        lazy.__dict__["_setupfunc"] = read
    return partial(_set_up, setup, within) if within else setup


def _is_of_django(user: Any) -> bool:
    return bool(user.__dict__["_setupfunc"].__module__ == MIDDLEWARE)


def _set_up(setup: Callable[[], Any], within: Iterable[Any]) -> Any:
    for lazy in within:
        lazy._wrapped = empty
    return setup()


def _lazy_within(setup: Any) -> Iterator[Any]:
    """Yield the lazy objects that a function has bound, and those that these have bound."""
    for value in _bound_to(setup):
        if _is_any_lazy(value):
            yield value
            yield from _lazy_within(value.__dict__["_setupfunc"])


def _bound_to(setup: Any) -> Iterator[Any]:
    """Yield the values that a closure, or a ``partial``, calls its function with."""
    if isinstance(setup, partial):
        yield from (*setup.args, *setup.keywords.values())
    yield from getattr(setup, "__defaults__", None) or ()
    for cell in getattr(setup, "__closure__", None) or ():
        yield cell.cell_contents


def _reading_again(user: Any) -> Callable[[], Any]:
    """Return a function that reads a user of a middleware from the database again."""
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model

    if not isinstance(user, Model) or user.pk is None:
        return lambda: user
    manager, pk = user.__class__._default_manager, user.pk
    return lambda: manager.filter(pk=pk).first() or AnonymousUser()
