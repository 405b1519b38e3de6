"""The rule for anonymous visitors, in the place of Django's ``LoginRequiredMiddleware``.

The middleware would answer a handshake with a redirect to a page, which no client can read.
"""

from functools import lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_socketio import conf


def must_log_in(request: HttpRequest) -> bool:
    """Return whether a handshake is refused, because its visitor is not logged in."""
    return _is_login_required() and not _is_logged_in(request)


@lru_cache(maxsize=1)
def _is_login_required() -> bool:
    required: bool | None = conf.get("LOGIN_REQUIRED")
    return _has_middleware() if required is None else required


def _has_middleware() -> bool:
    """Return whether the site has ``LoginRequiredMiddleware``, or a subclass."""
    if not apps.is_installed("django.contrib.auth"):
        return False
    from django.contrib.auth.middleware import LoginRequiredMiddleware  # imports models

    found = map(import_string, settings.MIDDLEWARE)
    return any(isinstance(one, type) and issubclass(one, LoginRequiredMiddleware) for one in found)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in _SETTINGS:
        _is_login_required.cache_clear()


_SETTINGS = {"MIDDLEWARE", "INSTALLED_APPS", "SOCKETIO_LOGIN_REQUIRED"}

setting_changed.connect(_forget)


def _is_logged_in(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    return user is not None and user.is_authenticated
