"""Pages that are for one login only: they are kept out of the caches of Django."""

from typing import Any

from django.template import TemplateSyntaxError
from django.templatetags.cache import CacheNode

from django_socketio.concurrency.stacks import is_running
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.security")

MAX_WARNED = 100
"""Paths that the log names, each of them once."""

_warned: set[str] = set()


def keep_private(request: Any) -> None:
    """Have Django's cache (``cache_page``, ``UpdateCacheMiddleware``) not keep the answer."""
    request = getattr(request, "_request", request)  # in that of Django REST framework
    if not getattr(request, "_cache_update_cache", False):
        return
    request._cache_update_cache = False
    if request.path not in _warned and len(_warned) < MAX_WARNED:
        _warned.add(request.path)
        logger.warning(
            "%s is not kept in the cache: the page has a token of a channel for one login. Sign "
            "the channel for everybody (anyone=True), or leave the page out of the cache.",
            request.path,
        )


def refuse_in_cached_fragment() -> None:
    """Refuse a token for the login of one visitor where a template keeps it for others.

    Raises:
        TemplateSyntaxError: a template is being rendered inside of ``{% cache %}``.

    """
    if _is_in_cached_fragment():
        raise TemplateSyntaxError(
            "The token of {% socketio_channel %} in {% cache %}: it is for the login of one "
            "visitor, and the fragment is shown to others. Put the tag and its variable outside of "
            "{% cache %}, or add anyone=True."
        )


def _is_in_cached_fragment() -> bool:
    """Return whether the stack has the tag.

    It tells it also of an included template, and of a block in the place of another one.
    """
    return is_running(CacheNode.render.__code__)
