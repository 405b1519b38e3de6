"""``emit_template``: what it sends, to whom, and what it refuses."""

import asyncio
import re

import django
import pytest
from django.db import transaction
from django.http import HttpResponse
from django.template import TemplateDoesNotExist
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path

from django_socketio import RelayError, emit, emit_template, history, publish_model
from django_socketio.exceptions import ChannelError, EventError
from django_socketio.publishing import causes
from django_socketio.testing import SocketClient, assert_emitted, assert_nothing_emitted, outbox
from tests.kit.programs import python
from tests.publishing.models import Customer

MESSAGE = "publishing/message.html"
ITS_HTML = '<li id="message-7">a &lt; b</li>\n'


def emit_message(**arguments):
    context = {"id": 7, "text": "a < b"}
    return emit_template(MESSAGE, context, **{"channel": "room-1", **arguments})


def fragment():
    (message,) = outbox
    assert message.event == "_fragment"
    (sent,) = message.args
    return sent


def test_a_fragment_goes_to_the_elements_on_its_channel():
    emit_message(swap="append")
    assert fragment() == {"swap": "append", "channel": "room-1", "html": ITS_HTML}
    assert_emitted("_fragment", channel="room-1")


def test_a_fragment_goes_to_a_selector():
    emit_message(target="#log > li")
    assert fragment() == {"swap": "update", "target": "#log > li", "html": ITS_HTML}


@pytest.mark.parametrize("swap", ["remove", "refresh"])
def test_a_swap_without_content(swap):
    emit_template(swap=swap, channel=["room-1"])
    assert fragment() == {"swap": swap, "channel": "room-1"}


def test_the_audiences_are_those_of_emit():
    emit_message(channel=["a", "b"], user=[1, "2"], session_id="x", target="#log")
    for audience in ({"channel": ["a", "b"]}, {"user": 2}, {"session_id": "x"}):
        assert_emitted("_fragment", **audience)
    outbox.clear()
    emit_template(MESSAGE, target="#log", namespace="/shop")  # all pages
    assert_emitted("_fragment", namespace="/shop")


def test_it_waits_for_the_commit_and_is_rendered_at_the_call():
    context = {"text": "now"}
    with transaction.atomic():
        emitted = emit_template(MESSAGE, context, channel="room-1")
        context["text"] = "later"
        assert_nothing_emitted()
        assert not emitted
    assert "now" in fragment()["html"]
    assert emitted


def test_it_is_not_sent_after_a_rollback():
    with transaction.atomic():
        emit_message()
        transaction.set_rollback(True)
    assert_nothing_emitted()


def test_it_can_be_sent_within_a_transaction():
    with transaction.atomic():
        assert emit_message(on_commit=False)
        assert fragment()


@override_settings(
    SOCKETIO_RELAY_URL="redis://127.0.0.1:1",
    SOCKETIO_RELAY_TIMEOUT=0.2,
    SOCKETIO_RELAY_IN_TESTS=True,
)
def test_a_failure_of_the_relay_is_raised_only_without_on_commit(caplog):
    emit_message()
    assert "'_fragment' for channel,/,room-1 was not sent after the commit" in caplog.text
    with pytest.raises(RelayError):
        emit_message(on_commit=False)


def test_a_fragment_is_part_of_the_history_and_has_an_idempotency_key():
    for _ in range(2):
        emit_message(keep=60, idempotency_key="message-7")
    assert [message.event for message in history("room-1")] == ["_fragment"]


class Counted:
    rendered = 0

    def __str__(self):
        Counted.rendered += 1
        return f"rendering {Counted.rendered}"


def test_a_fragment_to_a_thousand_pages_is_rendered_once():
    clients = [SocketClient().connect() for _ in range(1000)]
    for client in clients:
        client.subscribe("room-1")
    Counted.rendered = 0
    emit_template(MESSAGE, {"text": Counted()}, channel="room-1")
    texts = {client.assert_received("_fragment").args[0]["html"] for client in clients}
    assert texts == {'<li id="message-">rendering 1</li>\n'}
    assert Counted.rendered == 1


PART = "publishing/room.html#message"


@pytest.mark.skipif(django.VERSION < (6, 0), reason="the next test is that of this Django")
def test_a_part_of_a_template_is_rendered():
    emit_template(PART, {"text": "hello"}, channel="room-1")
    assert fragment()["html"] == "<li>hello</li>"
    with pytest.raises(TemplateDoesNotExist):
        emit_template("publishing/room.html#other", channel="room-1")


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="the test before is that of this Django")
def test_a_part_of_a_template_is_refused_by_a_django_without_parts():
    expected = (
        f"emit_template('{PART}'): parts of templates need Django 6.0, and this is Django "
        f"{django.get_version()}. Put the part into a template of its own."
    )
    with pytest.raises(TemplateDoesNotExist, match=re.escape(expected)):
        emit_template(PART, {"text": "hello"}, channel="room-1")


def test_a_missing_template_is_named():
    with pytest.raises(TemplateDoesNotExist, match=r"^missing\.html$"):
        emit_template("missing.html", channel="room-1")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"swap": "morph"}, ValueError, "swap='morph'): expected one of append, prepend,"),
        ({"swap": "remove"}, ValueError, "emit_template(swap='remove') takes no template"),
        ({"template": None}, ValueError, "emit_template(swap='update') needs a template"),
        ({"template": ["a.html"]}, TypeError, "takes the name of a template, not ['a.html']"),
        ({"context": "text"}, TypeError, "takes a dictionary as context, not 'text'"),
        ({"target": ""}, TypeError, "takes a CSS selector such as '#log', not ''"),
        ({"target": 7}, TypeError, "takes a CSS selector such as '#log', not 7"),
        ({"channel": ["a", "b"]}, ValueError, "needs a target"),
        ({"user": 1}, ValueError, "needs a target"),
        ({"channel": "a", "keep": -1}, ValueError, "emit_template(keep=…) takes a number"),
        ({"channel": "a", "idempotency_key": 1}, TypeError, "emit_template(idempotency_key=…)"),
        ({"channel": "a\n"}, ChannelError, "a\\n"),
        (
            {"channel": None, "target": "#log"},
            ChannelError,
            "emit_template(channel=…) takes the name",
        ),
        ({"exclude": 7}, TypeError, "takes a request, a socket or its session_id, not 7"),
        ({"on_commit": None}, TypeError, "expected True, False or the alias of a database"),
        ({"namespace": "a,b"}, EventError, "a,b"),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, text):
    given = {"template": MESSAGE, "context": {}, "channel": "room-1", **arguments}
    with pytest.raises(error, match=re.escape(text)):
        emit_template(**given)
    assert_nothing_emitted()


def test_nothing_else_sends_html_under_the_name_of_fragments():
    with pytest.raises(EventError, match="emit_template sends it"):
        emit("_fragment", {"swap": "update", "target": "body", "html": "<p>"})


class TestExclude:
    """The page that caused a change."""

    @pytest.fixture
    def pages(self):
        pages = [SocketClient().connect() for _ in range(2)]
        for page in pages:
            page.subscribe("room-1")
        return pages

    def receivers(self, pages):
        return [any(one.event == "_fragment" for one in page.received) for page in pages]

    def test_a_socket_is_left_out(self, pages):
        emit_message(exclude=pages[0].socket)
        assert self.receivers(pages) == [False, True]

    def test_the_id_of_a_socket_is_left_out(self, pages):
        emit_message(exclude=pages[1].socket.session.session_id)
        assert self.receivers(pages) == [True, False]

    @pytest.mark.parametrize(
        ("client", "route", "expected"),
        [
            (Client, "refresh", [False, True]),
            (Client, "append", [True, True]),
            (Client, "exclude", [False, True]),
            (Client, "exclude_wrapped", [False, True]),
            (Client, "save", [False, True]),
            (AsyncClient, "refresh", [True, True]),
            (AsyncClient, "exclude", [False, True]),
        ],
    )
    def test_the_page_of_a_request(self, pages, client, route, expected):
        headers = {"X-Socket-ID": pages[0].socket.session.session_id}
        with override_settings(ROOT_URLCONF=__name__):
            for sent in (headers, {}):  # the id must not stay for the next request
                response = client().get(f"/{route}/", headers=sent)
                if client is AsyncClient:
                    response = asyncio.run(response)
                assert response.status_code == 200
                assert self.receivers(pages) == (expected if sent else [True, True])
                for page in pages:
                    page.received.clear()

    def test_the_page_of_the_first_request_of_a_process(self):
        environ = {"DJANGO_SETTINGS_MODULE": "tests.project.settings"}
        assert python(environ, "-c", FIRST_REQUEST).stdout == "sent without page-7\n"

    def test_a_field_that_is_too_long_for_an_id_names_no_page(self):
        request = RequestFactory().get("/", headers={"X-Socket-ID": "x" * 1_000})
        assert causes.socket_id(request) is None


FIRST_REQUEST = """
from unittest import mock
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path

def view(request):
    from django_socketio import emit_template
    with mock.patch("django_socketio.publishing.sending.publish_all", publish_all):
        emit_template(swap="refresh", channel="orders")
    return HttpResponse()

def publish_all(envelopes):
    print("sent without", *[envelope.exclude for envelope in envelopes])
    return [0]

urlpatterns = [path("", view)]
application = get_wsgi_application()
settings.ROOT_URLCONF = __name__
application(RequestFactory().get("/", HTTP_X_SOCKET_ID="page-7").environ, mock.Mock())
"""


def refresh(request):
    emit_template(swap="refresh", channel="room-1")
    return HttpResponse()


def append(request):
    emit_message(swap="append")
    return HttpResponse()


def exclude(request):
    emit_message(swap="append", exclude=request)
    return HttpResponse()


class Wrapped:
    """A request as views of Django REST framework get it."""

    def __init__(self, request):
        self._request = request

    def __getattr__(self, name):
        return getattr(self._request, name)


def exclude_wrapped(request):
    return exclude(Wrapped(request))


def save(request):
    publication = publish_model(Customer, "room-1", refresh=True)
    Customer.objects.create().delete()
    publication.stop()
    return HttpResponse()


views = (refresh, append, exclude, exclude_wrapped, save)
urlpatterns = [path(f"{view.__name__}/", view) for view in views]
