"""Clients that roam over the processes of a site at random get each message once, in order."""

import random
import secrets
import threading

import pytest

from django_socketio import emit
from django_socketio.events import on_connect, on_finish, on_return
from tests.kit.recorder import Recorder
from tests.kit.returning import Returning

CHANNELS = ("a", "b")
AUDIENCES = ({"channel": "a"}, {"channel": "b"}, {"channel": CHANNELS}, {})
MESSAGES, LAST = 120, "last"
TRANSPORTS = ("websocket", "polling", "upgraded")


class Roamer(threading.Thread):
    """A client that breaks its connection after a few messages, and comes back anywhere."""

    def __init__(self, number, servers):
        super().__init__(daemon=True)
        self._random, self._servers = random.Random(number), servers
        self._client = Returning(self._choose(), TRANSPORTS[number % len(TRANSPORTS)])
        self._client.connect()
        self.got, self.returns, self.is_recovered = [], 0, True
        self._waits_for = {*CHANNELS}

    def _choose(self):
        return self._random.choice(self._servers)

    def run(self):
        """Roam until the last message of each channel has come."""
        while self._read(self._random.randint(1, 5)):
            if self._random.random() < 0.8:  # or the older connection lives yet
                self._client.cut()
            self._client.connect(server=self._choose())
            if not self._client.recovered:
                self.is_recovered = False
                return
            self.returns += 1
        self._client.cut()

    def _read(self, number):
        for _ in range(number):
            _, content, where = self._client.event()
            if content == LAST:
                self._waits_for.discard(where["on"])
            else:
                self.got.append((content, where))
            if not self._waits_for:
                return False
        return True


@pytest.fixture(params=["redis", pytest.param("cluster", marks=pytest.mark.needs("shards"))])
def servers(request, serve):
    """Three servers of one site."""
    kind = {"redis": "redis_server", "cluster": "cluster"}[request.param]
    url, prefix = request.getfixturevalue(kind).url, secrets.token_hex(4)
    found = [serve(RELAY_URL=url, RELAY_PREFIX=prefix, MAX_AWAY_SOCKETS=1000) for _ in range(3)]
    for server in found:
        server.wait_for_relay()
    return found


def test_roaming_clients_get_each_message_once_and_in_order(servers):
    seen = Recorder()

    @on_connect
    def join(request, socket, context):
        for channel in CHANNELS:
            socket.subscribe(channel)

    @on_return
    def back(request, socket, context):
        context["returns"] = context.get("returns", 0) + 1

    @on_finish
    def finished(request, socket, context):
        seen(socket.session.session_id)

    roamers = [Roamer(number, servers) for number in range(6)]
    for roamer in roamers:
        roamer.start()
    rng = random.Random(7)
    published = set()
    for number in range(MESSAGES):
        audience = rng.choice(AUDIENCES)
        where = "".join(audience.get("channel", ""))
        published |= {number} if where else set()
        server = rng.choice(servers)
        server.call(lambda n=number, w=where, a=audience: emit("m", n, {"on": w}, **a))
    for channel in CHANNELS:
        servers[0].call(lambda c=channel: emit("m", LAST, {"on": c}, channel=c))
    for roamer in roamers:
        roamer.join(60)
        assert not roamer.is_alive()
    check([roamer for roamer in roamers if roamer.is_recovered], published)
    assert seen.empty  # all wait for clients that have left


def check(roamers, published):
    assert roamers
    assert sum(roamer.returns for roamer in roamers) > 20
    for roamer in roamers:
        numbers = [number for number, _ in roamer.got]
        of_channels = [number for number, where in roamer.got if where["on"]]
        assert len(numbers) == len({*numbers})
        assert {*of_channels} == published
        for channel in CHANNELS:
            of_one = [number for number, where in roamer.got if where["on"] == channel]
            assert of_one == sorted(of_one)
