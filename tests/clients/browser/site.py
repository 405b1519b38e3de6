"""The site that the browser visits: pages with the client, and a door that tests can shut."""

from django.contrib.staticfiles.views import serve
from django.http import FileResponse, HttpResponse
from django.template import engines
from django.urls import include, path

from tests.kit.node import FOLDER

BUNDLE = FOLDER / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"
"""The official browser client."""

NONCE = "bm9uY2U="

PAGE = """<!doctype html>
<meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">
{head}
"""
OURS = "{% load socketio_tags %}{% socketio %}"
OFFICIAL = '<script src="/official.js"></script>'


class Door:
    """Middleware; ``Door.keeper`` may answer a handshake in place of the site."""

    keeper = None

    def __init__(self, get_response):
        self._get_response = get_response

    def __call__(self, request):
        answer = None
        if Door.keeper is not None and request.path == "/socket.io/":
            answer = Door.keeper(request)
        return answer or self._get_response(request)


def _page(request, title, head, **context):
    template = engines["django"].from_string(PAGE.format(title=title, head=head))
    return HttpResponse(template.render(context, request))


def ours(request):
    return _page(request, "ours", OURS)


def official(request):
    return _page(request, "official", OFFICIAL)


def elsewhere(request):
    return _page(request, "elsewhere", "")


def with_csp(request):
    """Let scripts run that have the nonce; ``?nonce=`` is what the template gets to know."""
    request.csp_nonce = request.GET.get("nonce", NONCE)  # as django-csp does it
    response = _page(request, "csp", OURS)
    response["Content-Security-Policy"] = f"script-src 'nonce-{NONCE}'"
    return response


def bundle(request):
    return FileResponse(BUNDLE.open("rb"), content_type="text/javascript")


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("", ours),
    path("csp/", with_csp),
    path("official/", official),
    path("official.js", bundle),
    path("elsewhere/", elsewhere),
    path("static/<path:path>", serve, {"insecure": True}),
]
