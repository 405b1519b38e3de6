import gc
import time

from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import include, path

from django_socketio import emit, in_thread
from tests.system.production.events import digest, say, seen
from tests.system.production.forks import fork_in_view


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


def push(request):
    text = request.GET.get("text", request.path)
    emitted = emit("pushed", text, channel=request.GET["channel"])
    return HttpResponse(f"Emitted({emitted.received} {emitted.unit})")


async def push_async(request):
    return push(request)


urlpatterns = [
    path("page/", page),
    path("push/", push),
    path("push-async/", push_async),
    path("", include("django_socketio.urls")),
    path("seen/", lambda request: JsonResponse(seen(request))),
    path("environ/", environ),
    path("fail/", fail),
    path("large/", lambda request: HttpResponse(b"x" * 4_000_000)),
    path("garbage/", lambda request: JsonResponse({"thresholds": gc.get_threshold()})),
    path("digest/", lambda request: HttpResponse(in_thread(digest, "of a view"))),
    path("fork/<str:way>/", fork_in_view),
    path("slow/<int:seconds>/", slow),
]
