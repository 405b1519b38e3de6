"""What is active while a handler runs: its request's language and time zone, the site's set-up."""

from contextlib import contextmanager

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext, gettext_lazy

from django_socketio.checks import check_settings
from django_socketio.events import on_connect, on_disconnect, on_error, on_event, on_subscribe
from django_socketio.server import handler_contexts, locales
from tests.kit.clients import PollingClient, WebSocketClient
from tests.kit.documented import blocks, text_of
from tests.kit.http import get
from tests.kit.waiting import wait_until

HERE = "tests.server.test_handler_contexts."
GERMAN = {"Accept-Language": "de", "X-Zone": "Europe/Berlin"}


def zones(get_response):
    """Activate the visitor's time zone, as Django's documentation recommends."""

    def middleware(request):
        zone = request.META.get("HTTP_X_ZONE")
        timezone.activate(zone) if zone else timezone.deactivate()
        return get_response(request)

    return middleware


LOCAL = {
    "MIDDLEWARE": [
        *settings.MIDDLEWARE,
        "django.middleware.locale.LocaleMiddleware",
        f"{HERE}zones",
    ]
}


def active():
    return [gettext("January"), str(timezone.get_current_timezone())]


def joined(server, headers):
    client = PollingClient(server.port, headers)
    client.connect()
    return client


def allowed(request, channels):
    raise PermissionDenied(gettext_lazy("January"))


def test_handlers_run_with_the_language_and_the_time_zone_of_their_request(serve):
    seen = []

    @on_event("active")
    def tell(request, socket, context):
        found = active()
        translation.activate("fr")  # ends with the handler
        return found

    @on_event("lazy")
    def lazy(request, socket, context):
        return gettext_lazy("January")

    @on_event("refused")
    def refused(request, socket, context):
        raise PermissionDenied(gettext_lazy("January"))

    @on_event("question")
    def ask(request, socket, context):
        socket.emit("question", callback=lambda: seen.append(["answered", *active()]))

    @on_disconnect
    def gone(request, socket, context):
        seen.append(["gone", *active()])

    server = serve(django=LOCAL, ALLOWED_CHANNELS=f"{HERE}allowed")
    german, english = joined(server, GERMAN), joined(server, {})
    for client, month, zone in (
        (german, "Januar", "Europe/Berlin"),
        (english, "January", settings.TIME_ZONE),
    ):
        assert client.ask("active") == client.ask("active") == [[month, zone]]
        assert client.ask("lazy") == [month]
        assert client.ask("refused") == [{"error": month}]
        assert client.subscribe("room") == {"error": month}
        client.emit("question")
        assert client.sync() == ['420["question"]']
        client.send("430[]")
        client.close()
        wait_until(lambda: len(seen) == 2)
        assert seen == [["answered", month, zone], ["gone", month, zone]]
        seen.clear()


def test_without_another_language_and_time_zone_no_layer_is_added(serve, monkeypatch):
    monkeypatch.setattr(locales, "_known", {})

    @on_event("active")
    def tell(request, socket, context):
        return active()

    server = serve()
    assert joined(server, GERMAN).ask("active") == [["January", settings.TIME_ZONE]]
    call = object()
    assert locales.layer(call, None) is call
    assert handler_contexts.from_settings().around(call) is call


def test_a_language_that_comes_first_after_others_is_active_in_the_handlers_that_ran(
    serve, monkeypatch
):
    monkeypatch.setattr(locales, "_known", {})

    @on_event("active")
    def tell(request, socket, context):
        return active()

    server = serve(django=LOCAL)
    english = joined(server, {})
    assert english.ask("active") == [["January", settings.TIME_ZONE]]
    assert joined(server, GERMAN).ask("active") == [["Januar", "Europe/Berlin"]]
    assert english.ask("active") == [["January", settings.TIME_ZONE]]


# SOCKETIO_HANDLER_CONTEXT

entered = []


@contextmanager
def outer(request):
    entered.append(f"outer {request.path}")
    try:
        yield
    except Exception as error:
        entered.append(type(error).__name__)
        raise
    finally:
        entered.append("left")


@contextmanager
def inner(request):
    entered.append("inner")
    yield


def fails(request):
    raise RuntimeError("no tenant")


not_callable = "text"


def channels_of_a_tenant(request, channels):
    entered.append("allowed")
    return channels


@pytest.fixture(autouse=True)
def _nothing_entered():
    entered.clear()


def test_each_handler_runs_in_the_context_managers_of_the_settings(serve):
    @on_connect
    def let_in(request, socket, context):
        entered.append("on_connect")

    @on_subscribe
    def admit(request, socket, context, channel):
        entered.append("on_subscribe")

    @on_event("ask")
    def ask(request, socket, context):
        socket.emit("question", callback=entered.append)

    @on_event("refused")
    def refused(request, socket, context):
        raise PermissionDenied

    server = serve(
        HANDLER_CONTEXT=[f"{HERE}outer", f"{HERE}inner"],
        ALLOWED_CHANNELS=f"{HERE}channels_of_a_tenant",
    )
    client = WebSocketClient(server.port)
    client.connect()
    around = ["outer /socket.io/", "inner"]
    assert entered == [*around, "on_connect", "left"]
    entered.clear()
    assert client.subscribe("room") is True
    assert entered == [*around, "allowed", "left", *around, "on_subscribe", "left"]
    entered.clear()
    assert client.ask("refused") == [{"error": "Permission denied"}]
    assert entered == [*around, "PermissionDenied", "left"]
    client.emit("ask")
    client.sync()
    entered.clear()
    client.send('430["answer"]')
    wait_until(lambda: len(entered) == 4)
    assert entered == [*around, "answer", "left"]


def test_a_context_manager_that_fails_is_an_error_of_the_handler(serve):
    seen = []

    @on_event("ask")
    def ask(request, socket, context):
        seen.append("called")

    client = WebSocketClient(serve(HANDLER_CONTEXT=[f"{HERE}fails"]).port)
    client.connect()
    assert client.ask("ask") == [{"error": "Internal error"}]
    assert seen == []


@pytest.mark.parametrize(
    ("value", "identifier", "told"),
    [
        ([f"{HERE}nothing"], "E002", "does not define"),
        ([f"{HERE}not_callable"], "E002", "which is 'text'"),
        (f"{HERE}outer", "E001", "must be a list of dotted paths"),
        ([f"{HERE}outer", 7], "E001", "7 is not a dotted path"),
    ],
)
def test_what_cannot_be_used_is_reported(serve, value, identifier, told):
    with pytest.raises(ImproperlyConfigured, match="SOCKETIO_HANDLER_CONTEXT"):
        serve(HANDLER_CONTEXT=value)
    (error,) = check_settings()
    assert error.id == f"django_socketio.{identifier}"
    assert told in error.msg


# The recipes of the documentation


def recipe(heading, page="handlers"):
    """Return what the code below a heading defines."""
    found = {}
    exec(blocks("python", text_of(page).partition(f"\n{heading}\n")[2])[0], found)
    return found


transaction_of_handler = recipe("A transaction")["transaction_of_handler"]
timing = recipe("A trace")["timing"]
sentry = recipe("Logs and error trackers", "monitoring")
note_user = sentry["note_user"]


@pytest.fixture
def database(monkeypatch, tmp_path):
    """A database in a file: Django does not close those in memory."""
    monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "db.sqlite3"))


def committing(seen):
    @on_event("write")
    def write(request, socket, context, *args):
        transaction.on_commit(lambda: seen.append(args))
        if args == ("fail",):
            raise PermissionDenied
        return connection.in_atomic_block

    @on_error
    def note(request, socket, context, error):
        seen.append(error)


@pytest.mark.usefixtures("database")
def test_the_recipe_of_a_transaction_commits_or_rolls_back(serve, caplog):
    committing(seen := [])
    caplog.set_level("INFO", "mysite.handlers")
    paths = [f"{HERE}transaction_of_handler", f"{HERE}timing"]
    client = WebSocketClient(serve(HANDLER_CONTEXT=paths).port)
    client.connect()
    assert client.ask("write", "fail") == [{"error": "Permission denied"}]
    assert seen == []
    assert client.ask("write", "once") == [True]
    assert seen == [("once",)]
    assert len([text for text in caplog.messages if "seconds for 127.0.0.1" in text]) == 2


class WithoutDatabase:
    @property
    def pk(self):
        raise OperationalError("the database is away")


@pytest.mark.parametrize(
    ("user", "noted"), [(User(pk=7), {"user": {"id": 7}}), (WithoutDatabase(), {})]
)
def test_the_recipe_for_sentry_adds_the_user_to_what_is_logged(serve, caplog, user, noted):
    @on_event("fail")
    def fail(request, socket, context):
        request.user = user
        raise ValueError("on purpose")

    client = WebSocketClient(serve(HANDLER_CONTEXT=[f"{HERE}note_user"]).port)
    client.connect()
    assert client.ask("fail") == [{"error": "Internal error"}]
    (record,) = [record for record in caplog.records if record.exc_info]
    assert isinstance(record.exc_info[1], ValueError)
    assert sentry["with_user"]({}, {"exc_info": record.exc_info}) == noted


def test_the_recipe_for_sentry_leaves_other_records_as_they_are():
    assert sentry["with_user"]({}, {}) == {}


@pytest.mark.usefixtures("database")
def test_atomic_requests_add_no_transaction_to_handshakes_and_events(serve, monkeypatch):
    begun = []
    enter = transaction.Atomic.__enter__
    monkeypatch.setattr(
        transaction.Atomic, "__enter__", lambda atomic: begun.append(atomic) or enter(atomic)
    )
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    server = serve()
    assert get(server.port, "/fields/")[0] == 200
    assert len(begun) == 1

    @on_event("plain")
    def plain(request, socket, context):
        return connection.in_atomic_block

    client = WebSocketClient(server.port)
    client.connect()
    assert client.ask("plain") == [False]
    assert len(begun) == 1
