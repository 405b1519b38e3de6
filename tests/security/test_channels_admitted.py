"""Which channels the settings admit, beside the handlers of on_subscribe."""

import logging

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from django_socketio.checks import check_settings
from django_socketio.events import on_event, on_subscribe, on_unsubscribe
from django_socketio.relay.topics import channel_topic
from django_socketio.security import permissions

DENIED = {"error": "Permission denied"}
HERE = "tests.security.test_channels_admitted."
not_callable = "text"


def allowed(request, channels):
    """Know the visitor by a cookie; raise for channels of staff."""
    if "staff" in channels:
        raise PermissionDenied("for staff")
    return [name for name in channels if name == request.COOKIES.get("room", "lobby")]


def returns_text(request, channels):
    return "room-1, room-2"


def fails(request, channels):
    raise RuntimeError("on purpose")


@pytest.fixture
def admitted(request):
    """The channels that handlers got to see."""
    seen = []

    @on_subscribe
    def note(request, socket, context, channel):
        seen.append(channel)

    return seen


def test_without_settings_handlers_decide(server, connect, admitted):
    assert connect(server).subscribe("anything") is True
    assert admitted == ["anything"]


def test_the_callback_admits_and_refuses(serve, connect, admitted, caplog):
    caplog.set_level(logging.INFO, "django_socketio")
    client = connect(serve(ALLOWED_CHANNELS=f"{HERE}allowed"))
    assert client.subscribe("lobby") is True
    assert client.subscribe("room-1") == DENIED
    assert client.subscribe("staff") == {"error": "for staff"}
    assert admitted == ["lobby"]
    assert "'room-1' refused: SOCKETIO_ALLOWED_CHANNELS leaves it out" in caplog.text


def test_a_refused_client_is_on_no_channel_and_says_no_goodbye(serve, connect):
    left = []

    @on_unsubscribe
    def note(request, socket, context, channel):
        left.append(channel)

    server = serve(ALLOWED_CHANNELS=f"{HERE}allowed")
    client = connect(server)
    assert client.subscribe("room-1") == DENIED
    client.ask("unsubscribe", "room-1")
    assert left == []
    assert server.socket_server.channels.members(channel_topic("/", "room-1")) == []


def test_handlers_still_refuse_what_the_callback_admits(serve, connect):
    @on_subscribe
    def refuse(request, socket, context, channel):
        raise PermissionDenied("full")

    client = connect(serve(ALLOWED_CHANNELS=f"{HERE}allowed"))
    assert client.subscribe("lobby") == {"error": "full"}


@pytest.mark.parametrize("name", ["returns_text", "fails"])
def test_a_callback_that_goes_wrong_admits_nobody(serve, connect, caplog, name):
    client = connect(serve(ALLOWED_CHANNELS=HERE + name))
    assert client.subscribe("room-1") == {"error": "Internal error"}
    if name == "returns_text":
        assert "SOCKETIO_ALLOWED_CHANNELS must return a list of channels" in caplog.text


def test_by_default_deny_only_what_a_pattern_names_is_admitted(serve, connect, admitted, caplog):
    @on_subscribe(channel="^public-")
    def public(request, socket, context, channel):
        if channel == "public-full":
            raise PermissionDenied("full")

    caplog.set_level(logging.INFO, "django_socketio")
    client = connect(serve(DEFAULT_DENY=True))
    assert client.subscribe("public-1") is True
    assert client.subscribe("public-full") == {"error": "full"}
    assert client.subscribe("room-1") == DENIED
    assert admitted == ["public-1", "public-full"]
    about_rooms = [r.getMessage() for r in caplog.records if "'room-1'" in r.getMessage()]
    assert len(about_rooms) == 1
    assert "SOCKETIO_DEFAULT_DENY is on" in about_rooms[0]
    assert "subscribe refused: full" in caplog.text
    assert not any(record.getMessage().endswith(": ") for record in caplog.records)
    assert caplog.text.count("subscribe refused") == 1


def test_a_refusal_without_a_text_is_logged_with_the_text_that_the_client_gets(
    server, connect, caplog
):
    @on_event("secret")
    def secret(request, socket, context):
        raise PermissionDenied

    caplog.set_level(logging.INFO, "django_socketio")
    assert connect(server).ask("secret") == [DENIED]
    assert any(text.endswith("secret refused: Permission denied") for text in caplog.messages)


def test_by_default_deny_the_callback_admits_and_nothing_else(serve, connect):
    """Two safeguards are never weaker than one of them."""

    @on_subscribe(channel="^(public-|staff|lobby|room)")
    def public(request, socket, context, channel):
        pass

    client = connect(serve(DEFAULT_DENY=True, ALLOWED_CHANNELS=f"{HERE}allowed"))
    assert client.subscribe("lobby") is True
    assert client.subscribe("public-1") == DENIED
    assert client.subscribe("room-1") == DENIED
    assert client.subscribe("staff") == {"error": "for staff"}


def test_the_server_itself_may_subscribe_a_socket_to_anything(serve, connect):
    from django_socketio.events import on_event

    @on_event("join")
    def join(request, socket, context):
        return socket.subscribe("room-1")

    assert connect(serve(DEFAULT_DENY=True)).ask("join") == [True]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("no.such.module", "No module named"),
        (f"{HERE}nothing", "does not define"),
        (f"{HERE}not_callable", "must be the dotted path of a function (request, channels), not "),
    ],
)
def test_a_path_that_leads_nowhere_is_reported(settings, path, told):
    with settings(SOCKETIO_ALLOWED_CHANNELS=path):
        (error,) = check_settings()
        assert error.id == "django_socketio.E002"
        assert told in error.msg
        with pytest.raises(ImproperlyConfigured, match="SOCKETIO_ALLOWED_CHANNELS"):
            permissions.callback()


@pytest.mark.parametrize("path", ["allowed", 7, "a..b", allowed])
def test_what_is_no_path_is_reported_once(settings, path):
    with settings(SOCKETIO_ALLOWED_CHANNELS=path):
        assert [error.id for error in check_settings()] == ["django_socketio.E001"]


@pytest.fixture
def settings():
    from django.test import override_settings

    return override_settings
