"""The template tags: the browser client, tokens of channels, and elements on channels."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.template import Library
from django.utils.html import format_html_join

from django_socketio import conf
from django_socketio.channels.names import check_channel
from django_socketio.publishing.signing import sign_channel
from django_socketio.security.channel_tokens import ChannelToken
from django_socketio.security.page_caches import refuse_in_cached_fragment
from django_socketio.server.endpoints import path_of_clients
from django_socketio.server.hijack import KEY

register = Library()


@register.inclusion_tag("django_socketio/scripts.html", takes_context=True)
def socketio(context: Any, live: bool = False, namespace: str = "") -> dict[str, Any]:
    """Render the script element of the browser client, with the port and path of the server.

    Args:
        live: whether the page is changed by ``emit_template``: it loads ``live.js`` as well.
        namespace: the Socket.IO namespace that ``live.js`` connects to.

    Raises:
        TypeError: there is a namespace without ``live``.

    """
    if namespace and not live:
        raise TypeError("{% socketio namespace=… %} is for live.js: add live=True")
    request = context.get("request")
    port = _port(request)
    return {
        "nonce": _nonce(context, request),
        "port": port,
        "path": path_of_clients(),
        "explains": port is not None and settings.DEBUG,
        "live": live,
        "namespace": namespace,
    }


@register.simple_tag(takes_context=True)
def socketio_url(context: Any) -> str:
    """Return the address of the sockets, for a page with a client of its own.

    The address is relative to the page: a path such as "/socket.io/" or, where another port has
    the sockets, "//example.com:9000/socket.io/". The browser reads it by ``new URL(…, location)``.
    """
    request = context.get("request")
    port = _port(request)
    host = "" if port is None else f"//{split_domain_port(request.get_host())[0]}:{port}"
    return host + path_of_clients()


@register.simple_tag
def socketio_live(
    *channel: Any, url: str | None = None, lazy: bool = False, scripts: bool = False
) -> str:
    """Return the attributes of an element on a channel: ``<ul {% socketio_live "room-1" %}>``.

    The channel is the variable of ``{% socketio_channel %}``, or a name that handlers admit; its
    parts are put together.

    Args:
        url: where the element's content is loaded from; by default from the page itself.
        lazy: whether it is loaded as soon as the page is there.
        scripts: whether scripts run that fragments bring into the element.

    Raises:
        ChannelError: the name of the channel is not allowed.
        TemplateSyntaxError: the token is for one login, and the tag is in ``{% cache %}``.

    """
    token = channel[0] if len(channel) == 1 and hasattr(channel[0], "channel") else None
    name = token.channel if token is not None else "".join(map(str, channel))
    values = {"live": check_channel(name), "token": token, "url": url}
    flags = {"lazy": lazy or None, "scripts": scripts or None}
    named = ((key, value) for key, value in (values | flags).items() if value is not None)
    return format_html_join(" ", 'data-socketio-{}="{}"', named)


@register.simple_tag(takes_context=True)
def socketio_channel(context: Any, *parts: Any, **options: Any) -> ChannelToken:
    """Return the token of a channel: ``{% socketio_channel "room-" room.pk last=20 as token %}``.

    The parts of the name are put together. The options are those of ``sign_channel``; without
    ``user``, ``session`` and ``anyone``, the token is for the login of the request.

    Raises:
        TemplateSyntaxError: the tag is in ``{% cache %}``.
        TypeError: the context has no request.

    """
    if not FOR_OTHERS & options.keys():
        refuse_in_cached_fragment()
        options["request"] = context.get("request")
        if options["request"] is None:
            raise TypeError(
                "{% socketio_channel %} needs the request in the context: render(request, …) and "
                "the context processor django.template.context_processors.request; or anyone=True"
            )
    return sign_channel("".join(map(str, parts)), **options)


FOR_OTHERS = {"user", "session", "anyone"}
"""Options that name for whom a token is."""


def _nonce(context: Any, request: HttpRequest | None) -> str:
    # Django 6 has the nonce in the context, django-csp on the request. It is false until str()
    # has made it.
    nonce = context.get("csp_nonce")
    if nonce is None:
        nonce = getattr(request, "csp_nonce", None)
    return "" if nonce is None else str(nonce)


def _port(request: HttpRequest | None) -> int | None:
    """Return the port of the sockets, or None if it is the port of the page."""
    if request is None or KEY in request.META or not (settings.DEBUG or conf.is_set("PORT")):
        return None
    port = conf.get("PORT")
    return None if str(port) == request.get_port() else port
