"""Messages from processes of every kind, through Redis, to the sockets of real servers."""

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.kit.clients import WebSocketClient
from tests.kit.http import close_all
from tests.kit.programs import ENVIRON, MANAGE, PATCHED, ROOT, Program, Runserver, python
from tests.kit.tasks import ALONE, send_tasks
from tests.relay.conftest import PUSH, received

EVENTS = """
from django_socketio.events import on_message
@on_message
def say(request, socket, context, message): socket.send_and_broadcast_channel(message)
"""

SETTINGS = """
from tests.project.settings import *
INSTALLED_APPS = [*INSTALLED_APPS[:-1], "loud"]
DEBUG = True
ROOT_URLCONF = "tests.project.urls"
SOCKETIO_RELAY_URL = {url!r}
SOCKETIO_CLIENT_EVENTS = {{"^a$": ["typing"]}}
SOCKETIO_HISTORY = {{"^notes$": {{"size": 5, "seconds": 60}}}}
"""


@pytest.fixture(scope="module")
def site(redis, tmp_path_factory):
    """The environment of a site whose processes share a relay."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "loud").mkdir()
    (folder / "loud" / "__init__.py").touch()
    (folder / "loud" / "events.py").write_text(EVENTS)
    (folder / "loud_settings.py").write_text(SETTINGS.format(url=redis.url))
    return {
        "DJANGO_SETTINGS_MODULE": "loud_settings",
        "PYTHONPATH": f"{folder}:{ROOT}",
        "TEST_REDIS_SOCKET": redis.url.removeprefix("unix://"),
    }


@pytest.fixture(scope="module")
def servers(site):
    """Two processes of the site."""
    servers = [Runserver("0", "--noreload", python=PATCHED, **site) for _ in range(2)]
    yield servers
    for server in servers:
        server.end()


@pytest.fixture
def clients(servers):
    """A client on each of two servers, both on the channel "a"."""
    clients = [WebSocketClient(server.port) for server in servers]
    for client in clients:
        client.connect()
        assert client.subscribe("a") is True
    yield clients
    close_all()


def test_client_events_reach_the_members_in_other_processes_in_order(clients):
    here, there = clients
    for number in range(10):
        here.emit("channel", "a", "typing", number)
        here.emit("message", number)
    expected = [f'42["{name}",{n}]' for n in range(10) for name in ("typing", "message")]
    assert [there.receive() for _ in expected] == expected
    assert [here.receive() for _ in range(10)] == expected[1::2]
    assert here.ask("channel", "b", "typing") == [{"error": "the socket is not on the channel 'b'"}]


def test_servers_that_gevent_has_patched_share_their_channels(clients):
    for number in range(10):
        clients[number % 2].emit("message", number)
        assert received(clients) == [number, number]


def test_a_shell_pushes(site, clients):
    done = python(site, MANAGE, "shell", "--no-imports", "-c", PUSH.format("from a shell"))
    assert done.stdout.strip() == "2"
    assert received(clients) == ["from a shell"] * 2


def test_a_script_pushes(site, clients):
    python(site, "-c", "import django; django.setup(); " + PUSH.format("from a script"))
    assert received(clients) == ["from a script"] * 2


def test_a_script_that_did_not_set_django_up_is_told(site):
    done = python(site, "-c", PUSH.format("m"), check=False)
    assert "django.setup()" in done.stderr


def test_threads_of_a_wsgi_server_push(site, clients):
    code = (
        "import django; django.setup()\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from django.test import Client\n"
        "def get(n): return Client().get(f'/push/?channel=a&message={n}').content\n"
        "with ThreadPoolExecutor(8) as pool: assert set(pool.map(get, range(40))) == {b'2'}\n"
    )
    python({**site, "ALLOWED": ""}, "-c", code)
    seen = [[client.event()[1] for _ in range(40)] for client in clients]
    assert seen[0] == seen[1]
    assert sorted(seen[0], key=int) == [str(n) for n in range(40)]


NATIVE = """
import sys
from gevent import monkey; monkey.patch_all(thread=sys.argv[1] == "threads")
import django; django.setup()
import gevent
from gevent.threadpool import ThreadPool
from django_socketio import broadcast_channel

def push(number):
    return [broadcast_channel(20 * number + n, "a") for n in range(20)]

pool = ThreadPool(4)
spawns = [pool.spawn, gevent.spawn if sys.argv[1] == "threads" else pool.spawn]
jobs = [spawns[number % 2](push, number) for number in range(8)]  # more than there are connections
assert [job.get() for job in jobs] == [[2] * 20] * 8
"""


@pytest.mark.parametrize("patched", ["threads", "sockets"])
def test_native_threads_and_greenlets_of_a_patched_process_push(site, clients, patched):
    python(site, "-c", NATIVE, patched)
    for client in clients:
        assert sorted(client.event()[1] for _ in range(160)) == [*range(160)]


def test_an_operator_sends(site, clients):
    done = python(site, MANAGE, "socketio_send", "a", '{"text": "hi"}')
    assert "received by 2 server processes" in done.stdout
    assert received(clients) == [{"text": "hi"}] * 2


OPERATOR = """
import contextlib, io, json, sys
from django.core.management import execute_from_command_line
for line in sys.stdin:
    out, error, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            execute_from_command_line(["manage.py", "socketio_send", *json.loads(line)])
        except SystemExit as end:
            status = end.code
    print(json.dumps([status, out.getvalue(), error.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def send(site):
    """Run ``socketio_send`` in a process of many such commands: each start costs half a second.

    Returns the exit status, what was printed, and what was printed of errors.
    """
    with subprocess.Popen(
        [sys.executable, "-c", OPERATOR],
        env={**ENVIRON, **site},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as operator:

        def send(*arguments):
            operator.stdin.write(json.dumps(arguments) + "\n")
            operator.stdin.flush()
            return json.loads(operator.stdout.readline())

        yield send


@pytest.mark.parametrize("arguments", [["--all", '"hi"'], ["a", '"hi"', "--event", "news"]])
def test_an_operator_sends_to_all_and_other_events(send, clients, arguments):
    status, told, _ = send(*arguments)
    assert (status, "received by 2 server processes" in told) == (0, True)
    assert received(clients) == ["hi"] * 2


def test_an_operator_sends_to_one_socket(send, clients):
    assert "received by 1 server process." in send(f"--session={clients[0].id}", "1")[1]
    assert clients[0].event() == ["message", 1]


def test_an_operator_is_told_of_a_message_that_is_only_kept(send, servers):
    _, told, _ = send("notes", "1")
    assert told.strip() == "Kept; nobody is connected to receive it now."


def test_an_operator_is_told_that_nobody_is_there(send, servers):
    status, _, error = send("nowhere", '"hi"')
    assert status == 1
    assert "there is no socket on the channel 'nowhere'" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a", "hi"], """The message must be JSON such as '"text"' or '{"a": 1}', not 'hi': """),
        (["", '"hi"'], "1 to 200 characters"),
    ],
)
def test_an_operator_is_told_what_went_wrong(send, arguments, told):
    status, _, error = send(*arguments)
    assert (status, told in error) == (1, True), error
    assert "Traceback" not in error


@pytest.fixture
def celery(site):
    """A real Celery worker with forked processes."""
    command = [sys.executable, "-m", "celery", "-A", "tests.relay.celery_app", "worker"]
    options = ["--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO", *ALONE]
    worker = Program([*command, *options], **site)
    worker.quickly = signal.SIGTERM
    worker.wait_for(r"ready\.")
    yield
    worker.end()


def answer_all(clients):
    """Have each client answer a call with its number."""
    for number, client in enumerate(clients):
        id, question = re.fullmatch(r"42(\d+)(.*)", client.receive()).groups()
        assert question == '["who?"]'
        client.send(f"43{id}[{number}]")


def test_celery_tasks_push_and_ask(redis, clients, celery):
    send_tasks(redis, "tests.relay.celery_app.push", [(number, "a") for number in range(10)])
    seen = [[client.event()[1] for _ in range(10)] for client in clients]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == list(range(10))
    send_tasks(redis, "tests.relay.celery_app.ask", [("a",)])
    answer_all(clients)
    assert [client.event() for client in clients] == [["answers", [0, 1]]] * 2


ASK = """
import django, sys, threading
django.setup()
from django_socketio import call

def ask():
    print(sorted(answer.value for answer in call("who?", channel="a", wait="all")), flush=True)

ask()
thread = threading.Thread(target=ask)
thread.start()
thread.join()
print("with gevent" if "gevent" in sys.modules else "without gevent", flush=True)
"""


def test_a_script_and_its_threads_ask_without_an_event_loop(site, clients):
    script = Program([sys.executable, "-c", ASK], **site)
    for number in (1, 2):
        answer_all(clients)
        script.wait_for(r"\[0, 1\]", number)
    script.wait_for("without gevent")
    script.end()


def test_the_banner_names_the_relay(servers):
    servers[0].wait_for(r"Relay: Redis at /")
