"""The language and the time zone of a request, which are active in the handlers of its sockets.

A middleware activates them for its request; handlers run later and in other greenlets. The view of
the endpoint notes them, unless both are those of the settings. As long as it never has, handlers
are called without this layer. Where no middleware of the site can activate one, the view does not
look: this look and the one whether a login is required took 5 % of the instructions of a new
connection, both together.
"""

from datetime import tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils import timezone, translation

from django_socketio.events import all_events
from django_socketio.events.handlers import Call, Registration

_ATTRIBUTE = "_socketio_locale"
"""The attribute of requests whose language or time zone is not that of the settings."""


class Locale(NamedTuple):
    """A language and a time zone; None for those of the settings."""

    language: str | None
    zone: tzinfo | None

    def activate(self) -> None:
        """Activate both in the current context."""
        if self.language is not None:
            translation.activate(self.language)
        if self.zone is not None:
            timezone.activate(self.zone)


_LOCALE = "django.middleware.locale.LocaleMiddleware"

_NEUTRAL = ("django.middleware.", "django.contrib.")
"""The paths of Django's middleware: all but the one for locales activate nothing."""

MAX_KNOWN = 1_000
"""Locales that requests share; a client may ask for any language of the site."""

_known: dict[Locale, Locale] = {}
"""The locales of requests of this process; empty as long as no request has needed one."""


def note(request: HttpRequest) -> None:
    """Note on a request the language and the time zone that a middleware has activated."""
    if not _can_be_active():
        return
    language, zone = _language(), _zone()
    if language is not None or zone is not None:
        setattr(request, _ATTRIBUTE, _shared(Locale(language, zone)))


@lru_cache(maxsize=1)
def _can_be_active() -> bool:
    """Return whether a middleware of the site may activate a language or a time zone."""
    return any(path == _LOCALE or not path.startswith(_NEUTRAL) for path in settings.MIDDLEWARE)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "MIDDLEWARE":
        _can_be_active.cache_clear()


setting_changed.connect(_forget)


def _language() -> str | None:
    if not settings.USE_I18N:
        return None
    language = translation.get_language()
    return None if language in (None, settings.LANGUAGE_CODE) else language


def _zone() -> tzinfo | None:
    if not settings.USE_TZ:
        return None
    zone, default = timezone.get_current_timezone(), timezone.get_default_timezone()
    return None if zone is default or zone == default else zone


def _shared(locale: Locale) -> Locale:
    """Return an equal locale that all requests share."""
    if len(_known) >= MAX_KNOWN:
        _known.clear()
    shared = _known.setdefault(locale, locale)
    if len(_known) == 1:
        _compose_again()
    return shared


def _compose_again() -> None:
    """Have all handlers called with the layer from now on."""
    for event in all_events():
        event.handlers.compose_again()


def layer(call: Call, handler: Registration) -> Call:
    """Activate the language and the time zone before a handler (a handler layer)."""
    return activating(call) if _known else call


def activating(call: Call) -> Call:
    """Return a call that first activates the language and the time zone of its request.

    They stay active until the turn of the worker ends, so that lazy texts in the answer are
    translated as well.
    """

    def activate_and_call(request: Any, socket: Any, context: Any, args: Any) -> Any:
        locale = request.__dict__.get(_ATTRIBUTE)
        if locale is not None:
            locale.activate()
        return call(request, socket, context, args)

    return activate_and_call
