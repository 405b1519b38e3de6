from django.contrib import admin

from .forms import RoomForm
from .models import Message, Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):
    form = RoomForm
    list_display = ("name", "slug")


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):
    list_display = ("author", "text", "room", "time")
    list_filter = ("room",)
