"""What a site may have in its middleware."""

import sys
import time
from functools import partial

from django.contrib.auth.models import AnonymousUser, User
from django.utils.functional import SimpleLazyObject


class LazyUser(SimpleLazyObject):
    """A kind of lazy object that a site may have."""


LAZY_TOKENS = {"HTTP_X_LAZY_TOKEN": SimpleLazyObject, "HTTP_X_LAZIER_TOKEN": LazyUser}


def slow(get_response):
    """Let a test do something while a handshake is under way."""

    def middleware(request):
        response = get_response(request)
        if "HTTP_X_SLOW" in request.META:
            sys.stdout.write(f"slow: {request.META['HTTP_X_SLOW']}\n")
            time.sleep(0.5)
        return response

    return middleware


def tokens(get_response):
    """Know users by a token, at once or when they are asked for."""

    def middleware(request):
        meta = request.META
        if "HTTP_X_TOKEN" in meta:
            request.user = user_of(meta["HTTP_X_TOKEN"])
        for header, kind in LAZY_TOKENS.items():
            if header in meta:
                request.user = kind(partial(user_of, meta[header]))
        return get_response(request)

    return middleware


def devices(get_response):
    """Put a lazy user in the place of Django's, as django-otp does."""

    def middleware(request):
        if "HTTP_X_READ" in request.META:
            request.has_user = request.user.is_authenticated
        wrap = WRAPS.get(request.META.get("HTTP_X_DEVICE"))
        if wrap is not None:
            request.user = wrap(request, request.user)
        return get_response(request)

    return middleware


def _with_device(request, user):
    user.has_device = user.is_authenticated and "device" in request.session
    return user


def _by_closure(request, user):
    return SimpleLazyObject(lambda: _with_device(request, user))


def _by_default(request, user):
    return SimpleLazyObject(lambda user=user: _with_device(request, user))


def _by_partial(request, user):
    return SimpleLazyObject(partial(_with_device, request, user))


def _by_keyword(request, user):
    return SimpleLazyObject(partial(_with_device, request, user=user))


def _by_two(request, user):
    return _by_partial(request, _by_closure(request, user))


def _by_own_kind(request, user):
    return _by_partial(request, LazyUser(partial(_with_device, request, user)))


WRAPS = {
    "closure": _by_closure,
    "default": _by_default,
    "partial": _by_partial,
    "keyword": _by_keyword,
    "two": _by_two,
    "own kind": _by_own_kind,
}


def user_of(token):
    return User.objects.filter(username=token).first() or AnonymousUser()
