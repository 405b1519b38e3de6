"""Sockets of ``SocketClient``, in the test cases of a project."""

import itertools
import threading
from datetime import datetime, timedelta

import gevent
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import (
    Client,
    RequestFactory,
    SimpleTestCase,
    TestCase,
    TransactionTestCase,
    override_settings,
)
from django.utils import timezone

from django_socketio import (
    Answer,
    CallTimeout,
    NoSocket,
    broadcast,
    broadcast_channel,
    call,
    disconnect,
    in_thread,
    send,
    sign_channel,
    site_stats,
    stats,
    subscribe,
    unsubscribe,
)
from django_socketio.events import (
    on_connect,
    on_disconnect,
    on_error,
    on_event,
    on_message,
    on_subscribe,
)
from django_socketio.exceptions import EventError
from django_socketio.metrics import metrics
from django_socketio.testing import NO_ANSWER, Refused, SocketClient, Unanswered

User = get_user_model()


class SocketTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ann = User.objects.create_user("ann")

    # Connecting

    def test_handlers_run_in_the_thread_the_transaction_and_on_the_connection_of_the_test(self):
        seen = []

        @on_message
        def rename(request, socket, context, name):
            seen.append((threading.current_thread(), connection.in_atomic_block))
            User.objects.filter(pk=request.user.pk).update(first_name=name)

        turns = gevent.get_hub().loop.iteration
        client = SocketClient(user=self.ann).connect()
        client.send("Ann")
        assert seen == [(threading.current_thread(), True)]
        assert User.objects.get(pk=self.ann.pk).first_name == "Ann"
        assert gevent.get_hub().loop.iteration == turns, "the event loop has run"

    def test_a_request_has_passed_the_middleware(self):
        @on_event("who")
        def who(request, socket, context):
            return [
                request.user.get_username(),
                request.session["theme"],
                request.headers["Accept-Language"],
                socket.auth,
            ]

        client = SocketClient(self.ann, {"theme": "dark"}, {"Accept-Language": "eo"})
        client.connect(auth={"token": "t"})
        assert client.emit("who") == ["ann", "dark", "eo", {"token": "t"}]

    def test_the_handshake_comes_to_the_path_to_which_browsers_send_it(self):
        on_event("path")(lambda request, socket, context: request.path)
        assert SocketClient().connect().emit("path") == "/socket.io/"

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
    def test_the_values_of_a_session_in_a_cookie_arrive(self):
        on_event("theme")(lambda request, socket, context: request.session["theme"])
        client = SocketClient(self.ann, {"theme": "dark"}).connect()
        assert client.emit("theme") == "dark"

    def test_a_refusal_by_on_connect_is_raised(self):
        @on_connect
        def check(request, socket, context):
            if not request.user.is_authenticated:
                raise PermissionDenied("Log in first")

        visitor = SocketClient()
        with self.assertRaisesMessage(Refused, "Log in first") as caught:
            visitor.connect()
        assert caught.exception.data == {"message": "Log in first"}
        assert not visitor.connected
        with self.assertRaisesMessage(RuntimeError, "not connected"):
            visitor.emit("anything")
        assert SocketClient(user=self.ann).connect().connected

    def test_a_client_that_a_handler_of_on_connect_ends_is_told_the_reason(self):
        on_connect(lambda request, socket, context: socket.disconnect())
        with self.assertRaisesMessage(Refused, "server namespace disconnect"):
            SocketClient(user=AnonymousUser()).connect()

    def test_a_refusal_of_the_handshake_is_raised_with_its_status_and_a_hint(self):
        with self.assertRaisesMessage(Refused, "Forbidden origin"):
            SocketClient(headers={"Origin": "https://evil.example"}).connect()
        with override_settings(SOCKETIO_LOGIN_REQUIRED=True):
            with self.assertRaisesMessage(Refused, "SocketClient(user=…) logs in") as caught:
                SocketClient().connect()
            assert caught.exception.status == 403
            SocketClient(user=self.ann).connect()
        with override_settings(SECURE_SSL_REDIRECT=True):
            with self.assertRaisesMessage(Refused, "SocketClient(secure=True)") as caught:
                SocketClient().connect()
            assert caught.exception.status == 301
            SocketClient(secure=True).connect()
        with (
            override_settings(ROOT_URLCONF="django.contrib.auth.urls"),
            self.assertRaisesMessage(Refused, 'include("django_socketio.urls")'),
        ):
            SocketClient().connect()

    def test_a_client_that_is_connected_does_not_connect_again(self):
        client = SocketClient().connect()
        with self.assertRaisesMessage(RuntimeError, "is connected already"):
            client.connect()

    # Events

    def test_an_ack_is_the_result_of_emit(self):
        on_event("add")(lambda request, socket, context, a, b: a + b)
        on_event("two")(lambda request, socket, context: (1, [2]))
        on_event("none")(lambda request, socket, context: None)
        client = SocketClient().connect()
        assert client.emit("add", 2, 3) == 5
        assert client.emit("two") == (1, [2])
        assert client.emit("none") is None
        client.assert_nothing_received()

    def test_values_travel_as_json_and_as_bytes(self):
        @on_message
        def echo(request, socket, context, message):
            socket.emit("said", message, (1, 2), datetime(2026, 1, 2))
            return message

        client = SocketClient().connect()
        assert client.send({"file": b"\x00\xff", "name": "ä"}) == {"file": b"\x00\xff", "name": "ä"}
        args = ({"file": b"\x00\xff", "name": "ä"}, [1, 2], "2026-01-02T00:00:00")
        client.assert_received("said", *args)
        with self.assertRaises(TypeError):
            client.send(datetime(2026, 1, 2))

    @override_settings(SOCKETIO_MAX_MESSAGE_SIZE=100)
    def test_a_message_that_is_too_large_ends_the_connection(self):
        seen = []
        on_message(lambda request, socket, context, message: seen.append(message))
        client = SocketClient().connect()
        for small, large in (("a" * 50, "a" * 100), ("ä" * 40, "ä" * 50), (bytes(100), bytes(101))):
            client.send(small)
            with self.assertLogs("django_socketio"):
                assert client.send(large) is None
            assert client.disconnect_reason == "transport error"
            assert seen.pop() == small and not seen
            client.reconnect()

    def test_an_event_that_no_handler_takes_fails_and_says_what_is_taken(self):
        on_message(channel="^room-")(lambda request, socket, context, message: None)
        client = SocketClient().connect()
        client.subscribe("lobby")
        with self.assertRaisesMessage(Unanswered, "'message', channel='^room-'"):
            client.send("hello")
        with self.assertRaisesMessage(Unanswered, "'typing' of a socket on the channels ['lobby']"):
            client.emit("typing")

    def test_a_reserved_name_of_an_event_is_an_error_of_the_test(self):
        client = SocketClient().connect()
        for name in ("connect", "disconnect", 5):
            with self.assertRaises(EventError):
                client.emit(name)
        assert client.connected

    def test_the_exception_of_a_handler_is_raised_after_all_is_done_as_on_a_server(self):
        reported = []
        on_error(lambda request, socket, context, error: reported.append(error))

        @on_message
        def divide(request, socket, context, message):
            return 1 / message

        client = SocketClient().connect()
        with self.assertLogs("django_socketio"), self.assertRaises(ZeroDivisionError) as caught:
            client.send(0)
        assert reported == [caught.exception]
        assert client.send(2) == 0.5
        quiet = SocketClient(raise_exceptions=False).connect()
        assert quiet.send(0) == {"error": "Internal error"}
        assert client.send(4) == 0.25  # the error of the other client is not raised here

    def test_a_refusal_of_an_event_is_its_answer(self):
        @on_event("delete")
        def delete(request, socket, context):
            raise PermissionDenied("Not yours")

        assert SocketClient().connect().emit("delete") == {"error": "Not yours"}

    def test_an_asynchronous_handler_runs_to_its_end(self):
        @on_event("count")
        async def count(request, socket, context):
            return await User.objects.acount()

        assert SocketClient().connect().emit("count") == 1

    def test_a_function_of_in_thread_runs_while_the_handler_waits(self):
        threads = []

        @on_event("hash")
        def hash_it(request, socket, context, number):
            return in_thread(lambda: threads.append(threading.current_thread()) or number + 1)

        assert SocketClient().connect().emit("hash", 1) == 2
        assert threads != [threading.current_thread()]

    # Channels

    def test_a_subscription_is_refused_or_brings_the_messages_of_a_channel(self):
        @on_subscribe(channel="^staff$")
        def staff_only(request, socket, context, channel):
            if not request.user.is_staff:
                raise PermissionDenied("Staff only")

        client, other = SocketClient().connect(), SocketClient().connect()
        with self.assertRaisesMessage(Refused, "Staff only"):
            client.subscribe("staff")
        assert client.subscribe("room-1") is True
        assert client.channels == ["room-1"]
        assert broadcast_channel("hello", "room-1") == 1
        client.assert_received("message", "hello")
        other.assert_nothing_received()
        client.unsubscribe("room-1")
        assert client.channels == []

    def test_an_event_is_for_the_channel_that_the_client_names(self):
        on_message(channel="^room-")(lambda request, socket, context, text: socket.event_channel)
        client = SocketClient().connect()
        client.subscribe("lobby")
        client.subscribe("room-1")
        client.subscribe("room-2")
        assert client.channel("room-2").send("hello") == "room-2"
        assert "error" in client.channel("room-3").emit("message", "hello")
        with self.assertRaisesMessage(Unanswered, "No handler has answered 'message'"):
            client.channel("lobby").send("hello")

    def test_what_one_client_sends_reaches_the_others(self):
        @on_message
        def say(request, socket, context, message):
            socket.broadcast(message)

        ann, bob, eve = (SocketClient().connect() for _ in range(3))
        ann.send("hello")
        ann.assert_nothing_received()
        for client in bob, eve:
            assert client.assert_received("message").args == ("hello",)
            client.assert_nothing_received()

    def test_messages_from_outside_arrive_at_once_whichever_thread_sends_them(self):
        client = SocketClient().connect()
        broadcast("one")
        send(client.id, {"two": 2}, event="saved")
        thread = threading.Thread(target=broadcast, args=["three"])
        thread.start()
        thread.join()
        assert [str(one) for one in client.received] == [
            "'message', 'one'",
            "'saved', {'two': 2}",
            "'message', 'three'",
        ]

    def test_messages_of_on_commit_arrive_with_the_commit(self):
        client = SocketClient().connect()
        with self.captureOnCommitCallbacks(execute=True):
            connection.on_commit(lambda: broadcast("saved"))
            client.assert_nothing_received()
        client.assert_received("message", "saved")

    # What was received

    def test_assertions_find_each_event_once_and_list_what_came(self):
        client = SocketClient().connect()
        broadcast("one")
        broadcast(2, event="number")
        client.assert_received("number")
        with self.assertRaisesMessage(AssertionError, "these were received:\n  'message', 'one'"):
            client.assert_nothing_received()
        with self.assertRaisesMessage(AssertionError, "'message', 'two' was not received"):
            client.assert_received("message", "two")
        client.assert_received("message", "one")
        with self.assertRaises(AssertionError):
            client.assert_received("message", "one")
        client.assert_nothing_received()
        assert len(client.received) == 2

    # Answers to the server

    def test_registered_answers_are_those_of_socket_call(self):
        @on_event("ask")
        def ask(request, socket, context, question):
            return socket.call(question, "Sure?", timeout=None)

        client = SocketClient().connect()
        client.answer("value", True)
        client.answer("several", (1, 2))
        client.answer("function", lambda text: text.upper())
        assert client.emit("ask", "value") is True
        assert client.emit("ask", "several") == (1, 2)
        assert client.emit("ask", "function") == "SURE?"
        client.assert_received("value", "Sure?")

    def test_a_call_without_a_registered_answer_fails_and_says_how_to_register_one(self):
        @on_event("ask")
        def ask(request, socket, context):
            try:
                return socket.call("confirm?")
            except Exception:
                return "swallowed"

        client = SocketClient().connect()
        with self.assertRaisesMessage(Unanswered, "client.answer('confirm?', value)"):
            client.emit("ask")

    def test_a_client_can_leave_a_call_unanswered(self):
        @on_event("ask")
        def ask(request, socket, context):
            try:
                return socket.call("confirm?")
            except CallTimeout as error:
                return str(error)

        client = SocketClient().connect()
        client.answer("confirm?", NO_ANSWER)
        assert client.emit("ask") == "'confirm?' was not answered within 10.0 s"
        client.answer("confirm?", 1)
        assert client.emit("ask") == 1

    def test_a_view_calls_the_clients_of_a_user(self):
        tabs = [SocketClient(self.ann).connect() for _ in range(2)]
        with self.assertRaises(NoSocket):
            call("confirm?", user=self.ann.pk + 1)
        tabs[0].answer("confirm?", lambda text: text.upper())
        assert call("confirm?", "yes", user=self.ann) == "YES"
        tabs[1].answer("confirm?", b"\x00")
        answers = call("confirm?", "yes", user=self.ann, wait="all")
        assert sorted(answers, key=str) == sorted(
            [
                Answer("YES", tabs[0].id, str(self.ann.pk)),
                Answer(b"\x00", tabs[1].id, str(self.ann.pk)),
            ],
            key=str,
        )
        for tab in tabs:
            tab.answer("confirm?", NO_ANSWER)
        with self.assertRaises(CallTimeout):
            call("confirm?", "yes", user=self.ann)

    def test_an_answer_to_a_call_of_a_view_may_use_other_clients(self):
        asked, other = SocketClient().connect(), SocketClient().connect()
        asked.answer("confirm?", lambda: other.subscribe("room-1"))
        assert call("confirm?", session_id=asked.id) is True

    def test_one_client_of_several_leaves_a_call_unanswered(self):
        tabs = [SocketClient(self.ann).connect() for _ in range(2)]
        for first, second in itertools.permutations((1, NO_ANSWER)):
            tabs[0].answer("confirm?", first)
            tabs[1].answer("confirm?", second)
            answers = call("confirm?", user=self.ann, wait="all")
            assert ([one.value for one in answers], answers.is_complete) == ([1], False)

    def test_a_callback_that_stays_without_an_answer_is_no_call_that_does(self):
        @on_event("ask")
        def ask(request, socket, context, is_call):
            return socket.call("name?") if is_call else socket.emit("name?", callback=print)

        silent, other = SocketClient().connect(), SocketClient().connect()
        silent.answer("name?", NO_ANSWER)
        silent.emit("ask", False)
        with self.assertLogs("django_socketio"), self.assertRaises(Unanswered):
            other.emit("ask", True)
        silent.emit("ask", False)
        with self.assertRaises(Unanswered):
            call("name?", session_id=other.id)

    def test_a_call_without_a_registered_answer_is_an_error_of_the_test(self):
        client = SocketClient(raise_exceptions=False).connect()
        with self.assertRaisesMessage(Unanswered, "client.answer('other?', value)"):
            call("other?", session_id=client.id)

    def test_a_coroutine_may_not_wait_for_clients(self):
        @on_event("ask")
        async def ask(request, socket, context, waits):
            function = call if waits else sync_to_async(call)
            answer = function("name?", session_id=socket.id)
            return answer if waits else await answer

        client = SocketClient().connect()
        client.answer("name?", "Ann")
        assert client.emit("ask", False) == "Ann"
        refused = self.assertRaisesMessage(RuntimeError, "coroutine")
        with self.assertLogs("django_socketio"), refused:
            client.emit("ask", True)

    def test_sockets_are_moved_and_ended_from_a_view(self):
        tabs = [SocketClient(self.ann).connect() for _ in range(2)]
        subscribe("room-1", user=self.ann)
        assert [tab.channels for tab in tabs] == [["room-1"]] * 2
        unsubscribe("room-1", session_id=tabs[0].id)
        assert [tab.channels for tab in tabs] == [[], ["room-1"]]
        disconnect(channel="room-1")
        assert [tab.connected for tab in tabs] == [True, False]

    def test_a_callback_gets_the_answer(self):
        answers = []

        @on_event("ask")
        def ask(request, socket, context):
            socket.emit("name?", callback=answers.append)

        client = SocketClient().connect()
        client.emit("ask")  # a browser need not answer
        client.answer("name?", "Ann")
        client.emit("ask")
        assert answers == ["Ann"]

    # Ends

    def test_ends_have_their_reasons_and_run_the_last_handlers(self):
        ends = []
        on_disconnect(lambda request, socket, context: ends.append(socket.disconnect_reason))
        on_event("kick")(lambda request, socket, context: socket.disconnect())
        client = SocketClient().connect()
        client.disconnect()
        client.connect().drop()
        client.connect()
        assert client.emit("kick") is None
        assert client.disconnect_reason == ends[-1]
        assert ends == [
            "client namespace disconnect",
            "transport close",
            "server namespace disconnect",
        ]

    def test_a_client_that_was_dropped_returns_to_its_channels(self):
        client = SocketClient().connect({"token": "t"})
        client.subscribe("room-1")
        first = client.id
        client.drop()
        assert client.channels == []
        client.reconnect()
        assert client.id != first
        assert client.channels == ["room-1"]
        assert client.socket.auth == {"token": "t"}

    @override_settings(SOCKETIO_RECOVERY_FOR_ALL=True)
    def test_a_client_that_was_dropped_does_not_return_to_its_socket(self):
        ends = []
        on_disconnect(lambda request, socket, context: ends.append(socket.disconnect_reason))
        client = SocketClient().connect()
        broadcast("hello")
        assert client.assert_received("message").args == ("hello",)
        client.drop()
        assert ends == ["transport close"]

    def test_a_client_does_not_return_to_a_channel_that_it_has_left_by_a_token(self):
        client = SocketClient().connect()
        signed = sign_channel("room-1", anyone=True)
        for token in (signed, str(signed)):  # as a view has it, as a page has it
            client.subscribe(token)
            client.unsubscribe(token)
            client.drop()
            client.reconnect()
            assert client.channels == []

    def test_a_handler_of_the_end_that_fails_is_raised(self):
        on_disconnect(lambda request, socket, context: 1 / 0)
        client = SocketClient().connect()
        with self.assertLogs("django_socketio"), self.assertRaises(ZeroDivisionError):
            client.drop()

    def test_namespaces_are_sockets_of_their_own_on_one_connection(self):
        on_message(namespace="/admin")(lambda request, socket, context, text: [socket.namespace])
        client = SocketClient().connect()
        admin = client.of("/admin").connect()
        assert admin.send("hello") == ["/admin"]
        broadcast("for admins", namespace="/admin")
        admin.assert_received("message", "for admins")
        client.assert_nothing_received()
        with self.assertRaisesMessage(Refused, "Invalid namespace"):
            SocketClient(namespace="/nowhere").connect()
        admin.disconnect()
        assert client.connected
        admin.connect()
        client.drop()
        assert admin.disconnect_reason == "transport close"

    def test_namespaces_share_each_connection_from_before_the_first_one_on(self):
        on_message(namespace="/admin")(lambda request, socket, context, text: text)
        client = SocketClient(self.ann)
        sockets = [client, client.of("/admin")]
        for dropped in sockets * 2:
            for socket in sockets:
                socket.reconnect()
            dropped.drop()
            assert [socket.disconnect_reason for socket in sockets] == ["transport close"] * 2

    def test_a_page_whose_sockets_the_server_has_ended_begins_a_new_session(self):
        for namespace in ("/", "/admin"):
            on_event("who", namespace=namespace)(lambda request, *_: request.user.get_username())
        client = SocketClient().connect()
        admin = client.of("/admin").connect()
        client.http.force_login(self.ann)
        disconnect(session_id=client.id)
        assert client.connect().emit("who") == "", "the session of the other socket has ended"
        disconnect(session_id=client.id)
        disconnect(session_id=admin.id, namespace="/admin")
        assert [one.connect().emit("who") for one in (client, admin)] == ["ann", "ann"]

    def test_the_socket_and_its_context_can_be_looked_at(self):
        @on_connect
        def greet(request, socket, context):
            context["name"] = "Ann"
            socket.subscribe("everyone")

        client = SocketClient().connect()
        assert client.context == {"name": "Ann"}
        assert client.socket.session.session_id == client.id
        assert client.channels == ["everyone"]

    def test_the_numbers_of_the_server_are_those_of_the_process(self):
        client = SocketClient().connect()
        client.subscribe("room-1")
        for numbers in (stats(), *site_stats()["processes"]):
            assert (numbers["sockets"], numbers["channels"]) == ({"/": 1}, 1)
        for is_site in (False, True):
            response = metrics(RequestFactory().get("/metrics"), site=is_site)
            assert b'django_socketio_sockets{namespace="/"' in response.content

    # Logins

    def test_a_logout_in_the_same_browser_ends_the_socket(self):
        self.client.force_login(self.ann)
        client, other = SocketClient(http=self.client).connect(), SocketClient(self.ann).connect()
        with self.captureOnCommitCallbacks(execute=True):
            self.client.logout()
        assert client.disconnect_reason == "session ended"
        assert other.connected

    # Time

    @override_settings(SOCKETIO_PING_INTERVAL=25, SOCKETIO_PING_TIMEOUT=20)
    def test_a_frozen_client_ends_by_its_ping_timeout(self):
        client, other = SocketClient().connect(), SocketClient().connect()
        client.advance(1_000)
        assert client.connected
        with self.assertRaisesMessage(ValueError, "from 0, not -1"):
            client.advance(-1)
        client.freeze()
        client.advance(44.9)
        assert client.connected
        client.advance(0.2 + 25)
        assert client.disconnect_reason == "ping timeout"
        assert other.connected

    def test_a_login_that_ends_without_a_signal_ends_by_its_check(self):
        client = SocketClient(user=self.ann).connect()
        User.objects.filter(pk=self.ann.pk).update(is_active=False)
        client.advance(60)
        assert client.disconnect_reason == "session ended"

    def test_a_session_that_expires_ends_its_sockets(self):
        client = SocketClient(user=self.ann).connect()
        Session.objects.update(expire_date=timezone.now() + timedelta(hours=1))
        client.advance(3_000)
        assert client.connected
        client.advance(700)
        assert client.disconnect_reason == "session ended"
        assert abs(timezone.now() - datetime.now(timezone.get_current_timezone())) < timedelta(60)

    @override_settings(SOCKETIO_CLIENT_MESSAGE_RATE=1, SOCKETIO_RATE_BURST=2)
    def test_rates_are_those_of_the_moved_time(self):
        on_message(lambda request, socket, context, message: message)
        client = SocketClient().connect()
        client.send(1)
        client.advance(2)
        assert [client.send(number) for number in range(2)] == [0, 1]
        with self.assertLogs("django_socketio"):
            client.send(3)
        assert client.disconnect_reason == "rate exceeded"

    @override_settings(SOCKETIO_ADDRESS_CONNECT_RATE=1, SOCKETIO_RATE_BURST=1)
    def test_too_many_connections_are_refused(self):
        SocketClient().connect()
        with self.assertRaisesMessage(Refused, "SOCKETIO_ADDRESS_CONNECT_RATE") as caught:
            SocketClient().connect()
        assert caught.exception.status == 429
        SocketClient(http=Client(REMOTE_ADDR="127.0.0.2")).connect()


class OtherTestCases(TransactionTestCase):
    def test_a_transaction_test_case_commits(self):
        @on_message
        def make(request, socket, context, name):
            connection.on_commit(lambda: socket.send("committed"))
            User.objects.create_user(name)

        client = SocketClient().connect()
        client.send("bob")
        client.assert_received("message", "committed")


@override_settings(
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
)
class WithoutDatabase(SimpleTestCase):
    def test_a_socket_needs_no_database(self):
        on_message(lambda request, socket, context, message: request.session.get("n", 0) + message)
        assert SocketClient(session={"n": 1}).connect().send(2) == 3


class Asynchronous(TestCase):
    async def test_asynchronous_tests_use_the_client_in_the_thread_of_the_database(self):
        on_event("count")(lambda request, socket, context: User.objects.count())
        client = await sync_to_async(SocketClient().connect)()
        assert await sync_to_async(client.emit)("count") == 0
