"""GETs that were sent before their client closed its session, and that come after."""

from gevent.event import Event

from django_socketio.transports.http import EngineRequest

CROSSING_TIME = 0.05
"""Seconds that a POST which closes its session waits for a GET that was sent before it."""


class Crossings:
    """Sessions that their client closed just now, while its last GET may be on its way."""

    def __init__(self) -> None:
        self._closed: dict[str, Event] = {}

    def __contains__(self, sid: str) -> bool:
        """Whether the GET of a session is waited for."""
        return sid in self._closed

    def end_with(self, request: EngineRequest) -> bool:
        """Return whether a request is the GET that is waited for; no other is from here on."""
        crossed = self._closed.pop(request.sid, None)
        if crossed is None or request.method != "GET":
            return False
        crossed.set()
        return True

    def wait(self, sid: str) -> None:
        """Wait a moment for the GET of a session.

        A client that closes its session has a GET open. If its POST came first, the GET must still
        find the session; later ones must not.
        """
        self._closed[sid] = crossed = Event()
        crossed.wait(CROSSING_TIME)
        self._closed.pop(sid, None)
