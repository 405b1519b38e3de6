from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from django_socketio import NoSocket, broadcast, broadcast_channel, emit, unsubscribe

from .forms import NameForm, RoomForm, SystemMessageForm
from .models import Room


def rooms(request):
    form = RoomForm(request.POST or None)
    if form.is_valid():
        return redirect(form.save())
    context = {"form": form, "rooms": Room.objects.all()}
    return render(request, "chat/rooms.html", context)


def room(request, slug):
    """The page of a room; a visitor without a name enters one first."""
    room = get_object_or_404(Room, slug=slug)
    if "name" in request.session:
        return render(request, "chat/room.html", {"room": room, "name": request.session["name"]})
    form = NameForm(room, request.POST or None, initial={"name": request.user.get_username()})
    if form.is_valid():
        request.session["name"] = form.cleaned_data["name"]
        return redirect(room)
    return render(request, "chat/join.html", {"room": room, "form": form})


@require_POST
def leave(request, slug):
    """Give the name back, and leave the room at once; all tabs of the browser show the rooms."""
    room = get_object_or_404(Room, slug=slug)
    if request.session.pop("name", None):
        request.session.save()
        unsubscribe(room.channel, session=request.session)
        emit("left", session=request.session)
    return redirect("rooms")


@staff_member_required
def system_message(request):
    form = SystemMessageForm(request.POST or None)
    if not form.is_valid():
        return render(request, "chat/system_message.html", {"form": form})
    try:
        received = deliver(**form.cleaned_data)
        messages.success(request, f"Sent. Open pages which show it now: {received}.")
    except NoSocket:
        messages.warning(request, "Nobody is there right now, so nobody has received it.")
    return redirect("system_message")


def deliver(room, text):
    """Reach sockets from outside of their events, as any code of the site can."""
    if room:
        return broadcast_channel({"system": text}, room.channel)
    return broadcast({"system": text})
