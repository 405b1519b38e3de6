"""No client fills the log: of each kind of entry, the first five are written, then a number."""

import logging
import math

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client as DjangoClient

from django_socketio.concurrency import client_log, log_limits
from django_socketio.concurrency.log_limits import Every
from django_socketio.events import on_event, on_subscribe
from django_socketio.logs import get_logger
from django_socketio.server import view
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.http import HANDSHAKE, exchange, get
from tests.kit.waiting import wait_until

TIMES = 20


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch, caplog):
    monkeypatch.setattr(log_limits, "INTERVAL", 3600.0)
    caplog.set_level(logging.INFO)


def end_interval(server):
    """Call the timers of the log, as if their time had come."""

    def ring():
        repeats = client_log._of_thread.repeats
        for _, _, timer in sorted(repeats._timers._heap):
            if getattr(timer.callback, "func", None) == repeats._end_interval:
                repeats._timers._call(timer, math.inf)

    server.call(ring)


def connected(server):
    client = WebSocketClient(server.port)
    client.connect()
    return client


def unknown_sessions(server):
    for number in range(TIMES):
        assert get(server.port, f"{HANDSHAKE}&sid={number}")[0] == 400


def foreign_origins(server):
    for number in range(TIMES):
        headers = {"Origin": f"https://{number}.example"}
        assert get(server.port, HANDSHAKE, headers=headers)[0] == 403


def foreign_hosts(server):
    client = PollingClient(server.port)
    client.connect()
    for number in range(TIMES):
        headers = {"Host": f"{number}.example"}
        assert exchange(server.port, "GET", client.path, headers=headers)[0] == 400


def broken_sessions(server):
    for number in range(TIMES):
        client = connected(server)
        client.send(f"4{number}nonsense")
        assert client.is_closed()


def refused_events(server):
    @on_event("ask")
    def ask(request, socket, context, number):
        raise PermissionDenied(f"no {number}")

    client = connected(server)
    for number in range(TIMES):
        assert "error" in client.ask("ask", number, id=number)[0]


def refused_channels(server):
    @on_subscribe
    def refuse(request, socket, context, channel):
        raise PermissionDenied

    client = connected(server)
    for number in range(TIMES):
        client.ask("subscribe", f"room-{number}", id=number)


def refused_packets(server):
    client = connected(server)
    for number in range(TIMES):
        assert "error" in client.ask("subscribe", id=number)[0]


def abandoned_upgrades(server):
    for _ in range(TIMES):
        polling = PollingClient(server.port)
        polling.connect()
        upgrade = WebSocketClient(server.port, sid=polling.sid)
        upgrade.send("4nonsense")
        assert upgrade.is_closed()


CAUSES = {
    unknown_sessions: "Refused GET",
    foreign_origins: "Origin",
    foreign_hosts: "Invalid HTTP_HOST",
    broken_sessions: " closed: ",
    refused_events: "ask refused",
    refused_channels: "subscribe refused",
    refused_packets: " refused: ",
    abandoned_upgrades: "stays on its transport",
}


def test_where_no_server_runs_each_entry_is_written(caplog):
    log = client_log.ClientLog(get_logger("django_socketio.sockets"))
    for number in range(TIMES):
        log.info("refused %s", number)
    assert caplog.messages == [f"refused {number}" for number in range(TIMES)]


def test_a_server_that_cannot_hold_sockets_says_so_once_in_ten_seconds(caplog, monkeypatch):
    monkeypatch.setattr(view, "_complaints", Every(log_limits.INTERVAL))
    for _ in range(TIMES):
        assert DjangoClient().get(HANDSHAKE).status_code == 501
    assert caplog.text.count("This server cannot hold sockets") == 1


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_what_a_client_repeats_is_written_a_few_times_and_counted(server, caplog, cause):
    def lines():
        own = [record.getMessage() for record in caplog.records if record.name.startswith("django")]
        return [line for line in own if CAUSES[cause] in line and "more like this" not in line]

    cause(server)
    wait_until(lambda: len(lines()) >= log_limits.WRITTEN)
    end_interval(server)
    more = f"{TIMES - log_limits.WRITTEN} more like this within 3600 s: "
    wait_until(lambda: more in caplog.text)
    assert len(lines()) == log_limits.WRITTEN
    assert CAUSES[cause] in caplog.text.partition(more)[2].partition("\n")[0]
