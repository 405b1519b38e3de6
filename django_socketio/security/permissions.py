"""Which channels a client may subscribe to: what the settings say, then the handlers."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.utils.module_loading import import_string

from django_socketio import conf
from django_socketio.events import Event, on_subscribe
from django_socketio.logs import get_logger

logger = get_logger("django_socketio.security")

AllowedChannels = Callable[[Any, list[str]], Iterable[str]]
"""Gets a request and channels that its client wants; returns those of them that it may have."""

NOT_LISTED = "%r: subscribe to %r refused: SOCKETIO_ALLOWED_CHANNELS leaves it out"
DENIED = (
    "%r: subscribe to %r refused: SOCKETIO_DEFAULT_DENY is on, no pattern of an on_subscribe "
    "handler matches the channel, and SOCKETIO_ALLOWED_CHANNELS is not set"
)


class Admission:
    """Stands before ``on_subscribe``: its handlers run if the settings do not refuse.

    Args:
        allowed: asked for each channel, if there is one; a channel that it leaves out is refused.
        default_deny: whether a channel must be admitted by name: by ``allowed`` or, where there is
            no such function, by the pattern of a handler.
        event: whose handlers run last.

    """

    def __init__(
        self, allowed: AllowedChannels | None, default_deny: bool, event: Event = on_subscribe
    ) -> None:
        self._allowed = allowed
        self._default_deny = default_deny
        self._event = event

    def send(
        self,
        channels: tuple[str, ...],
        request: Any,
        socket: Any,
        context: dict[str, Any],
        args: tuple[Any, ...],
    ) -> Any:
        """Call the handlers of ``on_subscribe``, if the settings admit the channel.

        Raises:
            PermissionDenied: the channel is refused.

        """
        (channel,) = channels
        if self._allowed is not None:
            if channel not in _names(self._allowed(request, [channel])):
                self._refuse(NOT_LISTED, socket, channel)
        elif self._default_deny and not self._has_pattern(socket.namespace, channel):
            self._refuse(DENIED, socket, channel)
        return self._event.handlers.send(channels, request, socket, context, args)

    def _has_pattern(self, namespace: str, channel: str) -> bool:
        handlers = self._event.handlers.relevant(namespace, (channel,))
        return any(handler.pattern is not None for handler in handlers)

    def _refuse(self, reason: str, socket: Any, channel: str) -> None:
        logger.info(reason, socket, channel)
        raise PermissionDenied


def _names(allowed: Any) -> Iterable[str]:
    # A text would pass for the list of its characters, and "in" would find parts of it.
    if isinstance(allowed, (str, bytes)) or not isinstance(allowed, Iterable):
        raise TypeError(
            f"SOCKETIO_ALLOWED_CHANNELS must return a list of channels; it returned {allowed!r}"
        )
    return allowed


def callback() -> AllowedChannels | None:
    """Return the function that ``SOCKETIO_ALLOWED_CHANNELS`` names.

    Raises:
        ImproperlyConfigured: there is none at the path.

    """
    path = conf.get("ALLOWED_CHANNELS")
    if path is None:
        return None
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(f"SOCKETIO_ALLOWED_CHANNELS names {path!r}: {error}") from error
    if not callable(found):
        raise ImproperlyConfigured(
            f"SOCKETIO_ALLOWED_CHANNELS must name a function (request, channels); {path!r} is "
            f"{found!r}"
        )
    allowed: AllowedChannels = found
    return allowed


def from_settings() -> Admission:
    """Return what the settings say of channels."""
    return Admission(callback(), conf.get("DEFAULT_DENY"))
