"""Clients that come back after their worker was killed: nothing missed, nothing twice."""

import os
import signal

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import get


def push(server, channel, *texts):
    for text in texts:
        assert get(server.port, f"/push/?channel={channel}&text={text}")[0] == 200


def arrive(server, kind, channel, *options):
    """Connect and subscribe; return the client, its worker and what the answer says of the past."""
    client = kind(server.port)
    client.connect(auth={"_positions": True})
    (seen,) = client.ask("seen")
    accepted, past = client.ask("subscribe", channel, *options)
    assert accepted is True
    return client, seen["pid"], past


def test_nothing_is_missed_when_a_worker_is_killed(gunicorn, redis):
    server = gunicorn(workers=2, TEST_RELAY_URL=redis.url)
    left = {}
    for number in range(4):
        channel, kind = f"room-{number}", (WebSocketClient, PollingClient)[number % 2]
        client, pid, past = arrive(server, kind, channel)
        push(server, channel, "before")
        event, text, place = client.event()
        assert (event, text) == ("pushed", "before")
        left[channel] = (client, kind, pid, place["_at"][1])
    for pid in {pid for _, _, pid, _ in left.values()}:
        os.kill(pid, signal.SIGKILL)
    server.wait_for("was sent SIGKILL")
    for client, *_ in left.values():
        assert client.is_closed()
    for channel in left:
        push(server, channel, "away-1", "away-2")  # no process has a socket on it
    for channel, (_, kind, pid, position) in left.items():
        client, worker, past = arrive(server, kind, channel, {"since": position})
        assert worker != pid
        assert past["recovered"] is True
        assert past["messages"] == [["pushed", "away-1"], ["pushed", "away-2"]]
        push(server, channel, "after")
        assert client.event()[:2] == ["pushed", "after"]
        assert client.sync() == []
