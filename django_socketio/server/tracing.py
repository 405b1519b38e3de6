"""What traces a server and a publisher, where ``SOCKETIO_TRACING`` asks for it."""

from importlib.util import find_spec
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from django_socketio import conf
from django_socketio.events.pipeline import HandlerLayer
from django_socketio.relay.base import Relay

NO_OPENTELEMETRY = (
    "SOCKETIO_TRACING needs opentelemetry-api: pip install 'django-socketio[opentelemetry]'"
)


def is_possible() -> bool:
    """Return whether opentelemetry-api is installed."""
    # The package alone says nothing: it is a namespace, of which other distributions have parts.
    return all(find_spec(name) is not None for name in ("opentelemetry", "opentelemetry.trace"))


def layers() -> tuple[HandlerLayer, ...]:
    """Return the layers that make spans of handlers: none, unless the setting asks for them.

    Raises:
        ImproperlyConfigured: opentelemetry-api is missing.

    """
    return (_tracing().layer_of(PermissionDenied),) if conf.get("TRACING") else ()


def traced(relay: Relay) -> Relay:
    """Return a relay that makes spans: the same one, unless the setting asks for them.

    Raises:
        ImproperlyConfigured: opentelemetry-api is missing.

    """
    return cast(Relay, _tracing().TracedRelay(relay)) if conf.get("TRACING") else relay


def _tracing() -> Any:
    if not is_possible():
        raise ImproperlyConfigured(NO_OPENTELEMETRY)
    from django_socketio.monitoring import tracing

    return tracing
