"""The audiences of clients whose user a middleware of the site sets."""

import threading
from contextlib import suppress
from unittest import mock

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends import cached_db
from django.contrib.sessions.models import Session
from django.core.cache import cache, caches
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory, TestCase, override_settings
from django.urls import include, path
from django.utils.functional import SimpleLazyObject

from django_socketio import conf, emit, emit_batch
from django_socketio.events import on_connect, on_event, on_subscribe
from django_socketio.security import sessions
from django_socketio.testing import Refused, SocketClient

User = get_user_model()


class TokenUser:
    """A user without a row, made from a token that was signed elsewhere."""

    is_authenticated = is_active = True
    is_anonymous = False

    def __init__(self, pk):
        self.pk = self.id = pk


READERS = {
    "a user": lambda pk: User.objects.get(pk=pk),
    "a deferred user": lambda pk: User.objects.only("pk").get(pk=pk),
    "a lazy user": lambda pk: SimpleLazyObject(lambda: User.objects.get(pk=pk)),
    "another model": lambda pk: Group.objects.get(pk=pk),
    "a lazy other model": lambda pk: SimpleLazyObject(lambda: Group.objects.get(pk=pk)),
    "no row": TokenUser,
    "no user": lambda pk: None,
}


def setting_users(get_response):
    def middleware(request):
        if "X-Kind" in request.headers:
            request.user = READERS[request.headers["X-Kind"]](int(request.headers["X-Key"]))
        return get_response(request)

    return middleware


def reading_the_session(get_response):
    def middleware(request):
        request.user = SimpleLazyObject(lambda: User(pk=7, username=request.session["name"]))
        return get_response(request)

    return middleware


def with_middleware(function):
    return override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, f"{__name__}.{function.__name__}"])


class UsersOfMiddleware(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ann = User.objects.create_user("ann")
        cls.bob = User.objects.create_user("bob")
        Group.objects.create(pk=cls.bob.pk, name="not bob")

    def received(self, client, user):
        emit("pushed", user=user)
        count = [received.event for received in client.received].count("pushed")
        client.received.clear()
        return count

    @with_middleware(setting_users)
    def test_a_user_of_the_site_is_the_audience_and_nothing_else_is(self):
        for kind in READERS:
            for session_user in (None, self.ann):
                with self.subTest(kind, session=session_user):
                    headers = {"X-Kind": kind, "X-Key": str(self.bob.pk)}
                    client = SocketClient(session_user, headers=headers).connect()
                    expected = 1 if kind.endswith(" user") and kind != "no user" else 0
                    assert self.received(client, self.bob) == expected
                    assert self.received(client, self.ann) == 0

    @with_middleware(reading_the_session)
    def test_the_session_that_names_the_user_is_read_anew_by_the_first_event(self):
        @on_event("who")
        def who(request, socket, context):
            return request.user.username

        client = SocketClient(session={"name": "ann"}).connect()
        assert self.received(client, 7) == 1
        store = client.http.session
        store["name"] = "bob"
        store.save()
        assert client.emit("who") == "bob"

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
    def test_the_logout_of_another_object_ends_no_socket(self):
        client = SocketClient(self.bob).connect()
        for other in (Group.objects.get(pk=self.bob.pk), TokenUser(self.bob.pk), self.ann):
            self.log_out(other)
            assert client.connected
        self.log_out(self.bob)
        assert not client.connected

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.cached_db")
    def test_a_session_in_cache_and_database_is_there_while_either_has_it(self):
        clients = [SocketClient(user).connect() for user in (self.ann, self.bob)]
        keys = [client.http.session.session_key for client in clients]
        Session.objects.filter(pk=keys[0])._raw_delete("default")  # which no signal tells
        cache.delete(f"{cached_db.KEY_PREFIX}{keys[1]}")
        clients[0].advance(2 * conf.get("LOGIN_CHECK_INTERVAL"))
        assert [client.connected for client in clients] == [True, True]
        with mock.patch.object(type(caches["default"]), "get_many", side_effect=RuntimeError):
            clients[0].advance(2 * conf.get("LOGIN_CHECK_INTERVAL"))
        assert [client.connected for client in clients] == [False, True]

    def test_a_login_without_a_session_ends_no_session(self):
        """A view that hands out tokens sends the signal; the browser has a cookie as well."""
        client = SocketClient(self.ann).connect()
        request = RequestFactory().get("/")
        request.COOKIES.update({name: one.value for name, one in client.http.cookies.items()})
        with self.captureOnCommitCallbacks(execute=True):
            user_logged_in.send(User, request=request, user=self.bob)
        assert client.connected

    def log_out(self, user):
        with self.captureOnCommitCallbacks(execute=True):
            user_logged_out.send(type(user), request=RequestFactory().get("/"), user=user)

    def test_a_message_for_a_user_and_for_a_channel_does_not_depend_on_the_subscription(self):
        """The socket waits on all of them: its login is not examined, and a handler decides."""
        self.ann.groups.add(group := Group.objects.get())

        @on_subscribe
        def decide(request, socket, context, channel):
            emit("pushed", channel=channel, user=self.ann, group=group)
            if channel == "refused":
                raise PermissionDenied

        for channel in ("refused", "allowed"):
            client = SocketClient(self.ann).connect()
            with suppress(Refused):
                client.subscribe(channel)
            assert [received.event for received in client.received] == ["pushed"]

    def test_a_login_that_has_ended_silently_gets_nothing(self):
        clients = [SocketClient(user).connect() for user in (self.ann, self.ann, self.bob)]
        User.objects.filter(pk=self.ann.pk).update(password="changed")
        emit("pushed", user=self.ann)
        emit("pushed", user=[self.ann, self.bob])
        assert [one.disconnect_reason for one in clients] == ["session ended"] * 2 + [None]
        assert [len(one.received) for one in clients] == [0, 0, 1]
        assert "session ended" in repr(clients[0])

    def test_on_connect_is_before_the_audiences(self):
        @on_connect
        def welcome(request, socket, context):
            socket.emit("welcome")
            emit("joined", user=request.user)

        tabs = [SocketClient(self.ann).connect() for _ in range(2)]
        assert [[one.event for one in tab.received] for tab in tabs] == [
            ["welcome", "joined"],
            ["welcome"],
        ]

    def test_a_message_that_waits_for_a_database_is_delivered_by_the_check_of_the_logins(self):
        client = SocketClient(self.ann, raise_exceptions=False).connect()
        with mock.patch.object(sessions, "load", side_effect=OperationalError("gone away")):
            assert self.received(client, self.ann) == 0
        client.advance(2 * conf.get("LOGIN_CHECK_INTERVAL"))
        assert client.connected
        client.assert_received("pushed")


async def push(request):
    """Push from a thread with an event loop, which refuses queries."""
    emit("pushed", user=int(request.GET["user"]))
    return HttpResponse()


urlpatterns = [path("", include("django_socketio.urls")), path("push/", push)]


@override_settings(ROOT_URLCONF=__name__)
class FromOtherThreads(TestCase):
    """A thread without the database connection of the test cannot examine a login."""

    def setUp(self):
        self.ann = User.objects.create_user("ann")
        self.client_of_ann = SocketClient(self.ann).connect()

    def test_a_thread_pushes_to_a_user(self):
        thread = threading.Thread(target=lambda: emit("pushed", user=self.ann.pk))
        thread.start()
        thread.join()
        self.client_of_ann.assert_received("pushed")
        assert self.client_of_ann.connected

    def test_a_thread_pushes_a_batch_to_a_user(self):
        def push_batch():
            with emit_batch() as batch:
                batch.emit("pushed", user=self.ann.pk)

        thread = threading.Thread(target=push_batch)
        thread.start()
        thread.join()
        self.client_of_ann.assert_received("pushed")
        assert self.client_of_ann.connected

    def test_an_asynchronous_view_pushes_to_a_user(self):
        self.client.get("/push/", {"user": self.ann.pk})
        self.client_of_ann.assert_received("pushed")

    async def test_an_asynchronous_test_pushes_to_a_user(self):
        await self.async_client.get("/push/", {"user": self.ann.pk})
        emit("pushed", user=self.ann.pk)
        for _ in range(2):
            self.client_of_ann.assert_received("pushed")


class Errors(TestCase):
    def test_no_error_shows_a_row_of_the_users(self):
        User.objects.create_user("ann", password="secret")
        for rows in (
            User.objects.values(),
            User.objects.values_list(),
            list(User.objects.values()),
        ):
            with self.assertRaises((TypeError, ValueError)) as caught:
                emit("pushed", user=rows)
            assert User.objects.get().password[:20] not in str(caught.exception)
            assert "primary key" in str(caught.exception)

    def test_a_name_of_several_groups_is_none(self):
        Group.objects.bulk_create([Group(name="editors"), Group(name="authors")])
        groups = Group.objects.all().union(Group.objects.all(), all=True)
        with (
            mock.patch.object(type(Group.objects), "filter", return_value=groups),
            self.assertRaisesMessage(ValueError, "several groups have this name"),
        ):
            emit("pushed", group="editors")
