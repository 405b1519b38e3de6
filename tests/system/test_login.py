"""The request of a socket is that of a browser that has logged in."""

import json

from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.programs import PATCHED, in_project, migrate

LOGIN = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
user = User.objects.create_user("reader")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""

EVENTS = """
from django_socketio.events import on_event
@on_event("who")
def who(request, socket, context):
    return [request.user.username, request.user.is_authenticated]
"""


def test_handlers_see_the_user_who_is_logged_in(run, loud, tmp_path):
    loud.write_text(EVENTS)
    settings = tmp_path / "loud_settings.py"
    settings.write_text(
        settings.read_text() + "SESSION_ENGINE = 'django.contrib.sessions.backends.db'\n"
    )
    environ = {**in_project(loud), "TEST_DATABASE": str(tmp_path / "db.sqlite3")}
    cookie = f"sessionid={migrate(environ, LOGIN)}"
    server = run("0", "--noreload", python=PATCHED, **environ)
    for client in (
        PollingClient(server.port, {"Cookie": cookie}),
        WebSocketClient(server.port, cookie=cookie),
    ):
        client.connect()
        assert client.ask("who") == [["reader", True]]
    stranger = WebSocketClient(server.port)
    stranger.connect()
    assert stranger.ask("who") == json.loads('[["", false]]')


DATABASE_EVENTS = """
from django.db import connection, connections
from django_socketio.events import on_event
@on_event("query")
def query(request, socket, context):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connection.connection is not None
@on_event("open")
def still_open(request, socket, context):
    return connection.connection is not None
"""


def test_no_database_connection_is_kept_between_events(run, loud, tmp_path):
    loud.write_text(DATABASE_EVENTS)
    environ = {**in_project(loud), "TEST_DATABASE": str(tmp_path / "db.sqlite3")}
    client = WebSocketClient(run("0", "--noreload", python=PATCHED, **environ).port)
    client.connect()
    for _ in range(2):
        assert client.ask("query") == [True]
        assert client.ask("open") == [False]
