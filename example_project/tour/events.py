from django_socketio.events import on_subscribe

from . import load


@on_subscribe(channel="^load$")
def watch(request, socket, context, channel):
    """Somebody looks. The last minute comes by itself: see SOCKETIO_HISTORY in settings.py."""
    load.measure()
