"""The site that the browser visits: pages with the client, and a door that tests can shut."""

from django.contrib.staticfiles.views import serve
from django.http import FileResponse, HttpResponse
from django.template import engines
from django.urls import include, path

from tests.kit.node import FOLDER

BUNDLE = FOLDER / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"
"""The official browser client."""

OLD_BUNDLE = FOLDER / "node_modules" / "socket.io-client-2" / "dist" / "socket.io.js"
"""The browser client of Socket.IO 2."""

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


SIGNED = (
    OURS
    + """{% socketio_channel "room-" request.GET.room as token %}
<script>
  window.got = [];
  window.ready = () => {
    socket.on("message", (...args) => got.push(args));
    socket.subscribe(document.body.dataset.room).connect();
    socket.io.on("missed", noted("missed"));
  };
</script>
<body data-room="{{ token }}">
"""
)


def signed(request):
    return _page(request, "signed", SIGNED)


def official(request):
    return _page(request, "official", OFFICIAL)


def old(request):
    return _page(request, "old", '<script src="/old.js"></script>')


OWN_CLIENT = (
    OFFICIAL
    + """<script>
  const url = new URL("{% load socketio_tags %}{% socketio_url %}", location);
  window.own = io(url.origin, {path: url.pathname});
</script>"""
)


def own_client(request):
    return _page(request, "own client", OWN_CLIENT)


def live(request):
    return _page(request, "live", "{% load socketio_tags %}{% socketio live=True %}")


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


def old_bundle(request):
    return FileResponse(OLD_BUNDLE.open("rb"), content_type="text/javascript")


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("", ours),
    path("csp/", with_csp),
    path("signed/", signed),
    path("official/", official),
    path("official.js", bundle),
    path("own-client/", own_client),
    path("live/", live),
    path("old/", old),
    path("old.js", old_bundle),
    path("elsewhere/", elsewhere),
    path("static/<path:path>", serve, {"insecure": True}),
]
