"""The decorators themselves: no server is needed."""

import re

import pytest

from django_socketio.events import (
    EventError,
    has_namespace,
    may_subscribe,
    on_connect,
    on_event,
    on_finish,
    on_join,
    on_message,
    on_subscribe,
)


def handler(request, socket, context, *args):
    """Do nothing."""


@pytest.mark.parametrize(
    "decorate",
    [on_message, on_message(), on_message(channel="^a"), on_event("e"), on_connect(namespace="/n")],
)
def test_a_decorator_returns_the_function(decorate):
    assert decorate(handler) is handler


def test_on_connect_takes_no_channel():
    with pytest.raises(EventError, match="on_connect has no channels"):
        on_connect(channel="^room-")


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 9999 + ")" * 9999])
def test_a_bad_pattern_is_told_at_import(pattern):
    expected = re.escape(f"channel={pattern!r}): expected a regular expression")
    with pytest.raises(EventError, match=expected):
        on_message(channel=pattern)


def test_a_pattern_given_in_the_place_of_the_handler_is_told():
    expected = re.escape("""not '^room-'; a pattern is given as @on_message(channel='^room-')""")
    with pytest.raises(EventError, match=expected):
        on_message("^room-")


def test_what_is_no_function_is_told():
    with pytest.raises(EventError, match=r"@on_connect decorates a function, not 5$"):
        on_connect(5)
    with pytest.raises(EventError, match=r"@on_connect decorates a function, not '/admin'$"):
        on_connect("/admin")


def generator(request, socket, context, *args):
    yield "an answer"


async def asynchronous_generator(request, socket, context, *args):
    yield "an answer"


@pytest.mark.parametrize("function", [generator, asynchronous_generator])
@pytest.mark.parametrize(
    "decorate",
    [on_message, on_event("e"), on_connect, on_subscribe(channel="^a"), may_subscribe, on_join],
)
def test_a_generator_is_refused_because_its_call_would_run_nothing(decorate, function):
    with pytest.raises(EventError, match=r"generator is a generator: its call would run nothing"):
        decorate(function)


@pytest.mark.parametrize("name", ["subscribe", "_presence", "connect", "newListener", "", handler])
def test_on_event_refuses_names_that_cannot_come(name):
    with pytest.raises(EventError, match=r"reserved|takes the event's name"):
        on_event(name)


@pytest.mark.parametrize("namespace", ["/a,b", "/a\n", 3])
def test_bad_namespaces_are_told(namespace):
    with pytest.raises(EventError, match="namespace"):
        on_finish(namespace=namespace)


def test_a_namespace_gets_its_slash():
    on_message(namespace="admin")(handler)
    assert has_namespace("/admin")


def test_only_the_main_namespace_is_there_without_handlers():
    assert has_namespace("/")
    assert not has_namespace("/admin")


def test_a_handler_can_be_unregistered():
    on_subscribe(handler)
    on_subscribe.disconnect(handler)
    assert list(on_subscribe.handlers) == []
