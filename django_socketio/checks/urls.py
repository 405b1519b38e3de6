"""The check of the URL of the endpoint, as the template tag and other clients write it."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning
from django.urls import Resolver404, ResolverMatch, get_resolver, resolve
from django.utils import translation

from django_socketio.logs import name_of
from django_socketio.server.compat.django import has_fixed_text
from django_socketio.server.endpoints import MARK, path_of_clients

INCLUDE = 'path("", include("django_socketio.urls"))'
SILENCE = (
    "If a view or a URLconf of the site's own leads to the sockets, silence this check: "
    "SILENCED_SYSTEM_CHECKS."
)


def check_urls(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning if clients do not find the endpoint.

    ``django_socketio.W005``: its path leads to no view, or to another one. ``…W006``: its path
    depends on the language.
    """
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    with translation.override(settings.LANGUAGE_CODE):
        path = path_of_clients()
        match = _match(path)
    if match is None:
        return [_unreachable(f"{path} leads to no view: the URLs are not included.", INCLUDE)]
    if getattr(match.func, MARK, False) is not True:
        return [_shadowed(path, match)]
    return _translated(path) if _depends_on_language() else []


def _match(path: str) -> ResolverMatch | None:
    try:
        return resolve(path)
    except Resolver404:
        return None


def _unreachable(message: str, line: str) -> CheckMessage:
    hint = f"Add {line} to the URLconf. {SILENCE}"
    return Warning(message, hint=hint, obj=settings.ROOT_URLCONF, id="django_socketio.W005")


def _shadowed(path: str, match: ResolverMatch) -> CheckMessage:
    message = f"{path} leads to the view {name_of(match.func)} of the pattern {match.route!r}."
    return _unreachable(message, f"{INCLUDE} before that pattern")


def _depends_on_language() -> bool:
    """Return whether the path may depend on the language: catalogs of 100 languages load slowly."""
    return any(not has_fixed_text(part) for way in _ways(get_resolver()) for part in way)


def _ways(pattern: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the parts of each path that leads to the view, below a pattern of the URLconf."""
    way = (*way, pattern.pattern)
    if getattr(getattr(pattern, "callback", None), MARK, False) is True:
        yield way
    for inner in getattr(pattern, "url_patterns", ()):
        yield from _ways(inner, way)


def _translated(path: str) -> list[CheckMessage]:
    paths = {path}
    for code, _ in settings.LANGUAGES:
        with translation.override(code):
            paths.add(path_of_clients())
    if len(paths) == 1:
        return []
    return [
        Warning(
            f"The URL of the sockets depends on the language: {', '.join(sorted(paths)[:3])}, … "
            "Clients that the template tag does not tell the URL look for /socket.io/.",
            hint=f"Add {INCLUDE} outside of i18n_patterns().",
            obj=settings.ROOT_URLCONF,
            id="django_socketio.W006",
        )
    ]
