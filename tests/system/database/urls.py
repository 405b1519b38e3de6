"""Views that use the database, well and badly."""

from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from tests.system.database.events import LEAVE, query, seen


def leave(request):
    transaction.atomic().__enter__()
    query("SELECT 1")
    return HttpResponse()


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("answer/", lambda request: HttpResponse(str(query("SELECT 1")))),
    path("leave/", leave),
    path("leave/<str:way>/", lambda request, way: HttpResponse(LEAVE[way]())),
    path("seen/", lambda request: JsonResponse({"seen": seen()})),
]
