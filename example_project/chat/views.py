from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.shortcuts import get_object_or_404, redirect, render

from django_socketio import NoSocket, broadcast, broadcast_channel

from .forms import RoomForm, SystemMessageForm
from .models import Room


def rooms(request):
    form = RoomForm(request.POST or None)
    if form.is_valid():
        return redirect(form.save())
    context = {"form": form, "rooms": Room.objects.with_head_count()}
    return render(request, "chat/rooms.html", context)


def room(request, slug):
    return render(request, "chat/room.html", {"room": get_object_or_404(Room, slug=slug)})


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
