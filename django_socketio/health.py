"""Views for load balancers and supervisors: whether the process answers, and is ready for clients.

from django_socketio import health

path("health/live/", health.live),
path("health/ready/", health.ready),
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_socketio.channels.current import current
from django_socketio.server.relays import relay_status


@login_not_required
@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200: the process serves requests, and its event loop turns."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 if new clients should come to this process, else 503 with the reason.

    A process is not ready while it stops, and while no messages arrive from the relay. A process
    without sockets (a page server) is ready.
    """
    reason = _reason()
    if reason is None:
        return JsonResponse({"status": "ok"})
    return JsonResponse({"status": "unavailable", "reason": reason}, status=503)


def _reason() -> str | None:
    """Return why new clients should go elsewhere; None if they may come."""
    server = current()
    if server is not None and server.is_stopping:
        return "The server is shutting down"
    if relay_status()["alive"] is False:
        return "No messages arrive from the relay"
    return None
