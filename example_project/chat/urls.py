from django.urls import path

from . import views

urlpatterns = [
    path("rooms/", views.rooms, name="rooms"),
    path("rooms/<str:slug>/", views.room, name="room"),
    path("rooms/<str:slug>/leave/", views.leave, name="leave"),
    path("system-message/", views.system_message, name="system_message"),
]
