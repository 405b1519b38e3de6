"""``{% load socketio_tags %}{% socketio %}``: the browser client, in a page's head."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template import Library

from django_socketio import conf
from django_socketio.server.endpoints import path_of_clients
from django_socketio.server.hijack import KEY

register = Library()


@register.inclusion_tag("django_socketio/scripts.html", takes_context=True)
def socketio(context: Any) -> dict[str, Any]:
    """Render the script element of the browser client, with the port and path of the server."""
    request = context.get("request")
    port = _port(request)
    return {
        "nonce": _nonce(context, request),
        "port": port,
        "path": path_of_clients(),
        "explains": port is not None and settings.DEBUG,
    }


def _nonce(context: Any, request: HttpRequest | None) -> object:
    # Django 6 has the nonce in the context, django-csp on the request. It is made when it is read.
    return context.get("csp_nonce") or getattr(request, "csp_nonce", "")


def _port(request: HttpRequest | None) -> int | None:
    """Return the port of the sockets, or None if it is the port of the page."""
    if request is None or KEY in request.META or not (settings.DEBUG or conf.is_set("PORT")):
        return None
    port = conf.get("PORT")
    return None if str(port) == request.get_port() else port
