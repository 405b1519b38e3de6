"""The browser of a test's client: Django's test client, with a login and a session."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.test import Client


def prepare(http: Client, user: Any, values: Mapping[str, Any] | None) -> None:
    """Log a user in, if there is one, and put values into the session."""
    if user is not None and user.is_authenticated:
        http.force_login(user)
    if values:
        _fill_session(http, values)


def _fill_session(http: Client, values: Mapping[str, Any]) -> None:
    store = http.session
    store.update(values)
    store.save()
    # A session in a cookie is its own key.
    http.cookies[settings.SESSION_COOKIE_NAME] = store.session_key or ""
