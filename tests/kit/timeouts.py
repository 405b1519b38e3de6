"""Timeouts that are over at a moment of a test's choice: it calls their timers itself."""

import math

from django_socketio.sockets.client import Client
from tests.kit.waiting import wait_until


def owner_of_timer(server, kind):
    """Return the only object of a class that waits for a timer, once there is exactly one."""
    timers = server.socket_server.timers

    def owners():
        found = [getattr(timer.callback, "__self__", None) for _, _, timer in timers._heap]
        return [owner for owner in found if isinstance(owner, kind)]

    wait_until(lambda: len(server.call(owners)) == 1)
    return server.call(owners)[0]


def ring(server, timer, now=math.inf):
    """Call a timer, as if its time had come."""
    server.call(server.socket_server.timers._call, timer, now)


def end_connect_timeout(server):
    """Have the time be over for the only client that is in no namespace."""
    ring(server, owner_of_timer(server, Client)._connect_timer)


def look_at_connections(server, now):
    """Have the server end the HTTP connections whose clients take too long, at a time."""
    wsgi = server.server._wsgi
    server.call(lambda: [one.deadlines.look(now, wsgi.timeouts) for one in [*wsgi.connections]])


def beat(server, client):
    """Have the heartbeat of a client be due: it is pinged, or has missed the pong."""
    session = server.call(lambda: server.socket_server.engine.sessions[client.sid])
    server.call(lambda: session.wake(session.protocol.deadline))


def miss_pong(server, client):
    """Have a client be pinged, and then have missed the pong."""
    beat(server, client)
    beat(server, client)
