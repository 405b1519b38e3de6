"""Tokens of channels: who may subscribe by them, and what they refuse."""

import itertools
import json
import pickle
from datetime import timedelta
from unittest import mock

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.core.signing import Signer
from django.http import HttpResponse
from django.template import Context, RequestContext, Template, TemplateSyntaxError
from django.test import Client, RequestFactory, TestCase, override_settings
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.cache import cache_page

from django_socketio import ChannelError, ChannelToken, RelayError, emit, sign_channel
from django_socketio.events import may_subscribe, on_event, on_subscribe
from django_socketio.publishing import signing
from django_socketio.testing import Refused, SocketClient

User = get_user_model()

PAGE = "{% load socketio_tags %}{% socketio_channel 'room-' 1 as room %}{{ room }}"


def page(request):
    template = Template(request.GET.get("template", PAGE))
    return HttpResponse(template.render(RequestContext(request)))


@cache_page(60)
def cached(request):
    return page(request)


urlpatterns = [
    path("", include("django_socketio.urls")),
    path("page/", page),
    path("cached/", cached),
]

HERE = override_settings(ROOT_URLCONF=__name__)


def later(seconds):
    """Let tokens be so many seconds older."""
    now = timezone.now
    return mock.patch.object(timezone, "now", lambda: now() + timedelta(seconds=seconds))


def refusal(client, token, *options):
    with pytest.raises(Refused) as caught:
        client._ask("subscribe", token, *options)
    return str(caught.value)


@HERE
class TokenTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ann, cls.bob = map(User.objects.create_user, ("ann", "bob"))

    def visit(self, user=None, url="/page/", **query):
        """Return the page that a user's browser gets, and the browser."""
        http = Client()
        if user is not None:
            http.force_login(user)
        return http.get(url, query).content.decode(), http

    # Who may subscribe

    def test_a_page_subscribes_without_a_handler(self):
        token, http = self.visit(self.ann)
        client = SocketClient(http=http).connect()
        assert client.subscribe(token) is True
        assert client.channels == ["room-1"]
        emit("saved", 1, channel="room-1")
        client.assert_received("saved", 1)
        client.unsubscribe(token)
        assert client.channels == []

    @override_settings(SOCKETIO_SIGNED_ONLY=True)
    def test_a_list_has_tokens_and_names(self):
        token, http = self.visit(self.ann)
        client = SocketClient(http=http).connect()
        answers, told = client.emit("subscribe", [token, "room-2"])
        assert (answers[0], told[0]["channel"], told[1]) == (True, "room-1", None)
        assert "by a token only" in answers[1]["error"]
        assert client.emit("unsubscribe", [token]) == [True]
        assert client.channels == []

    def test_the_token_of_a_visitor_is_for_a_session_that_it_begins(self):
        token, http = self.visit()
        assert "sessionid" in http.cookies
        assert SocketClient(http=http).connect().subscribe(token) is True
        for stranger in (SocketClient(), SocketClient(session={"a": 1}), SocketClient(self.ann)):
            assert "another session" in refusal(stranger.connect(), token)

    def test_the_token_of_a_user_is_for_no_other_user_and_no_visitor(self):
        token, _ = self.visit(self.ann)
        for other in (SocketClient(self.bob), SocketClient(), SocketClient(session={"a": 1})):
            assert "another user" in refusal(other.connect(), token)
            assert other.channels == []

    def test_a_token_ends_with_the_login(self):
        token, http = self.visit(self.ann)
        http.logout()
        assert "another user" in refusal(SocketClient(http=http).connect(), token)
        http.force_login(self.ann)
        assert "another session" in refusal(SocketClient(http=http).connect(), token)

    def test_a_login_that_has_ended_without_a_signal_is_found(self):
        token, http = self.visit(self.ann)
        client = SocketClient(http=http).connect()
        User.objects.filter(pk=self.ann.pk).update(password="changed")
        with pytest.raises(Refused):
            client.subscribe(token)
        assert client.disconnect_reason == "session ended"

    def test_a_token_for_a_user_is_good_in_each_of_its_browsers(self):
        for user in (self.ann, self.ann.pk, str(self.ann.pk)):
            token = sign_channel("room-1", user=user)
            assert SocketClient(self.ann).connect().subscribe(token) is True
        assert "another user" in refusal(SocketClient(self.bob).connect(), token)

    def test_a_token_for_a_session(self):
        client = SocketClient(session={"a": 1}).connect()
        token = sign_channel("room-1", session=client.http.session)
        assert client.subscribe(token) is True
        assert "another session" in refusal(SocketClient(session={"a": 1}).connect(), token)

    def test_a_token_for_anyone(self):
        token = sign_channel("room-1", anyone=True)
        assert SocketClient().connect().subscribe(token) is True
        assert SocketClient(self.ann).connect().subscribe(token) is True

    def test_a_socket_that_has_logged_in_by_itself(self):
        @on_event("log in")
        def log_in(request, socket, context):
            socket.login(self.ann)

        client = SocketClient().connect()
        token = sign_channel("room-1", user=self.ann)
        assert "another user" in refusal(client, token)
        client.emit("log in")
        assert client.subscribe(token) is True

    def test_handlers_and_predicates_still_decide(self):
        @on_subscribe(channel="^full-")
        def refuse(request, socket, context, channel):
            raise PermissionDenied("full")

        @may_subscribe(channel="^team-")
        def nobody(request, channel):
            return False

        client = SocketClient().connect()
        assert refusal(client, sign_channel("full-1", anyone=True)) == "full"
        assert refusal(client, sign_channel("team-1", anyone=True)) == "Permission denied"
        assert client.channels == []

    def test_default_deny_counts_a_token_as_an_admission(self):
        with override_settings(SOCKETIO_DEFAULT_DENY=True):
            client = SocketClient().connect()
            assert refusal(client, "room-1") == "Permission denied"
            assert client.subscribe(sign_channel("room-1", anyone=True)) is True
            assert refusal(client, "room-2") == "Permission denied"

    def test_allowed_channels_refuses_also_with_a_token(self):
        with override_settings(SOCKETIO_ALLOWED_CHANNELS=f"{__name__}.none_allowed"):
            client = SocketClient().connect()
            token = sign_channel("room-1", anyone=True)
            assert refusal(client, token) == "Permission denied"

    @override_settings(SOCKETIO_SIGNED_ONLY=True)
    def test_signed_only(self):
        client = SocketClient().connect()
        for name in ("room-1", "lobby"):
            assert "by a token only (SOCKETIO_SIGNED_ONLY)" in refusal(client, name)
        assert client.subscribe(sign_channel("room-1", anyone=True)) is True
        assert client.subscribe("room-1") is True, "a member may ask for a history"

    @override_settings(SOCKETIO_SIGNED_ONLY=["^room-"])
    def test_signed_only_for_patterns(self):
        client = SocketClient().connect()
        assert "by a token only (SOCKETIO_SIGNED_ONLY)" in refusal(client, "room-1")
        assert client.subscribe("lobby") is True

    def test_signed_only_leaves_handlers_alone_and_knows_what_is_no_name(self):
        @on_event("join")
        def join(request, socket, context):
            return socket.subscribe("room-1")

        with override_settings(SOCKETIO_SIGNED_ONLY=True):
            client = SocketClient().connect()
            assert client.emit("join") is True
            for value in (None, 7, {}, True):
                assert "a channel's name is a string" in client.emit("subscribe", value)["error"]
            assert "1 to 200 characters" in client.emit("subscribe", "x" * 10_000)["error"]

    # Time

    def test_an_expired_token_is_refused(self):
        client = SocketClient().connect()
        token = sign_channel("room-1", anyone=True)
        short = sign_channel("room-2", anyone=True, seconds=10)
        with later(11):
            assert "'room-2' has expired" in refusal(client, short)
            assert client.subscribe(token) is True
        client.unsubscribe(short)
        client.unsubscribe(token)
        with later(3601):
            assert "'room-1' has expired" in refusal(client, token)

    def test_a_page_that_is_older_than_its_token_comes_back(self):
        token, http = self.visit(self.ann)
        client = SocketClient(http=http).connect()
        client.subscribe(token)
        for days in (6, 12):
            client.drop()
            with later(days * 86_400):
                client.reconnect()
            assert client.channels == ["room-1"]

    def test_the_token_of_an_ack_is_bound_as_the_first_one(self):
        token, http = self.visit(self.ann)
        told = SocketClient(http=http).connect().emit("subscribe", token)[1]
        assert (told["channel"], told["renew"]) == ("room-1", 302_400)
        assert "another user" in refusal(SocketClient(self.bob).connect(), told["token"])
        assert "another session" in refusal(SocketClient(self.ann).connect(), told["token"])

    def test_a_refused_client_gets_no_token(self):
        @on_subscribe
        def refuse(request, socket, context, channel):
            raise PermissionDenied

        answer = SocketClient().connect().emit("subscribe", sign_channel("a", anyone=True))
        assert answer == {"error": "Permission denied"}

    # Bad input

    def test_what_is_no_token_of_this_site_is_refused_by_a_clear_error(self):
        token = sign_channel("room-1", anyone=True)
        content, signature = token.rsplit(":", 1)
        other_key = override_settings(SECRET_KEY="another")
        with other_key:
            foreign = sign_channel("room-1", anyone=True)
        payload = json.dumps(["room-2", "/", 9e9, [], None])
        forged = [
            token[:-1],
            token[: len(token) // 2],
            f"{content[:-2]}xx:{signature}",
            f"socketio.channel:{payload}:{signature}",
            "socketio.channel:",
            "socketio.channel::",
            f"{token}\ud800",
            f"{token}é",
            "socketio.channel:"
            + Signer(salt="another").sign_object(["room-1", "/", 9e9, [], None]),
            foreign,
        ]
        client, bystander = SocketClient().connect(), SocketClient().connect()
        bystander.subscribe("room-1")
        for one in forged:
            assert "not signed by this site" in refusal(client, one), one
        assert "at most 8192 characters; got 9" in refusal(client, token + 90_000 * "x")
        assert client.channels == []
        emit("saved", channel="room-1")
        bystander.assert_received("saved")

    def test_a_token_of_another_namespace(self):
        @on_event("hello", namespace="/admin")
        def hello(request, socket, context):
            pass

        token = sign_channel("room-1", anyone=True, namespace="/admin")
        client = SocketClient().connect()
        assert "is for the namespace '/admin', not '/'" in refusal(client, token)
        assert client.of("/admin").connect().subscribe(token) is True

    def test_a_token_with_options_that_cannot_be(self):
        client = SocketClient().connect()
        answer = client.emit("subscribe", sign_channel("a", anyone=True), {"last": -1})
        assert "last must be a number" in answer["error"]

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
    def test_sessions_in_cookies_bind_a_token_to_the_user_only(self):
        token, http = self.visit(self.ann)
        assert SocketClient(http=http).connect().subscribe(token) is True
        assert "another user" in refusal(SocketClient(self.bob).connect(), token)
        with pytest.raises(ValueError, match="SESSION_ENGINE keeps sessions in cookies"):
            self.visit()

    def test_a_page_is_shown_while_the_relay_fails(self):
        asked, time = [], itertools.count(1000, 2)

        def fail(channel, **options):
            asked.append(channel)
            raise RelayError("no answer")

        with (
            mock.patch.object(signing, "page_position", fail),
            mock.patch.object(signing, "monotonic", lambda: next(time)),
            mock.patch.object(signing._Relay, "asked_from", 0),
            self.assertLogs("django_socketio.publishing", "WARNING") as logs,
        ):
            tokens = [sign_channel(f"room-{number}", anyone=True) for number in range(5)]
        assert "may miss messages of the channel 'room-0': no answer" in logs.output[0]
        assert asked == ["room-0", "room-3"], "it is not asked again at once"
        client = SocketClient().connect()
        for token in tokens:
            accepted, told = client.emit("subscribe", token)
            assert (accepted, told["recovered"], told.get("messages", [])) == (True, False, [])

    @override_settings(DEBUG=True)
    def test_a_channel_that_is_signed_and_open_is_warned_of_once_under_debug(self):
        with self.assertNoLogs("django_socketio.security", "WARNING"):
            sign_channel("open-1", anyone=True)
            with override_settings(SOCKETIO_SIGNED_ONLY=["^open-"]):
                sign_channel("open-1", user=1)
            with override_settings(DEBUG=False):
                sign_channel("open-1", user=1)
        with (
            override_settings(SOCKETIO_SIGNED_ONLY=["^room-"]),
            self.assertLogs("django_socketio.security", "WARNING") as logs,
        ):
            sign_channel("open-1", user=1)
            sign_channel("open-2", user=1)
        (text,) = logs.output
        assert "'open-1' is signed for one login, but any client may subscribe" in text

    def test_former_secret_keys(self):
        with override_settings(SECRET_KEY="former"):
            for_all = sign_channel("room-1", anyone=True)
            pages = [self.visit(self.ann), self.visit()]
        with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["former"]):
            assert SocketClient().connect().subscribe(for_all) is True
            for token, http in pages:
                client = SocketClient(http=http).connect()
                renewed = client.emit("subscribe", token)[1]["token"]
                assert "another" in refusal(SocketClient(self.bob).connect(), token)
            http.session.save()  # of the visitor, by the new key
        with override_settings(SECRET_KEY="new"):
            client = SocketClient(http=http).connect()
            assert "not signed" in refusal(client, token)
            assert client.subscribe(renewed) is True

    def test_wrong_arguments(self):
        request = RequestFactory().get("/")
        for given, error, text in [
            ({}, TypeError, "takes one of: a request"),
            ({"request": request, "anyone": True}, TypeError, "takes one of"),
            ({"user": 1, "anyone": True}, TypeError, "takes one of"),
            ({"anyone": 1}, TypeError, "takes one of"),
            ({"user": AnonymousUser()}, ValueError, r"sign_channel\(user=AnonymousUser\)"),
            ({"user": None}, TypeError, r"sign_channel\(user=…\) takes a User"),
            ({"user": [1, 2]}, ValueError, "one of each, not a list"),
            ({"request": request}, ValueError, "not logged in.*SESSION_ENGINE"),
            (
                {"anyone": True, "seconds": 0},
                ValueError,
                r"seconds=…\) takes .* more than 0 .*, not 0",
            ),
            (
                {"anyone": True, "seconds": 4e8},
                ValueError,
                r"at most 315360000 \(ten years\), not 4",
            ),
            ({"anyone": True, "last": 0}, ValueError, "from 1 to 1000, not 0"),
            ({"anyone": True, "last": 1, "since": "a.1"}, TypeError, "not both"),
            ({"anyone": True, "since": 7}, ValueError, "since"),
            ({"anyone": True, "since": "yesterday"}, ValueError, "since"),
        ]:
            with pytest.raises(error, match=text):
                sign_channel("room-1", **given)
        token = sign_channel("room-1", anyone=True)
        for name in ("", "x" * 201, token):
            with pytest.raises(ChannelError):
                sign_channel(name, anyone=True)
        with pytest.raises(ChannelError, match=r"a token is not the name .* token\.channel"):
            emit("saved", channel=token)

    # The past

    @override_settings(SOCKETIO_HISTORY={"^room-": {"size": 9, "seconds": 600}})
    def test_the_client_gets_what_was_published_since_the_page_was_rendered(self):
        emit("saved", 0, channel="room-1")
        client = SocketClient(self.ann).connect()
        token = client.http.get("/page/").content.decode()
        emit("saved", 1, channel="room-1")
        accepted, told = client.emit("subscribe", token)
        assert (accepted, told["recovered"], told["messages"]) == (True, True, [["saved", 1]])

    def test_the_client_gets_what_was_published_before_any_client_of_the_test(self):
        token, http = self.visit(self.ann)
        emit("saved", 1, channel="room-1")
        _, told = SocketClient(http=http).connect().emit("subscribe", token)
        assert (told["recovered"], told["messages"]) == (True, [["saved", 1]])

    def test_the_client_receives_what_was_published_on_two_of_its_channels_once(self):
        client = SocketClient().connect()
        tokens = [sign_channel(name, anyone=True) for name in ("a", "b")]
        emit("saved", 1, channel=["a", "b"])
        emit("saved", 2, channel="b")
        for token in tokens:
            assert client.subscribe(token) is True
        emit("saved", 3, channel="a")
        assert [one.args for one in client.received] == [(1,), (2,), (3,)]

    @override_settings(SOCKETIO_HISTORY={"^room-": {"size": 9, "seconds": 600}})
    def test_the_client_gets_the_history_that_the_page_asks_for(self):
        client = SocketClient(self.ann).connect()
        for number in range(3):
            emit("saved", number, channel="room-1")
        page = {"template": PAGE.replace("as room", "last=2 as room")}
        token = client.http.get("/page/", page).content.decode()
        told = client.emit("subscribe", token)[1]
        assert told["messages"] == [["saved", 1], ["saved", 2]]
        assert "messages" not in client.emit("subscribe", told["token"])[1]
        told = client.emit("subscribe", token, {"last": 1})[1]
        assert told["messages"] == [["saved", 2]], "the client's own wish counts"

    def test_a_token_without_a_past(self):
        told = (
            SocketClient().connect().emit("subscribe", sign_channel("a", anyone=True, since=None))
        )
        assert told[1].keys() == {"channel", "token", "renew"}

    # Pages

    def test_a_token_is_a_text_for_attributes_and_scripts(self):
        token = sign_channel("Zimmer <ä> 😀", anyone=True)
        assert isinstance(token, ChannelToken)
        assert token.channel == "Zimmer <ä> 😀"
        copied = pickle.loads(pickle.dumps(token))
        assert (copied, copied.channel) == (token, token.channel)
        shown = Template("{{ token }}").render(Context({"token": token}))
        assert shown == token, "no character is escaped"
        assert SocketClient().connect().subscribe(shown) is True
        longest = sign_channel("😀" * 200, anyone=True)
        assert SocketClient().connect().subscribe(longest) is True

    def test_the_tag_needs_a_request_or_to_be_told_for_whom(self):
        with pytest.raises(TypeError, match="needs the request in the context"):
            Template(PAGE).render(Context())
        anyone = Template(PAGE.replace("as room", "anyone=True as room")).render(Context())
        assert SocketClient().connect().subscribe(anyone) is True

    def test_a_page_with_a_token_varies_with_the_cookie_and_is_not_cached(self):
        for user in (self.ann, None):
            token, http = self.visit(user, "/cached/")
            answer = http.get("/cached/")
            assert "Cookie" in answer["Vary"]
            assert "Expires" not in answer, "the answer was kept in the cache"
            assert SocketClient(http=http).connect().subscribe(answer.content.decode()) is True
        assert "another" in refusal(SocketClient(self.bob).connect(), token)

    def test_a_page_for_anyone_is_cached(self):
        template = PAGE.replace("as room", "anyone=True as room")
        first, http = self.visit(None, "/cached/", template=template)
        second, http = self.visit(self.ann, "/cached/", template=template)
        assert first == second
        assert "Expires" in http.get("/cached/", {"template": template})
        assert SocketClient(http=http).connect().subscribe(second) is True

    def test_a_fragment_that_is_cached_for_all_refuses_a_token_for_one(self):
        for fragment in (
            "{% cache 60 a %}{% socketio_channel 'a' %}{% endcache %}",
            "{% cache 60 b %}{% if 1 %}{% socketio_channel 'a' as b %}{% endif %}{% endcache %}",
            "{% cache 60 c %}{% include included %}{% endcache %}",
            "{% socketio_channel 'a' as a %}{% cache 60 d %}{% socketio_live a %}{% endcache %}",
            "{% socketio_channel 'a' as a %}{% cache 60 e %}{{ a }}{% endcache %}",
        ):
            included = Template("{% load socketio_tags %}{% socketio_channel 'a' %}")
            request = RequestFactory().get("/")
            request.session = SessionStore()
            context = RequestContext(request, {"included": included})
            template = Template("{% load cache socketio_tags %}" + fragment)
            with pytest.raises(TemplateSyntaxError, match="shown to others"):
                template.render(context)
            anyone = fragment.replace("'a' ", "'a' anyone=True ")
            included.nodelist = Template("-").nodelist
            Template("{% load cache socketio_tags %}" + anyone).render(context)

    def test_a_token_for_the_user_of_a_request_without_a_session_is_refused_there_too(self):
        request = RequestFactory().get("/")
        request.user = self.ann
        token = pickle.loads(pickle.dumps(sign_channel("a", request)))
        for shown in ("{{ token }}", "{% socketio_live token %}"):
            template = Template(
                "{% load cache socketio_tags %}{% cache 60 f %}" + shown + "{% endcache %}"
            )
            with pytest.raises(TemplateSyntaxError, match="shown to others"):
                template.render(Context({"token": token}))

    def test_a_fragment_that_varies_by_the_user_may_have_a_token_for_the_user(self):
        token = sign_channel("a", user=self.ann)
        cached = "{% load cache %}{% cache 60 g token %}{{ token }}{% endcache %}"
        assert Template(cached).render(Context({"token": token})) == token


def none_allowed(request, channels):
    return []
