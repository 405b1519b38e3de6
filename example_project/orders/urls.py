from django.urls import path

from . import views

urlpatterns = [
    path("", views.orders, name="orders"),
    path("change/", views.change, name="change_order"),
]
