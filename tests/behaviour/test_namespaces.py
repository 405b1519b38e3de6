"""Handlers in the form of a class."""

from functools import partial, partialmethod

import gevent
import pytest
from django.core.exceptions import PermissionDenied

from django_socketio.events import on_connect, on_event
from django_socketio.exceptions import EventError
from django_socketio.namespaces import Namespace
from tests.kit.clients import WebSocketClient
from tests.kit.waiting import wait_until


def test_attributes_last_as_long_as_the_socket(connect, server):
    class Counter(Namespace, namespace="/"):
        def on_connect(self):
            self.count = 0

        def on_count(self, step):
            self.count += step
            return self.count

    @on_event("context")
    def context_of(request, socket, context):
        return context

    first, second = connect(server), connect(server)
    assert first.ask("count", 2) == [2]
    assert first.ask("count", 3) == [5]
    assert second.ask("count", 1) == [1]
    assert first.ask("context") == [{"count": 5}]


def test_every_event_has_its_method(connect, server, seen):
    class Whole(Namespace, namespace="/", channel="^room-"):
        def on_connect(self):
            seen("connect", self.request.path)

        def on_subscribe(self, channel):
            seen("subscribe", channel)

        def on_message(self, message):
            seen("message", message, self.rooms)
            raise KeyError(message)

        def on_error(self, error):
            seen("error", repr(error))

        def on_unsubscribe(self, channel):
            seen("unsubscribe", channel)

        def on_disconnect(self):
            seen("disconnect")

        def on_finish(self):
            seen("finish", self.socket.disconnect_reason)

    client = connect(server)
    client.subscribe("room-1")
    client.ask("message", "hi")
    client.close()
    assert seen.take(7) == [
        ("connect", "/socket.io/"),
        ("subscribe", "room-1"),
        ("message", "hi", ["room-1"]),
        ("error", "KeyError('hi')"),
        "disconnect",
        ("unsubscribe", "room-1"),
        ("finish", "transport close"),
    ]


def test_rooms_and_broadcasts(connect, server):
    class Chat(Namespace, namespace="/"):
        def on_enter(self, room):
            self.join(room)
            self.emit_to_room(room, "entered", "somebody")
            return self.rooms

        def on_exit(self, room):
            self.leave(room)
            return self.rooms

        def on_all(self):
            self.broadcast_event("news", 1)
            self.broadcast_event_not_me("others", 2)

    first, second = connect(server), connect(server)
    assert first.ask("enter", "a") == [["a"]]
    assert second.ask("enter", "a") == [["a"]]
    assert first.event() == ["entered", "somebody"]
    assert second.ask("exit", "a") == [[]]
    first.emit("all")
    assert first.event() == ["news", 1]
    assert [second.event(), second.event()] == [["news", 1], ["others", 2]]


def test_a_client_calls_the_methods_that_it_may(connect, server):
    class Guarded(Namespace, namespace="/"):
        def get_initial_acl(self):
            return ["on_login"]

        def on_login(self, name):
            self.add_acl_method("on_secret")
            return "welcome"

        def on_secret(self):
            self.reset_acl()
            return 42

        def on_message(self, message):
            return message

    client = connect(server)
    refused = [{"error": "on_secret is not allowed"}]
    assert client.ask("secret") == refused
    assert client.ask("message", "hi") == [{"error": "on_message is not allowed"}]
    assert client.ask("login", "ann") == ["welcome"]
    assert client.ask("secret") == [42]
    assert client.ask("secret") == refused


def test_two_classes_of_a_namespace_have_an_acl_each(connect, server):
    class Guarded(Namespace, namespace="/"):
        def get_initial_acl(self):
            return ["on_login"]

        def on_login(self):
            return self.is_method_allowed("on_login")

    class Open(Namespace, namespace="/"):
        def on_open(self):
            return "open"

    class Closing(Namespace, namespace="/"):
        def on_closing(self):
            self.add_acl_method("on_other")
            return "closing"

    client = connect(server)
    for _ in range(2):
        assert client.ask("open") == ["open"]
        assert client.ask("login") == [True]
    assert client.ask("closing") == ["closing"]
    assert client.ask("closing") == [{"error": "on_closing is not allowed"}]
    assert client.ask("open") == ["open"]


def test_the_acl_of_a_socket_changes(connect, server):
    class Changing(Namespace, namespace="/"):
        def on_add(self, name, times):
            for _ in range(times):
                self.add_acl_method(name)
            return len(str(self.context))

        def on_remove(self, name):
            self.del_acl_method(name)

        def on_lift(self):
            self.lift_acl_restrictions()

        def on_error(self, error):
            self.problem = str(error)

        def on_problem(self):
            return self.problem

    client = connect(server)
    client.ask("remove", "on_add")
    assert "all methods are allowed" in client.ask("problem")[0]
    client.ask("add", "on_add", 1)  # from now on, the client calls no other
    assert client.ask("problem") == [{"error": "on_problem is not allowed"}]
    before = client.ask("add", "on_lift", 1)
    assert client.ask("add", "on_lift", 10) == before
    client.ask("lift")
    assert "all methods" in client.ask("problem")[0]
    client.ask("add", "on_remove", 1)
    client.ask("remove", "on_remove")
    assert client.ask("remove") == [{"error": "on_remove is not allowed"}]


def test_a_spawned_greenlet_ends_with_the_socket(connect, server, seen):
    class Ticker(Namespace, namespace="/"):
        def on_start(self):
            self.spawn(self.tick)

        def tick(self):
            try:
                self.emit("tick")
                gevent.sleep(60)
            finally:
                seen("ended")

    client = connect(server)
    client.ask("start")
    assert client.event() == ["tick"]
    assert seen.empty
    client.close()
    assert seen.next() == "ended"


@pytest.mark.parametrize("error", [PermissionDenied, KeyError])
def test_a_spawned_greenlet_ends_with_a_socket_that_is_refused(connect, server, seen, error):
    class Ticker(Namespace, namespace="/refused"):
        def on_connect(self):
            self.spawn(self.tick)
            gevent.sleep(0)

        def tick(self):
            try:
                gevent.sleep(60)
            finally:
                seen("ended")

    @on_connect(namespace="/refused")
    def refuse(request, socket, context):
        raise error("no")

    client = connect(server)
    client.send("40/refused,")
    assert client.receive().startswith("44/refused,")
    assert seen.next() == "ended"


def test_a_spawned_greenlet_ends_after_the_last_handler_even_if_that_fails(connect, server, seen):
    class Ticker(Namespace, namespace="/"):
        def on_start(self):
            self.spawn(self.tick)

        def tick(self):
            try:
                self.emit("tick")
                gevent.sleep(60)
            finally:
                seen("ended")

        def on_finish(self):
            seen("finish")
            with pytest.raises(EventError, match="has ended"):
                self.spawn(self.tick)
            raise KeyError

    client = connect(server)
    client.ask("start")
    assert client.event() == ["tick"]
    client.close()
    assert seen.take(2) == ["finish", "ended"]


def test_the_log_has_the_error_of_a_spawned_greenlet(server, caplog):
    class Ticker(Namespace, namespace="/"):
        def on_start(self):
            self.spawn(self.fail)

        def fail(self):
            raise KeyError("spawned")

    client = WebSocketClient(server.port)
    client.connect()
    client.ask("start")
    wait_until(lambda: "Ticker.fail" in caplog.text)
    (record,) = [one for one in caplog.records if "Ticker.fail" in one.getMessage()]
    assert (record.levelname, record.name) == ("ERROR", "django_socketio.server")
    assert repr(record.exc_info[1]) == "KeyError('spawned')"


def test_arguments_are_those_of_the_method(connect, server):
    class Exact(Namespace, namespace="/"):
        def on_two(self, one, two):
            return one + two

        async def on_later(self, one):
            return one

    client = connect(server)
    assert client.ask("two", 1, 2) == [3]
    assert client.ask("two", 1) == [{"error": "Wrong number of arguments"}]
    assert client.ask("later", "async") == ["async"]


def test_a_class_without_methods_makes_its_namespace_known(connect, server):
    class Nothing(Namespace, namespace="/nothing"):
        pass

    client = connect(server)
    assert client.connect("/nothing").startswith("40/nothing,")


def undecorated(function):
    """Decorate a function, and hide its parameters."""

    def call(*args):
        return function(*args)

    return call


class Doubling:
    """A callable object."""

    def __call__(self, one):
        return [one, one]


def test_methods_of_all_kinds_are_handlers(connect, server):
    class Kinds(Namespace, namespace="/"):
        on_class = classmethod(lambda cls, one: [cls.__name__, one])
        on_static = staticmethod(lambda one: one)
        on_nothing = staticmethod(lambda: 1)
        on_any = undecorated(lambda self, one: [self.socket.namespace, one])
        on_partial = partial(lambda first, one: [first, one], "first")
        on_partly = partialmethod(lambda self, first, one: [first, one], "first")
        on_object = Doubling()

        def on_names(self, request, socket, context, _request):
            return [self.request.path, request, socket, context, _request]

    client = connect(server)
    assert client.ask("class", 1) == [["Kinds", 1]]
    assert client.ask("static", 1) == [1]
    assert client.ask("nothing") == [1]
    assert client.ask("any", 1) == [["/", 1]]
    assert client.ask("partial", 1) == client.ask("partly", 1) == [["first", 1]]
    assert client.ask("object", 1) == [[1, 1]]
    assert client.ask("names", 1, 2, 3, 4) == [["/socket.io/", 1, 2, 3, 4]]
    wrong = [{"error": "Wrong number of arguments"}]
    for event in ("class", "static", "partial", "partly", "object", "names"):
        assert client.ask(event) == wrong, event
    assert client.ask("nothing", 1) == wrong


def test_a_class_has_the_methods_of_its_mixins(connect, server):
    class Greeting:
        def on_greet(self):
            return f"hello {self.name}"

        def on_gone(self):
            raise AssertionError

    class Named(Namespace):
        def on_connect(self):
            self.name = "somebody"

    class Both(Greeting, Named, namespace="/"):
        on_gone = None

        def on_connect(self):
            super().on_connect()
            self.name += " else"

    client = connect(server)
    assert client.ask("greet") == ["hello somebody else"]
    client.emit("gone", id=1)
    assert client.sync() == []


def test_names_of_presence_are_those_of_client_events(connect, server):
    class Rooms(Namespace, namespace="/"):
        def on_join(self, room):
            return ["join", room]

        def on_leave(self, room):
            return ["leave", room]

    client = connect(server)
    assert [client.ask("join", "a"), client.ask("leave", "a")] == [
        [["join", "a"]],
        [["leave", "a"]],
    ]


def test_a_base_class_is_registered_with_the_classes_that_name_a_namespace(connect, server):
    class Base(Namespace):
        def on_who(self):
            return type(self).__name__

    class Derived(Base, namespace="/"):
        pass

    class Other(Base, namespace="other"):  # the protocol's name has a slash
        pass

    assert Base.registered is None
    assert (Derived.registered, Other.registered) == ("/", "/other")
    assert connect(server).ask("who") == ["Derived"]


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"channel": "^a"}, "needs namespace="),
        ({"namespace": "/", "channel": "("}, "regular expression"),
        ({"namespace": "/a,b"}, "a,b"),
    ],
)
def test_mistakes_are_told_at_import(how, problem):
    with pytest.raises(EventError, match=problem):
        type("Wrong", (Namespace,), {"on_message": lambda self, message: None}, **how)


def test_a_method_without_self_is_told_at_import():
    with pytest.raises(EventError, match=r"Wrong\.on_message takes no self"):
        type("Wrong", (Namespace,), {"on_message": lambda: None}, namespace="/")


def test_reserved_names_are_told_at_import():
    with pytest.raises(EventError, match="reserved"):
        type("Wrong", (Namespace,), {"on_newListener": lambda self: None}, namespace="/")
