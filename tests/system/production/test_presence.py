"""Who is there while workers are killed and reloaded."""

import http.client
import os
import re
import signal
from collections import Counter

from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until


class Visitor:
    """An anonymous visitor with a Django session, who may open tabs."""

    def __init__(self, server):
        self.server = server
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/visit/")
        self.cookie = connection.getresponse().headers["Set-Cookie"].partition(";")[0]
        connection.close()
        self.tabs = []

    def open(self):
        """Open a tab; return the process that has it."""
        tab = WebSocketClient(self.server.port, cookie=self.cookie)
        tab.connect()
        assert tab.subscribe("here") is True
        self.tabs.append(tab)
        return tab.ask("seen")[0]["pid"]


def told(server, what):
    return Counter(re.findall(rf"{what} (visitor:\w+)\.", server.output))


def arrive(server):
    """Have a visitor come; return the visitor, its id and its process."""
    before = {*told(server, "join")}
    visitor = Visitor(server)
    pid = visitor.open()
    wait_until(lambda: len(told(server, "join")) > len(before))
    (id,) = {*told(server, "join")} - before
    return visitor, id, pid


def leases(redis):
    """Return the processes that have leases, and the name of the data."""
    return {*redis.client.hkeys("socketio:{processes}")}


def test_a_killed_worker_takes_its_people_along_and_a_reload_nobody(gunicorn, redis, tmp_path):
    options = {"TEST_SESSIONS": str(tmp_path), "TEST_LEASES": "1", "DRAIN_SECONDS": "1"}
    server = gunicorn(workers=2, TEST_RELAY_URL=redis.url, **options)
    arrived = [arrive(server) for _ in range(4)]
    while len({pid for _, _, pid in arrived}) == 1:
        arrived.append(arrive(server))
    (everywhere, id_everywhere, first), (_, _, victim) = arrived[:2]
    while everywhere.open() == first:  # another tab, in the other worker
        pass
    os.kill(victim, signal.SIGKILL)
    lost = {id: 1 for _, id, pid in arrived if pid == victim and id != id_everywhere}
    wait_until(lambda: told(server, "leave") == lost)

    server.wait_for("Worker ready", 3)
    before = leases(redis)
    server.signal(signal.SIGHUP)
    server.wait_for("Worker ready", 5)
    for visitor, id, _ in arrived:
        if id not in lost:
            assert all(tab.is_closed() for tab in visitor.tabs)
            visitor.open()
    # The leases of the former workers go when those people are removed who have not come back.
    wait_until(lambda: leases(redis) & before == {b"data"})
    assert told(server, "leave") == lost
    assert told(server, "join") == {id: 1 for _, id, _ in arrived}
