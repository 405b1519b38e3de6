"""The view of event streams."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View

from django_socketio import conf
from django_socketio.channels.names import check_channel
from django_socketio.exceptions import ChannelError
from django_socketio.protocol.event_stream import CONTENT_TYPE
from django_socketio.protocol.socketio.names import check_namespace
from django_socketio.relay.history_rules import A_TIME, is_time
from django_socketio.security import origins
from django_socketio.security.sessions import user_id
from django_socketio.server.endpoints import MARK
from django_socketio.server.handshake import response_of
from django_socketio.streams import answers
from django_socketio.streams.stream import Plan
from django_socketio.transports.http import Answer

LAST_EVENT_ID = ("lastEventId", "last_event_id", "lastEventID", "Last-Event-ID")
"""Parameters of the query that stand in for the header field, which pages cannot set. The first
one is set anew by polyfills when they come back, the second one by the page."""

NOT_ACCEPTABLE = f"This is an event stream; the Accept field of the request lacks {CONTENT_TYPE}.\n"


class EventStreamView(View):
    """A view that sends the events of channels to a page, as server-sent events.

    ``emit(event, …, channel=…)`` sends to its channels. If the visitor has a Django session, is
    logged in or in groups, ``emit(…, session=…)``, ``user=…`` and ``group=…`` reach the stream too.

    Attributes:
        channels: the names of the channels; see also ``get_channels``.
        namespace: the Socket.IO namespace of the channels and audiences.
        audiences: whether the stream brings the events of the audiences of its visitor.
        retry: seconds after which a browser comes back, at the least.

    """

    http_method_names = ["get", "head", "options"]  # noqa: RUF012  as Django declares it

    channels: Iterable[str] = ()
    namespace: str = "/"
    audiences: bool = True
    retry: float = 3.0

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view; its requests wait for places as handshakes of sockets do."""
        view = _answering_preflights(super().as_view(**initkwargs))
        setattr(view, MARK, True)
        return view

    def get_channels(self, request: HttpRequest) -> Iterable[str]:
        """Return the names of the channels for a request.

        Visitors choose nothing that this method does not let them choose.
        """
        return self.channels

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer with a stream, or say why not.

        Raises:
            ImproperlyConfigured: the attributes or ``get_channels`` have values of wrong types.

        """
        if not request.accepts(CONTENT_TYPE):
            return _refusal(406, NOT_ACCEPTABLE)
        try:
            names = tuple(dict.fromkeys(map(check_channel, self._names(request))))
            _check_number(names)
        except ChannelError as error:
            return _refusal(400, f"{error}\n")
        plan = Plan(
            namespace=check_namespace(self.namespace),
            channels=names,
            has_audiences=self.audiences,
            has_lost_login=_has_lost_login(request),
            last_event_id=last_event_id(request),
            retry=self._retry(),
            max_age=conf.get("STREAM_MAX_AGE"),
        )
        return answers.stream(request, plan)

    def _names(self, request: HttpRequest) -> Iterable[str]:
        names = self.get_channels(request)
        if isinstance(names, (str, bytes)) or not isinstance(names, Iterable):
            raise ImproperlyConfigured(
                f"The channels of {type(self).__name__} must be a list of names, not {names!r:.100}"
            )
        return names

    def _retry(self) -> float:
        if not is_time(self.retry):
            raise ImproperlyConfigured(
                f"The retry of {type(self).__name__} must be {A_TIME}, not {self.retry!r:.100}"
            )
        return self.retry

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Say what requests of pages of another origin may have."""
        return answers.preflight(request)


def _answering_preflights(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return a view that asks nobody to log in for a preflight request, which has no cookies."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if origins.is_preflight(request):
            return answers.preflight(request)
        return view(request, *args, **kwargs)

    return answer


def last_event_id(request: HttpRequest) -> str:
    """Return the id of the last event that a client has; empty for a new stream."""
    presented = request.headers.get("Last-Event-ID")
    found = (request.GET.get(name) for name in LAST_EVENT_ID)
    return presented or next(filter(None, found), "")


def _has_lost_login(request: HttpRequest) -> bool:
    """Return whether the Django session names a user who is not logged in any more."""
    session, user = getattr(request, "session", None), getattr(request, "user", None)
    if session is None or user is None or user_id(session) is None:
        return False
    return not user.is_authenticated


def _check_number(names: tuple[str, ...]) -> None:
    limit = conf.get("MAX_CHANNELS")
    if len(names) > limit:
        raise ChannelError(
            f"a stream of {len(names)} channels; SOCKETIO_MAX_CHANNELS allows {limit}"
        )


def _refusal(status: int, text: str) -> HttpResponseBase:
    return response_of(Answer(status, text.encode()))
