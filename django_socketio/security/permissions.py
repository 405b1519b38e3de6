"""The settings that limit which channels clients may subscribe to."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import PermissionDenied

from django_socketio import conf
from django_socketio.concurrency.client_log import ClientLog
from django_socketio.events import Event, may_subscribe, on_subscribe
from django_socketio.events.handlers import Call
from django_socketio.events.pipeline import READMISSION
from django_socketio.logs import get_logger

logger = ClientLog(get_logger("django_socketio.security"))

AllowedChannels = Callable[[Any, list[str]], Iterable[str]]
"""Takes a request and the channels that its client asks for; returns those that it may have."""

NOT_LISTED = "%r: subscribe to %r refused: SOCKETIO_ALLOWED_CHANNELS leaves it out"
DENIED = (
    "%r: subscribe to %r refused: SOCKETIO_DEFAULT_DENY is on, no pattern of on_subscribe or "
    "may_subscribe matches the channel, SOCKETIO_ALLOWED_CHANNELS is not set, and the client "
    "presents no token"
)


class ChannelPermissions:
    """Decides which channels clients may ask the handlers of ``on_subscribe`` for.

    Args:
        allowed: called for each channel, if it is not None; a channel that it does not return is
            refused.
        default_deny: whether a channel is refused unless ``allowed`` returns it or, where
            ``allowed`` is None, the client presents its token, or a pattern of ``on_subscribe`` or
            ``may_subscribe`` matches it.
        around: returns a call for the one that calls ``allowed``.
        has_token: returns whether a client that asks for a channel has presented its token.

    """

    def __init__(
        self,
        allowed: AllowedChannels | None,
        default_deny: bool,
        around: Callable[[Call], Call],
        has_token: Callable[[Any, str], bool],
    ) -> None:
        self._has_token = has_token
        self._allowed = allowed
        self._default_deny = default_deny
        self._around = around

    def layer(self, call: Call, event: Event) -> Call:
        """Check the permission before the handlers of ``on_subscribe`` (an event layer).

        ``allowed`` is also asked when a client comes back to its channels. ``default_deny`` is not:
        whatever has admitted the client then, a pattern or a token, has not changed.
        """
        is_limited = self._allowed is not None
        if not (is_limited and event is READMISSION) and not (
            event is on_subscribe and (is_limited or self._default_deny)
        ):
            return call

        check = self._check if self._allowed is None else self._around(self._check)

        def check_permission(request: Any, socket: Any, context: Any, args: Any) -> Any:
            check(request, socket, context, args)
            return call(request, socket, context, args)

        return check_permission

    def _check(self, request: Any, socket: Any, context: Any, args: Any) -> None:
        channel = args[0]
        if self._allowed is not None:
            if channel not in _names(self._allowed(request, [channel])):
                _deny(NOT_LISTED, socket, channel)
        elif not (self._has_token(socket, channel) or _is_matched(socket.namespace, channel)):
            _deny(DENIED, socket, channel)


def _is_matched(namespace: str, channel: str) -> bool:
    """Return whether a pattern of ``on_subscribe`` or ``may_subscribe`` matches a channel."""
    return any(
        handler.pattern is not None and handler.concerns(namespace, (channel,))
        for event in (on_subscribe, may_subscribe.event)
        for handler in event.handlers
    )


class ChannelDenied(PermissionDenied):
    """A setting refuses a channel; the log has the reason already."""

    is_logged = True


def _deny(reason: str, socket: Any, channel: str) -> None:
    logger.info(reason, socket, channel)
    raise ChannelDenied


def _names(allowed: Any) -> Iterable[str]:
    # A text would pass for the list of its characters, and "in" would find parts of it.
    if isinstance(allowed, (str, bytes)) or not isinstance(allowed, Iterable):
        raise TypeError(
            f"SOCKETIO_ALLOWED_CHANNELS must return a list of channels; it returned {allowed!r}"
        )
    return allowed


EXPECTED = "the dotted path of a function (request, channels)"


def callback() -> AllowedChannels | None:
    """Return the function that ``SOCKETIO_ALLOWED_CHANNELS`` names.

    Raises:
        ImproperlyConfigured: there is none at the path.

    """
    path = conf.get("ALLOWED_CHANNELS")
    return None if path is None else conf.import_callable("ALLOWED_CHANNELS", path, EXPECTED)


def from_settings(
    around: Callable[[Call], Call], has_token: Callable[[Any, str], bool]
) -> ChannelPermissions:
    """Return the permissions that the settings describe.

    Args:
        around: sets up what the function of the settings needs, as for a handler.
        has_token: see ``ChannelPermissions``.

    """
    return ChannelPermissions(callback(), conf.get("DEFAULT_DENY"), around, has_token)
