"""Test cases of a project whose database is PostgreSQL, by Django's runner."""

import subprocess
import sys

from tests.kit.programs import ROOT

SETTINGS = """
from tests.project.settings import *
SESSION_ENGINE = "django.contrib.sessions.backends.db"
INSTALLED_APPS = [*INSTALLED_APPS[:-1], "shop"]
ROOT_URLCONF = "django_socketio.urls"
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": "sites", "USER": "postgres", "HOST": {host!r}
}}}}
"""

TESTS = """
from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django_socketio.events import on_event
from django_socketio.testing import LiveSocketServerTestCase, SocketClient
from tests.kit.clients import WebSocketClient

@on_event("users")
def users(request, socket, context):
    User.objects.create_user("of a handler")
    return [User.objects.count(), connection.connection.info.backend_pid]

def own_pid():
    connection.ensure_connection()
    return connection.connection.info.backend_pid

class InTransactions(TestCase):
    def test_handlers_use_the_connection_of_the_test(self):
        User.objects.create_user("ann")
        self.assertEqual(SocketClient().connect().emit("users"), [2, own_pid()])

    def test_all_was_rolled_back(self):
        self.assertEqual(User.objects.count(), 0)

class OnAServer(LiveSocketServerTestCase):
    def test_handlers_see_what_was_committed(self):
        User.objects.create_user("ann")
        client = WebSocketClient(self.server_thread.port)
        client.connect()
        count, pid = client.ask("users")[0]
        client.abandon()
        self.assertEqual(count, 2)
        self.assertNotEqual(pid, own_pid())
        self.assertEqual(User.objects.count(), 2)
"""


def test_test_cases_and_live_servers_use_a_real_database(postgresql, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "tests.py").write_text(TESTS)
    (tmp_path / "site_settings.py").write_text(SETTINGS.format(host=postgresql.folder))
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "site_settings"}
    command = [sys.executable, "-W", "error", "-m", "django", "test", "--noinput", "shop"]
    run = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    # Django drops the database in the end, which fails if the server has left a connection open.
    assert run.returncode == 0, run.stderr
    assert "Ran 3 tests" in run.stderr
