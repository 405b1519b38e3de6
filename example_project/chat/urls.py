from django.urls import path

from . import views

urlpatterns = [
    path("", views.rooms, name="rooms"),
    path("rooms/<str:slug>/", views.room, name="room"),
    path("system-message/", views.system_message, name="system_message"),
]
