"""The rule for anonymous visitors, in the place of Django's ``LoginRequiredMiddleware``.

The middleware would answer a handshake with a redirect to a page, which no client can read.
"""

from functools import lru_cache

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_socketio import conf


def must_log_in(request: HttpRequest) -> bool:
    """Return whether a handshake is refused, because its visitor is not logged in."""
    required = conf.get("LOGIN_REQUIRED")
    if required is None:
        required = _is_login_required(tuple(settings.MIDDLEWARE))
    return required and not _is_logged_in(request)


@lru_cache(maxsize=16)
def _is_login_required(middleware: tuple[str, ...]) -> bool:
    """Return whether ``LoginRequiredMiddleware``, or a subclass, is among these paths."""
    if not apps.is_installed("django.contrib.auth"):
        return False
    from django.contrib.auth.middleware import LoginRequiredMiddleware  # imports models

    found = map(import_string, middleware)
    return any(isinstance(one, type) and issubclass(one, LoginRequiredMiddleware) for one in found)


def _is_logged_in(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated
