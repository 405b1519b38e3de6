"""Handlers that answer as views do, by an HTTP response.

A decorator for views, such as ``login_required``, answers a visitor with a page and does not call
the handler. Sockets have no pages, and the visitor must not be admitted.
"""

from typing import Any

from django.http.response import HttpResponseBase

from django_socketio import events
from django_socketio.events.handlers import Call, Registration
from django_socketio.logs import name_of

ADVICE = (
    "and a socket cannot show a page. To refuse, raise PermissionDenied. Decorators for views, "
    "such as login_required, return a page; permission_required(…, raise_exception=True) raises "
    "PermissionDenied"
)


def layer(call: Call, registration: Registration) -> Call:
    """Have an error raised where a handler returns an HTTP response, and cost others nothing.

    Raises:
        TypeError: of the returned call, for such an answer.

    """
    function = registration.function
    if not (_admits(registration) or hasattr(function, "__wrapped__")):
        return call

    def refuse_responses(request: Any, socket: Any, context: Any, args: Any) -> Any:
        answer = call(request, socket, context, args)
        if isinstance(answer, HttpResponseBase):
            raise TypeError(f"{name_of(function)} returned a {type(answer).__name__}, {ADVICE}")
        return answer

    return refuse_responses


def _admits(registration: Registration) -> bool:
    connecting, subscribing = events.on_connect.handlers, events.on_subscribe.handlers
    return registration in (*connecting.registrations, *subscribing.registrations)
