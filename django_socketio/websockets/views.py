"""Views of raw WebSockets: ``accept_websocket``, ``require_websocket`` and ``WebSocketView``."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, overload

from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import View

from django_socketio.events.handlers import is_async
from django_socketio.server import watchdog
from django_socketio.server.handshake import Handshake
from django_socketio.server.view import no_sockets
from django_socketio.websockets.accepting import accept, check_subprotocols
from django_socketio.websockets.websocket import WebSocket

Function = TypeVar("Function", bound=Callable[..., Any])

UPGRADE_REQUIRED = (
    "This URL is a WebSocket: open it by the scheme ws or wss. If a WebSocket was opened, a proxy "
    "before the server does not hand on the header fields Upgrade and Connection.\n"
)


class WebSocketRequest(HttpRequest):
    """The type of requests in these views, for annotations."""

    websocket: WebSocket
    """The WebSocket; None where ``is_websocket()`` is False."""

    def is_websocket(self) -> bool:
        """Return whether the request has opened a WebSocket."""
        return False


@overload
def accept_websocket(view: Function) -> Function: ...


@overload
def accept_websocket(*, subprotocols: Sequence[str] = ()) -> Callable[[Function], Function]: ...


def accept_websocket(view: Any = None, *, subprotocols: Sequence[str] = ()) -> Any:
    """Have a view serve WebSockets as well as other requests (a decorator).

    For a WebSocket, the view is called once the connection is open, in a greenlet of its own, with
    the connection as ``request.websocket``. Other requests reach it as ever: ``request.websocket``
    is None, and ``request.is_websocket()`` returns False.

    Args:
        view: the view.
        subprotocols: see ``accept``.

    Raises:
        TypeError: the view is asynchronous, or ``subprotocols`` is a string.

    """
    return _decorator(view, subprotocols, _call_plainly)


@overload
def require_websocket(view: Function) -> Function: ...


@overload
def require_websocket(*, subprotocols: Sequence[str] = ()) -> Callable[[Function], Function]: ...


def require_websocket(view: Any = None, *, subprotocols: Sequence[str] = ()) -> Any:
    """Have a view serve WebSockets only; other requests are answered 426 (a decorator).

    The arguments and the errors are those of ``accept_websocket``.
    """
    decorated = _decorator(view, subprotocols, _refuse)
    if view is not None:
        return non_atomic_requests(decorated)
    return lambda view: non_atomic_requests(decorated(view))


def _decorator(
    view: Any, subprotocols: Sequence[str], otherwise: Callable[..., HttpResponseBase]
) -> Any:
    check_subprotocols(subprotocols)

    def decorate(view: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
        _check_view(view)
        watchdog.watched.append(view)

        @wraps(view)
        def decorated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if asks_for_websocket(request):
                return open_websocket(view, request, args, kwargs, subprotocols)
            _mark(request, None)
            return otherwise(view, request, args, kwargs)

        return decorated

    return decorate if view is None else decorate(view)


def _check_view(view: Any) -> None:
    if not callable(view):
        raise TypeError(
            f"a view is decorated, not {view!r}; arguments are given by name: "
            '@accept_websocket(subprotocols=["chat.v1"])'
        )
    if is_async(view):
        raise TypeError(
            f"the view {view.__qualname__} is asynchronous. Views of WebSockets are synchronous: "
            "each has a greenlet of its own, and may wait"
        )


def _call_plainly(view: Any, request: HttpRequest, args: Any, kwargs: Any) -> HttpResponseBase:
    response: HttpResponseBase = view(request, *args, **kwargs)
    return response


def _refuse(view: Any, request: HttpRequest, args: Any, kwargs: Any) -> HttpResponse:
    return upgrade_required(request)


def upgrade_required(request: HttpRequest) -> HttpResponse:
    """Refuse a request that opens no WebSocket, by 426 (RFC 9110, 15.5.22)."""
    if Handshake.of(request) is None:
        return no_sockets()
    fields = {"Upgrade": "websocket", "Connection": "Upgrade"}
    content_type = "text/plain; charset=utf-8"
    return HttpResponse(UPGRADE_REQUIRED, content_type, status=426, headers=fields)


def asks_for_websocket(request: HttpRequest) -> bool:
    """Return whether a request is to open a WebSocket (RFC 6455, 4.1), or has opened it."""
    if _has_opened(request):
        return True
    names = request.META.get("HTTP_UPGRADE", "").lower().split(",")
    return "websocket" in [name.strip() for name in names]


def open_websocket(
    view: Callable[..., Any],
    request: HttpRequest,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    subprotocols: Sequence[str],
) -> HttpResponse:
    """Answer the handshake of a WebSocket; the view is called once the connection is open.

    Where a decorator further out has opened it, the view is called at once.
    """
    if _has_opened(request):
        answer: HttpResponse = view(request, *args, **kwargs)
        return answer

    def run() -> Any:
        return view(request, *args, **kwargs)

    run.__module__, run.__qualname__ = view.__module__, getattr(view, "__qualname__", repr(view))
    websocket = WebSocket(run, request)
    _mark(request, websocket)
    return accept(request, websocket, subprotocols)


def _has_opened(request: HttpRequest) -> bool:
    return getattr(request, "websocket", None) is not None


def _mark(request: Any, websocket: WebSocket | None) -> None:
    request.websocket = websocket
    request.is_websocket = _no if websocket is None else _yes


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


class WebSocketView(View):
    """A class-based view of WebSockets: write a method ``websocket``, as ``get`` for pages.

    A class without a method ``get`` answers other requests 426.

    Attributes:
        subprotocols: see ``accept``.

    """

    subprotocols: Sequence[str] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the method ``websocket``.

        Raises:
            TypeError: the method is asynchronous.

        """
        super().__init_subclass__(**kwargs)
        if "websocket" in vars(cls):
            _check_view(cls.websocket)
            watchdog.watched.append(cls.websocket)

    def websocket(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Serve a WebSocket: ``request.websocket``."""
        raise NotImplementedError(f"{type(self).__name__} has no method websocket(self, request)")

    def get_subprotocols(self) -> Sequence[str]:
        """Return the subprotocols for this request, the preferred one first."""
        return self.subprotocols

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Open a WebSocket, or answer another request by the method for it."""
        if asks_for_websocket(request):
            return open_websocket(self.websocket, request, args, kwargs, self.get_subprotocols())
        _mark(request, None)
        return super().dispatch(request, *args, **kwargs)

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer 426 to a request for a page, and 405 to others."""
        if request.method in ("GET", "HEAD"):
            return upgrade_required(request)
        return super().http_method_not_allowed(request, *args, **kwargs)
