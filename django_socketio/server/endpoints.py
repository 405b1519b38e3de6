"""The paths of a site that lead to ``views.socketio``."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import NoReverseMatch, resolve, reverse
from django.utils import translation

from django_socketio.server.compat.django import get_path_info

if TYPE_CHECKING:  # every process of a site imports this module, and few hold sockets
    from django_socketio.transports.http import Environ

MAX_PATHS = 1_000
"""Paths that are remembered; a site may have one for each of its languages or customers."""

MAX_LENGTH = 200
"""Characters of a path that is remembered; a longer one is looked up each time."""

MARK = "takes_handshakes"
"""Attribute of the view; decorators made with ``functools.wraps`` hand it on."""


def path_of_clients() -> str:
    """Return the path to which clients send their requests, in the active language."""
    try:
        return reverse("socketio").rstrip("/") + "/"
    except NoReverseMatch:
        return "/socket.io/"


class Endpoints:
    """The paths that the URLconf has for the view, each found once."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def has(self, environ: "Environ") -> bool:
        """Return whether a request's path leads to the view.

        A URLconf that a middleware sets for its request is not known here, nor a view that calls
        ours.
        """
        raw = environ.get("PATH_INFO", "")
        if raw in self._known:
            return True
        if not _leads_to_view(get_path_info(environ)):
            return False
        if len(raw) <= MAX_LENGTH:
            self._remember(raw)
        return True

    def _remember(self, path: str) -> None:
        if len(self._known) >= MAX_PATHS:
            self._known.clear()
        self._known.add(path)


def _leads_to_view(path: str) -> bool:
    try:
        with translation.override(_language_of(path)):
            return getattr(resolve(path).func, MARK, False) is True
    except Exception:
        return False  # it leads nowhere; what is wrong with the URLconf, Django reports


def _language_of(path: str) -> str:
    """Return the language in which ``LocaleMiddleware`` resolves a path of ``i18n_patterns``."""
    return translation.get_language_from_path(path) or settings.LANGUAGE_CODE
