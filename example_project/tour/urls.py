from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("exports/", views.exports, name="exports"),
    path("exports/<int:pk>/", views.export, name="export"),
    path("load/", views.dashboard, name="dashboard"),
    path("stream/", views.stream, name="stream"),
    path("stream/events/", views.LoadStream.as_view(), name="load_stream"),
]
