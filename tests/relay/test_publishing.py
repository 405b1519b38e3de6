"""Many publishers in one process: they share round trips, and wait for nothing but Redis."""

import json
import socket
import subprocess
import sys
from collections import Counter

from tests.kit.clients import WebSocketClient
from tests.kit.servers import Gunicorn

LEAVING = 300


def crowd(url, scene, timeout):
    """Run a scene of tests/relay/crowds.py; return what publishers were told and what arrived."""
    patched = [sys.executable, "-m", "gevent.monkey", "--module"]
    command = [*patched, "tests.relay.crowds", url, scene, str(timeout)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    told, arrived = json.loads(done.stdout)
    assert len(told) > 200
    return dict(told), arrived


def check(told, arrived):
    """Check that what was accepted has arrived once, and what was refused has not."""
    accepted = {number for number, answer in told.items() if answer == 1}
    refused = {number for number, answer in told.items() if isinstance(answer, str)}
    assert Counter(arrived).most_common(1)[0][1] == 1
    assert accepted <= {*arrived}
    assert not (refused - interrupted(told)) & {*arrived}


def interrupted(told):
    return {number for number, answer in told.items() if answer == "interrupted"}


def test_a_loop_that_was_blocked_is_no_fault_of_redis(redis_server):
    told, arrived = crowd(redis_server.url, "blocked", 1)
    assert Counter(told.values()) == {1: len(told)}
    check(told, arrived)


def test_a_publisher_that_is_interrupted_harms_no_other(redis_server):
    told, arrived = crowd(redis_server.url, "interrupted", 2)
    assert {*told.values()} == {1, "interrupted"}, Counter(told.values())
    assert 0 < len(interrupted(told)) <= 30
    check(told, arrived)


def test_connections_that_are_killed_lose_nothing_and_double_nothing(redis_server):
    told, arrived = crowd(redis_server.url, "killed", 2)
    check(told, arrived)


def test_sockets_that_leave_at_once_all_say_goodbye(redis_server):
    environ = {"TEST_RELAY_URL": redis_server.url}
    site = Gunicorn(workers=1, DJANGO_SETTINGS_MODULE="tests.relay.site.settings", **environ)
    try:
        clients = [WebSocketClient(site.port) for _ in range(LEAVING + 1)]
        for client in clients:
            client.connect("/leaving")
        for client in clients[1:]:
            client.ws.sock.shutdown(socket.SHUT_RDWR)
        goodbyes = [clients[0].receive() for _ in range(LEAVING)]
        assert {*goodbyes} == {'42/leaving,["message","goodbye"]'}
        site.wait_for("GOODBYE ", LEAVING)
        assert site.output.count("GOODBYE 1") == LEAVING
    finally:
        site.end()
