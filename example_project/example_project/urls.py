from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("tour.urls")),
    path("", include("chat.urls")),
    path("orders/", include("orders.urls")),
    path("", include("django_socketio.urls")),
    path("admin/", admin.site.urls),
]
