import gc
import time

from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import include, path

from django_socketio import accept_websocket, emit, in_thread
from tests.project.streams import Stream
from tests.system.production.events import digest, say, seen
from tests.system.production.forks import fork_in_view


def metrics(request, site=False):
    from django_socketio.metrics import metrics  # needs prometheus_client

    return metrics(request, site)


def slow(request, seconds):
    """Answer late; what is printed tells that the request has come, and that it is over."""
    say("slow")
    try:
        time.sleep(seconds)
    finally:
        say("slow no more")
    return HttpResponse("slow")


def environ(request):
    """Answer with what the server says of the request."""
    texts = {name: value for name, value in request.META.items() if isinstance(value, str)}
    return JsonResponse({**texts, "scheme": request.scheme, "path": request.path})


def fail(request):
    raise ValueError("a view that fails")


def page(request):
    """A page with the browser client."""
    template = engines["django"].from_string("{% load socketio_tags %}{% socketio %}")
    return HttpResponse(template.render({}, request))


def visit(request):
    """Begin a Django session of an anonymous visitor."""
    request.session["visited"] = True
    return HttpResponse("welcome")


def push(request):
    text = request.GET.get("text", request.path)
    emitted = emit("pushed", text, channel=request.GET["channel"])
    return HttpResponse(f"Emitted({emitted.received} {emitted.unit})")


def push_long(request, size):
    """Send more than the kernel takes for a client that does not read."""
    emit("pushed", "x" * size, channel=request.GET["channel"])
    return HttpResponse("sent")


async def push_async(request):
    return push(request)


@accept_websocket
def echo(request):
    """Send all messages back."""
    for message in request.websocket or ():
        request.websocket.send(message)
    return HttpResponse("a page")


urlpatterns = [
    path("echo/", echo),
    path("metrics/", metrics),
    path("metrics/site/", metrics, {"site": True}),
    path("page/", page),
    path("push/", push),
    path("push/<int:size>/", push_long),
    path("visit/", visit),
    path("push-async/", push_async),
    path("", include("django_socketio.urls")),
    path("stream/", Stream.as_view()),
    path("seen/", lambda request: JsonResponse(seen(request))),
    path("environ/", environ),
    path("fail/", fail),
    path("large/", lambda request: HttpResponse(b"x" * 4_000_000)),
    path("garbage/", lambda request: JsonResponse({"thresholds": gc.get_threshold()})),
    path("digest/", lambda request: HttpResponse(in_thread(digest, "of a view"))),
    path("fork/<str:way>/", fork_in_view),
    path("slow/<int:seconds>/", slow),
]
