"""Views that use the database, well and badly."""

from django.db import transaction
from django.http import HttpResponse
from django.urls import include, path

from tests.database.events import query


def leave(request):
    transaction.atomic().__enter__()
    query("SELECT 1")
    return HttpResponse()


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("answer/", lambda request: HttpResponse(str(query("SELECT 1")))),
    path("leave/", leave),
]
