from django.shortcuts import get_object_or_404, redirect, render

from django_socketio import EventStreamView

from . import load, tasks
from .models import Export


def index(request):
    return render(request, "tour/index.html")


def exports(request):
    """Start an export, and go to its page."""
    if request.method != "POST":
        return render(request, "tour/exports.html")
    if request.session.session_key is None:
        request.session.create()
    user = request.user if request.user.is_authenticated else None
    export = Export.objects.create(user=user, session_key=request.session.session_key)
    tasks.start_export(export.pk)
    return redirect("export", export.pk)


def export(request, pk):
    return render(request, "tour/exports.html", {"export": get_object_or_404(Export, pk=pk)})


def dashboard(request):
    return render(request, "tour/dashboard.html")


def stream(request):
    return render(request, "tour/stream.html")


class LoadStream(EventStreamView):
    """The numbers of the dashboard for clients that only read."""

    def get_channels(self, request):
        load.measure()
        return [load.CHANNEL]
