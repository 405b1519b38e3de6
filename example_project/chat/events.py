"""The live part of the chat. Every function here is called with the socket it happened on.

A page subscribes to the channel of its room. What a function returns is handed to the callback
of the page which sent the event.
"""

from django.core.exceptions import PermissionDenied

from django_socketio.events import on_event, on_message, on_subscribe, on_unsubscribe

from .forms import MessageForm, PersonForm
from .models import Message, Person, Room


@on_event("rooms", channel="^rooms$")
def count(request, socket, context):
    """The list of rooms asks how full they are. Later it is told of changes: see announce."""
    return Room.objects.head_counts()


@on_subscribe(channel="^room-")
def open_room(request, socket, context, channel):
    """A room is open: show what was said before, also what was missed while offline."""
    room = Room.objects.filter(slug=channel.removeprefix("room-")).first()
    if room is None:
        raise PermissionDenied("There is no such room.")
    context["room"] = room
    socket.emit("room", {"people": room.names(), "messages": room.history()})


@on_event("join", channel="^room-")
def join(request, socket, context, name, token):
    """Somebody enters the room under a name, or is still there."""
    room, session = context["room"], socket.session.session_id
    form = PersonForm({"name": name, "token": token}, instance=Person(room=room, session=session))
    if not form.is_valid():
        return problem(form)
    before = room.names()
    context.pop("name", None)
    if not room.seat(form.instance):
        return {"error": "Somebody here has this name already. Please choose another one."}
    context["name"] = form.instance.name
    if room.names() != before:
        announce(socket, room)
    return {"name": context["name"], "people": room.names()}


@on_message(channel="^room-")
def say(request, socket, context, text):
    """Keep a message and pass it on to everybody else; its sender gets it as the answer."""
    if "name" not in context:
        return {"error": "Please join the room first."}
    message = Message(room=context["room"], author=context["name"])
    form = MessageForm({"text": text}, instance=message)
    if not form.is_valid():
        return problem(form)
    form.save()
    message.room.forget_old_messages()
    socket.broadcast_channel(message.as_dict(), message.room.channel)
    return message.as_dict()


@on_event("typing", channel="^room-")
def typing(request, socket, context):
    if "name" in context:
        socket.broadcast_channel(context["name"], context["room"].channel, event="typing")


@on_unsubscribe(channel="^room-")
def leave(request, socket, context, channel):
    """The page was closed or lost. If it has connected again already, its person stays."""
    room = context["room"]
    gone, _ = room.people.filter(session=socket.session.session_id).delete()
    if gone:
        announce(socket, room)


def announce(socket, room):
    """Tell the room who is there, and the list of rooms how full they are."""
    socket.broadcast_channel(room.names(), room.channel, event="people")
    socket.broadcast_channel(Room.objects.head_counts(), "rooms", event="rooms")


def problem(form):
    """The first thing that is wrong with a form, for the callback of the page."""
    return {"error": next(iter(form.errors.values()))[0]}
