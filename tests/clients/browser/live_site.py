"""A site whose pages are changed by fragments: what is in them, each test says."""

import gevent
from django.contrib.staticfiles.views import serve
from django.db import models
from django.http import FileResponse, HttpResponse
from django.template import engines
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_socketio import emit_template
from tests.clients.browser.site import NONCE
from tests.kit.node import FOLDER

HTMX = FOLDER / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"

PAGE = """{{% load socketio_tags %}}<!doctype html>
<meta charset="utf-8"><title>live</title><link rel="icon" href="data:,">
{}
<body>{}"""

TAG = "{% socketio live=True %}"

LOG = """<ul {% socketio_live "room" %} id="log"><li id="old">old</li></ul>"""

FRAGMENTS = {
    "fragment.html": "{{ html|safe }}",
    "card.html": '<li id="card-{{ card.pk }}">{{ card.text }}</li>',
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                ("django.template.loaders.locmem.Loader", FRAGMENTS),
                "django.template.loaders.app_directories.Loader",
            ],
            "context_processors": ["django.template.context_processors.request"],
        },
    }
]


class Card(models.Model):
    """An object in columns of a page, each of which is a channel; its table, tests make."""

    columns = models.CharField(max_length=20)
    text = models.CharField(max_length=20)

    class Meta:
        app_label = "project"


class Site:
    """What the pages show, and what was asked for."""

    tag = TAG
    body = LOG
    content = "<b>new</b>"
    requests = ()  # of the content: the ids of the sockets that they name
    status = 200
    is_open = True
    after_rendering = staticmethod(lambda: None)

    @classmethod
    def reset(cls):
        cls.tag, cls.body, cls.content, cls.requests = TAG, LOG, "<b>new</b>", []
        cls.status, cls.is_open = 200, True
        cls.after_rendering = staticmethod(lambda: None)


def page(request):
    template = engines["django"].from_string(PAGE.format(Site.tag, Site.body))
    request.csp_nonce = NONCE
    response = HttpResponse(template.render({}, request))
    Site.after_rendering()
    if "csp" in request.GET:
        policy = f"default-src 'none'; connect-src 'self'; script-src 'nonce-{NONCE}'"
        response["Content-Security-Policy"] = policy
    return response


def content(request):
    """Answer once the site is open, with what was there when the request came."""
    Site.requests.append(request.headers.get("X-Socket-ID"))
    response = HttpResponse(Site.content, status=Site.status)
    while not Site.is_open:
        gevent.sleep(0.01)
    return response


@csrf_exempt
def change(request):
    """Change what all pages show; the page that has asked for it knows already."""
    emit_template(swap="refresh", channel="room")
    return HttpResponse("changed")


def htmx(request):
    return FileResponse(HTMX.open("rb"), content_type="text/javascript")


urlpatterns = [
    path("", page),
    path("content/", content),
    path("change/", change),
    path("htmx.js", htmx),
    path("", include("django_socketio.urls")),
    path("static/<path:path>", serve, {"insecure": True}),
]
