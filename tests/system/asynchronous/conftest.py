"""Servers of a site with asyncio code: ours, and gunicorn's own gevent worker."""

import http.client
import json
import threading
from urllib.parse import quote

import pytest

from tests.kit.clients import WebSocketClient
from tests.kit.http import close_all
from tests.kit.programs import PATCHED, Runserver, migrate, started
from tests.kit.servers import Gunicorn

SETTINGS = "tests.system.asynchronous.settings"
KINDS = ["runserver_socketio", "our worker", "gunicorn's gevent worker", "asynchronous middleware"]


class OtherGunicorn(Gunicorn):
    """gunicorn with its own gevent worker: Django without sockets."""

    worker_class = "gevent"
    ready = "Booting worker with pid"


def start_program(kind, **environ):
    if kind == "our worker":
        options = ["--worker-connections", "4000", "--graceful-timeout", "4"]
        return Gunicorn(*options, **environ)
    if kind == "gunicorn's gevent worker":
        return OtherGunicorn(**environ)
    if kind == "asynchronous middleware":
        environ["TEST_ASYNC_MIDDLEWARE"] = "1"
    return Runserver("127.0.0.1:0", "--noreload", python=PATCHED, **environ)


@pytest.fixture(scope="package")
def environ(tmp_path_factory):
    """The environment of a site whose database has one user."""
    database = tmp_path_factory.mktemp("database") / "db.sqlite3"
    environ = {"DJANGO_SETTINGS_MODULE": SETTINGS, "TEST_DATABASE": str(database)}
    migrate(environ, CREATE)
    return environ


CREATE = "from django.contrib.auth.models import User; User.objects.create(username='room')"


@pytest.fixture(scope="package")
def _servers(environ):
    yield from started(lambda kind: start_program(kind, **environ))


@pytest.fixture
def server(_servers, request):
    """Take a server that others have used before; no loop runs in it."""
    kind = getattr(request, "param", "our worker")
    yield Site(_servers(kind), kind)
    close_all()


@pytest.fixture
def start(environ):
    """Start a server of one's own: ``start("our worker")``."""
    started = []

    def one(kind):
        started.append(start_program(kind, **environ))
        return Site(started[-1], kind)

    yield one
    close_all()
    for program in started:
        program.end()


class Site:
    """What a browser and a Socket.IO client do with a server."""

    def __init__(self, program, kind):
        self.program, self.port, self.kind = program, program.port, kind

    def get(self, path):
        """Return the body of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", quote(path, safe="/?=&"))
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        assert answer.status == 200, (path, answer.status, body, self.program.output)
        return body

    def json(self, path):
        return json.loads(self.get(path))

    def join(self, namespace="/"):
        client = WebSocketClient(self.port)
        client.connect(namespace)
        return client

    def hold(self, path):
        """Ask for a page whose loop runs until ``release``; return once it does."""
        before = self.program.output.count("holding")
        held = Held(self, path)
        self.program.wait_for("holding", before + 1)
        return held

    def release(self):
        return self.json("/release/")["released"]


class Held:
    """A request that is not answered yet."""

    def __init__(self, site, path):
        self._answer = None
        self._thread = threading.Thread(target=self._get, args=(site, path), daemon=True)
        self._thread.start()

    def _get(self, site, path):
        self._answer = site.get(path)

    def answer(self):
        self._thread.join(20)
        return self._answer
