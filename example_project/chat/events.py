"""The live part of the chat. Every function here is called with the socket it happened on.

A page subscribes to the channel of its room. What a function returns is handed to the callback
of the page which sent the event. Who is on such a channel is in the room: see settings.py.
"""

from django.core.exceptions import PermissionDenied

from django_socketio import emit, presence_count
from django_socketio.events import (
    on_event,
    on_join,
    on_leave,
    on_message,
    on_subscribe,
    presence_info,
)

from .forms import MessageForm
from .models import Message, Room


@on_subscribe(channel="^rooms$")
def show_counts(request, socket, context, channel):
    """The list of rooms is open: show how full they are. It is told of changes: see count."""
    socket.emit("rooms", {room.slug: room.head_count for room in Room.objects.all()})


@on_subscribe(channel="^room-")
def enter(request, socket, context, channel):
    """Somebody enters a room: show what was said before, also what was missed while offline."""
    room = Room.objects.filter(slug=channel.removeprefix("room-")).first()
    if room is None:
        raise PermissionDenied("There is no such room.")
    if "name" not in request.session:
        raise PermissionDenied("Please join the room first.")
    context["room"], context["name"] = room, request.session["name"]
    socket.emit("room", room.history())


@presence_info(channel="^room-")
def introduce(request, channel):
    """What the others in a room see of a person."""
    return {"name": request.session.get("name", "Somebody")}


@on_join(channel="^room-")
@on_leave(channel="^room-")
def count(channel, person):
    """Tell the list of rooms how full a room is: not for a second tab, and not for a reload."""
    emit("rooms", {channel.removeprefix("room-"): presence_count(channel)}, channel="rooms")


@on_message(channel="^room-")
def say(request, socket, context, text):
    """Keep a message and pass it on to everybody else; its sender gets it as the answer."""
    message = Message(room=context["room"], author=context["name"])
    form = MessageForm({"text": text}, instance=message)
    if not form.is_valid():
        return {"error": form.errors["text"][0]}
    form.save()
    message.room.forget_old_messages()
    socket.broadcast_channel(message.as_dict(), message.room.channel)
    return message.as_dict()


@on_event("typing", channel="^room-")
def typing(request, socket, context):
    socket.broadcast_channel(context["name"], context["room"].channel, event="typing")
