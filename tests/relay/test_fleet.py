"""Three server processes, their sockets, publishers of all kinds, and connections that break."""

import json
import signal
import sys
import threading
import time

import pytest

from tests.kit.http import get
from tests.kit.node import Node
from tests.kit.programs import Program
from tests.kit.redis_server import RedisServer
from tests.kit.servers import Gunicorn
from tests.kit.tasks import ALONE, send_tasks
from tests.kit.waiting import wait_until
from tests.relay.site.publishing import was_accepted

SOCKETS, EACH = 18, 100
PAUSE = 0.025
"""Seconds between two messages of a publisher: connections are to be killed among them."""

SCRIPT = f"""
import django; django.setup()
import sys, time
from tests.relay.site.publishing import publish_and_say
for number in range({EACH}):
    publish_and_say("a", f"script-{{number}}")
    time.sleep({PAUSE})
"""

THREADS = f"""
import django; django.setup()
import time
from concurrent.futures import ThreadPoolExecutor
from tests.relay.site.publishing import publish_and_say
def publish(number):
    publish_and_say("a", f"thread-{{number}}")
    time.sleep({PAUSE} * 4)
with ThreadPoolExecutor(4) as pool: list(pool.map(publish, range({EACH})))
"""


@pytest.fixture
def broker(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("broker")) as server:
        yield server


@pytest.fixture
def start(redis_server, broker):
    """Start a program of the site."""
    started = []

    def start(program, *arguments, quickly=signal.SIGTERM, **options):
        environ = {
            "DJANGO_SETTINGS_MODULE": "tests.relay.site.settings",
            "TEST_RELAY_URL": redis_server.url,
            "TEST_BROKER_SOCKET": broker.url.removeprefix("unix://"),
        }
        started.append(program(*arguments, **options, **environ))
        started[-1].quickly = quickly
        return started[-1]

    yield start
    for one in started:
        one.signal(one.quickly)
    for one in started:
        one.end()


@pytest.fixture
def node():
    node = Node()
    yield node
    node.stop()


@pytest.fixture
def servers(start):
    return [start(Gunicorn, quickly=signal.SIGQUIT) for _ in range(3)]


@pytest.fixture
def sockets(servers, node):
    """Sockets on the channel "a", spread over servers and both transports."""
    transports = ["websocket", "polling"]
    sockets = [
        node.socket(servers[number % 3], transports[number % 2]) for number in range(SOCKETS)
    ]
    for socket in sockets:
        socket.wait_connected()
        socket.do("ask", event=["subscribe", "a"])
    for socket in sockets:
        assert socket.next("answer")["args"] == [True]
        socket.do("keep", until="last")
    return sockets


class View(threading.Thread):
    """Has a server process publish, in a view."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server = server
        self.told = []
        self.start()

    def run(self):
        for number in range(EACH):
            status, told = get(self._server.port, f"/push/a/view-{number}/")
            assert status == 200
            self.told.append(told)
            time.sleep(PAUSE)


class Tasks(threading.Thread):
    """Has a Celery worker publish."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self._broker = broker
        self.start()

    def run(self):
        send_tasks(self._broker, "tests.relay.site.tasks.push", self._calls())

    def _calls(self):
        for number in range(EACH):
            yield "a", f"celery-{number}"
            time.sleep(PAUSE)


@pytest.fixture
def celery(start):
    arguments = ["-A", "tests.relay.site.tasks", "worker", "--concurrency", "2", *ALONE]
    return start(Program, [sys.executable, "-m", "celery", *arguments, "--loglevel", "INFO"])


def test_every_socket_gets_every_accepted_message_in_one_order(
    redis_server, broker, celery, servers, sockets, start
):
    celery.wait_for(r"ready\.")
    programs = [start(Program, [sys.executable, "-c", code]) for code in (SCRIPT, THREADS)]
    view = View(servers[0])
    kills = kill_connections_until(redis_server, [*programs, view, Tasks(broker)])
    celery.wait_for("told: ", EACH)
    told = view.told + [one for program in (*programs, celery) for one in told_by(program)]
    assert len({one["content"] for one in told}) == 4 * EACH
    accepted = [one["content"] for one in told if was_accepted(one)]
    wait_until(lambda: was_accepted(get(servers[1].port, "/push/a/last/")[1]))
    seen = [[args[0] for _, *args in socket.next("kept", 20)["events"]] for socket in sockets]
    assert kills >= 5
    assert len(accepted) > 2 * EACH  # most messages have fallen between two kills
    assert all(messages == seen[0] for messages in seen)
    assert len(seen[0]) == len(set(seen[0]))
    assert set(accepted) <= set(seen[0])
    # Whose connection broke before Redis's answer came cannot know that it was taken.
    assert all(told_broken(one) for one in told if one["content"] in set(seen[0]) - set(accepted))


def told_by(program):
    return [json.loads(line[6:]) for line in program.output.splitlines() if line[:6] == "told: "]


def told_broken(one):
    return one["told"].startswith("RelayError: ") and "onnection" in one["told"]


def kill_connections_until(redis_server, publishers):
    """Kill all connections of Redis again and again, until the publishers are done."""
    kills = 0
    while any(is_running(publisher) for publisher in publishers):
        redis_server.kill_connections()
        kills += 1
        time.sleep(0.4)
    return kills


def is_running(publisher):
    if isinstance(publisher, Program):
        return publisher.process.poll() is None
    return publisher.is_alive()
