"""Handlers that answer as views do: decorators of views, and responses of their own."""

import re

import pytest
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.http import HttpResponseForbidden
from django.views.decorators.http import require_POST

from django_socketio.events import on_connect, on_event, on_subscribe
from django_socketio.testing import Refused, SocketClient

ADVICE = r"returned a (HttpResponse\w+), .* raise PermissionDenied"


def forbidding(function):
    """Return a handler that answers with a page, without a decorator."""
    return lambda request, socket, context, *args: HttpResponseForbidden()


def for_staff(function):
    return user_passes_test(lambda user: user.is_staff, login_url="/login/")(function)


DECORATORS = [login_required, for_staff, require_POST, forbidding]


@pytest.fixture(params=DECORATORS, ids=lambda decorator: decorator.__name__)
def decorator(request):
    """A decorator whose function answers with a page instead of calling the handler."""
    return request.param


@pytest.fixture
def client():
    return SocketClient(raise_exceptions=False)


def test_a_subscription_is_not_accepted(decorator, client, caplog):
    @on_subscribe(channel="^staff-")
    @decorator
    def enter(request, socket, context, channel):
        raise AssertionError("called")

    client.connect()
    with pytest.raises(Refused, match="Internal error"):
        client.subscribe("staff-room")
    assert client.channels == []
    assert re.search(ADVICE, caplog.text)


def test_another_handler_that_answers_first_changes_nothing(client):
    @on_subscribe
    def first(request, socket, context, channel):
        return "an answer"

    @on_subscribe
    @login_required
    def second(request, socket, context, channel):
        raise AssertionError("called")

    client.connect()
    with pytest.raises(Refused):
        client.subscribe("staff-room")


def test_a_connection_is_not_accepted(decorator, client, caplog):
    @on_connect
    @decorator
    def enter(request, socket, context):
        raise AssertionError("called")

    with pytest.raises(Refused, match="Internal error"):
        client.connect()
    assert re.search(ADVICE, caplog.text)


def test_an_event_is_answered_with_an_error(decorator, client, caplog):
    @on_event("order")
    @decorator
    def order(request, socket, context, article):
        raise AssertionError("called")

    assert client.connect().emit("order", "tea") == {"error": "Internal error"}
    assert re.search("HttpResponse" if decorator is forbidding else ADVICE, caplog.text)


def test_permission_required_refuses_as_permission_denied_does(client, caplog):
    @on_subscribe
    @permission_required("auth.view_user", raise_exception=True)
    def enter(request, socket, context, channel):
        raise AssertionError("called")

    client.connect()
    with pytest.raises(Refused, match="Permission denied"):
        client.subscribe("staff-room")
    assert "Traceback" not in caplog.text
