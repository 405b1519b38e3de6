"""Attributes of requests that are read late, and anew for each event: ``user`` and ``session``."""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import proxy

from asgiref.sync import sync_to_async
from django.utils.functional import SimpleLazyObject, empty


def restore(request: Any, name: str, read: Callable[[], Any]) -> None:
    """Have an attribute of a request read anew, also where a handler has replaced the attribute."""
    lazy = request.__dict__.get(name)
    if is_lazy(lazy, read):
        lazy._wrapped = empty  # the same object: a handler may have kept it
    else:
        setattr(request, name, SimpleLazyObject(read))


def is_lazy(value: Any, read: Callable[[], Any]) -> bool:
    """Return whether a value is the lazy object that this function reads."""
    # isinstance() would read the object: a lazy object shows the class of its value.
    return type(value) is SimpleLazyObject and value.__dict__["_setupfunc"] == read


def put_user(request: Any, user: Any, read: Callable[[], Any]) -> None:
    """Have handlers find a user until ``restore``; then ``read`` returns the user."""
    restore(request, "user", read)
    request.user._wrapped = user
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


def way_to_read(user: Any) -> Callable[[], Any] | None:
    """Return what reads the lazy user of a middleware; None for Django's own."""
    setup: Callable[[], Any] = user.__dict__["_setupfunc"]
    return None if setup.__module__ == "django.contrib.auth.middleware" else setup


def reading_again(user: Any) -> Callable[[], Any]:
    """Return a function that reads a user of a middleware from the database again."""
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model

    if not isinstance(user, Model) or user.pk is None:
        return lambda: user
    manager, pk = type(user)._default_manager, user.pk
    return lambda: manager.filter(pk=pk).first() or AnonymousUser()
