"""The end of a test: nothing of it is there in the next one."""

import os
import subprocess
import sys
import threading
import unittest
from importlib import import_module
from unittest.mock import Mock

import pytest
from django.test import SimpleTestCase, TestCase, override_settings

from django_socketio import emit, events, history, page_position
from django_socketio.channels import current
from django_socketio.events import on_disconnect, on_event, on_message
from django_socketio.relay.topics import channel_topic
from django_socketio.testing import SocketClient, outbox, running
from django_socketio.testing.server import InlineServer
from tests.kit.programs import ROOT

MIDDLEWARE = override_settings(
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)


def ran(*methods, base=SimpleTestCase, **members):
    """Run methods as the tests of one test case, in their order; return the result."""
    members |= {f"test_{number}": MIDDLEWARE(method) for number, method in enumerate(methods)}
    case = type("Case", (base,), members)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def leave_much(self):
    on_message(lambda request, socket, context, message: socket.broadcast(message))
    on_event("once")(lambda request, socket, context: 1)
    client = SocketClient().connect()
    client.subscribe("room-1")
    client.send("hello")
    SocketClient().connect()
    assert len(outbox) == 1


def find_nothing(self):
    assert events.all_handlers() == []
    assert outbox == []
    assert current.current() is None


def test_the_next_test_finds_no_handler_no_socket_and_no_message():
    kept = []
    result = ran(leave_much, find_nothing, lambda self: kept.append(SocketClient().connect()))
    assert (result.testsRun, result.errors, result.failures) == (3, [], [])
    assert kept[0].disconnect_reason == "server shutting down"


def test_handlers_that_a_test_has_not_registered_stay():
    on_message(lambda request, socket, context, message: message)
    before = events.all_handlers()
    ran(leave_much)
    assert events.all_handlers() == before


def setUpClass(cls):
    super(cls, cls).setUpClass()
    on_message(repr)


def setUpTestData(cls):
    on_message(repr)


@pytest.mark.parametrize(
    ("base", "set_up"), [(SimpleTestCase, setUpClass), (TestCase, setUpTestData)]
)
def test_handlers_that_a_class_registers_end_with_the_class(base, set_up):
    def find_one(self):
        assert events.all_handlers() == [repr]

    with running.suspended():
        result = ran(find_one, find_one, base=base, **{set_up.__name__: classmethod(set_up)})
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])
    assert events.all_handlers() == []


def test_handlers_of_a_module_that_a_test_imports_stay(tmp_path, monkeypatch):
    source = "from django_socketio.events import on_message\non_message(print)\n"
    (tmp_path / "imported_late.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    def import_it(self):
        import_module("imported_late")
        on_message(repr)

    result = ran(import_it)
    assert result.errors == []
    assert events.all_handlers() == [print]


def test_a_client_outside_of_a_test_says_where_it_belongs():
    before = current.current()

    class Early(SimpleTestCase):
        @classmethod
        def setUpClass(cls):
            SocketClient().connect()

        def test(self):
            pass

    result = unittest.TestResult()
    with running.suspended():  # this function is a test of its own
        unittest.defaultTestLoader.loadTestsFromTestCase(Early).run(result)
    assert "not in setUpClass" in result.errors[0][1]
    assert current.current() is before


def test_messages_from_before_the_tests_of_a_class_are_in_no_outbox():
    def emit_early(cls):
        super(cls, cls).setUpClass()
        emit("early")

    def emit_late(self):
        find_nothing(self)
        emit("late")
        assert [message.event for message in outbox] == ["late"]

    with running.suspended():
        result = ran(emit_late, emit_late, setUpClass=classmethod(emit_early))
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


def test_messages_from_before_the_tests_of_a_class_are_in_no_history():
    def emit_early(cls):
        super(cls, cls).setUpClass()
        assert not emit("early", channel="a", keep=60).is_kept

    def find_none(self):
        assert history("a") == []

    with running.suspended():
        result = ran(find_none, find_none, setUpClass=classmethod(emit_early))
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


def test_the_position_of_a_page_counts_within_a_test():
    def render_early(cls):
        super(cls, cls).setUpClass()
        page_position("a")

    def render(self):
        page_position("b")

    def find_none(self):
        assert not any(emit("saved", channel=name).is_kept for name in ("a", "b"))

    with running.suspended():
        result = ran(render, find_none, setUpClass=classmethod(render_early))
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


def test_messages_of_threads_are_in_the_outbox_of_their_test():
    def emit_in_thread(self):
        find_nothing(self)
        thread = threading.Thread(target=emit, args=("pushed",))
        thread.start()
        thread.join()
        assert len(outbox) == 1

    with running.suspended():
        result = ran(emit_in_thread, emit_in_thread)
    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


@pytest.mark.parametrize("is_registered_first", [True, False])
def test_last_handlers_run_at_the_end_of_the_test_and_their_errors_are_its_own(is_registered_first):
    ends = []

    def gone(request, socket, context):
        ends.append(emit("gone").received)
        raise ValueError("on purpose")

    def fail_at_the_end(self):
        if is_registered_first:
            on_disconnect(gone)
        SocketClient().connect()
        SocketClient().connect()
        if not is_registered_first:
            on_disconnect(gone)

    result = ran(fail_at_the_end, find_nothing)
    assert ends == [1, 0]
    assert "ValueError: on purpose" in result.errors[0][1]
    assert len(result.errors) == 1 and result.failures == []


def test_a_test_that_has_failed_leaves_nothing_either():
    def fail(self):
        leave_much(self)
        self.fail("on purpose")

    result = ran(fail, find_nothing)
    assert len(result.failures) == 1 and result.errors == []


def test_what_is_left_in_a_channel_is_an_error_of_the_test():
    def subscribe_by_hand(self):
        channels = InlineServer.of_test().sockets.channels
        channels.add(channel_topic("/", "room-1"), Mock(keeps_positions=False))

    result = ran(subscribe_by_hand, find_nothing)
    assert "The test has left" in result.failures[0][1]
    assert (len(result.failures), result.errors) == (1, [])


FUNCTIONS = """
import pytest
from django_socketio import emit, events
from django_socketio.channels import current
from django_socketio.events import on_disconnect, on_message
from django_socketio.testing import assert_emitted

on_message(namespace="/of-the-module")(print)

@pytest.fixture(scope="module", autouse=True)
def of_the_module():
    on_message(namespace="/of-a-fixture")(print)

@pytest.fixture(autouse=True)
def database():
    state = {"open": True}
    yield state
    state["open"] = False

@pytest.fixture
def of_a_test():
    on_message(namespace="/of-a-test")(print)
    yield
    assert "/of-a-test" in [one.namespace for one in events.on_message.handlers]

def test_0(of_a_test):
    on_message(print)

def test_1(socket_client, socket_outbox, database):
    on_message(lambda request, socket, context, message: message)
    on_disconnect(lambda request, socket, context: print("gone", database["open"]))
    client = socket_client(auth={"token": "t"})
    assert client.socket.auth == {"token": "t"}
    assert client.send("hello") == "hello"
    emit("saved", 1)
    client.assert_received("saved", 1)
    assert socket_outbox == [assert_emitted("saved", 1)]
    assert not socket_client(connect=False).connected

def test_2(of_a_test):
    pass

def test_3(socket_outbox):
    left = [one.namespace for one in events.on_message.handlers]
    assert left == ["/of-the-module", "/of-a-fixture"]
    assert socket_outbox == [] and current.current() is None
"""

SITE = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_socketio"],
    ROOT_URLCONF="django_socketio.urls",
    SECRET_KEY="x",
    STATIC_URL="static/",
)
django.setup()
from django.test.utils import setup_test_environment
setup_test_environment()
"""

RUNNER = f"""
import sys
import pytest
from django_socketio.testing import plugin
assert not {{"django", "gevent", "asgiref"}} & set(sys.modules)
{SITE}
sys.exit(pytest.main([sys.argv[1], "-q", "-s", "-p", "no:cacheprovider"], plugins=[plugin]))
"""


def run_program(source, *arguments):
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # it may be installed
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


def test_the_plugin_for_pytest_has_fixtures_and_ends_each_test(tmp_path):
    (tmp_path / "test_functions.py").write_text(FUNCTIONS)
    run = run_program(RUNNER, str(tmp_path / "test_functions.py"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "gone True" in run.stdout, "the fixtures of the test were gone already"
    assert "4 passed" in run.stdout


LIVE_TESTS = f"""
import unittest
{SITE}
from django_socketio import events
from django_socketio.testing import LiveSocketServerTestCase

class LiveTests(LiveSocketServerTestCase):
    databases = set()

    def register(self):
        assert events.all_handlers() == []
        events.on_message(print)

    test_1 = test_2 = register

unittest.main()
"""


def test_handlers_are_removed_where_all_tests_have_a_live_server():
    run = run_program(LIVE_TESTS)
    assert run.returncode == 0, run.stderr
    assert "Ran 2 tests" in run.stderr
