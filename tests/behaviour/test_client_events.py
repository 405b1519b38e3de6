"""Events that clients send to the other members of a channel, without a handler."""

import pytest
from django.test import override_settings

from django_socketio.checks.client_events import check_client_events, check_rates_of_client_events
from django_socketio.checks.patterns import check_patterns
from django_socketio.concurrency.workers import Workers
from django_socketio.events import on_error, on_event, on_subscribe
from django_socketio.relay.memory import MemoryRelay
from django_socketio.sockets import relaying
from django_socketio.sockets.relaying import RelayingClient
from tests.kit.clients import join
from tests.kit.logs import errors_of

EVENTS = {"^room-": ["typing", "cursor"], "^call-": {"events": ["typing"], "sender": True}}

# Whether the relay waits, as Redis does: events then pass the mailbox.
at_once = pytest.mark.parametrize("at_once", [True, False], ids=["at-once", "by-mailbox"])


@pytest.fixture
def site(serve, monkeypatch):
    def start(at_once=True, **settings):
        monkeypatch.setattr(MemoryRelay, "publishes_at_once", at_once)
        return serve(CLIENT_EVENTS=EVENTS, MESSAGE_LOG_FORMAT=None, **settings)

    return start


@pytest.fixture
def relayed(monkeypatch):
    """Keep the messages that were relayed in the event loop."""
    messages = []
    relay = RelayingClient._relay

    def noting(self, lifecycle, packet, rule):
        messages.append(packet.data)
        return relay(self, lifecycle, packet, rule)

    monkeypatch.setattr(RelayingClient, "_relay", noting)
    return messages


@at_once
def test_members_of_the_channel_but_the_sender_receive_the_event(site, relayed, at_once):
    server = site(at_once)
    ann, bob = join(server, "room-1", "room-2"), join(server, "room-1")
    eve, fay = join(server, "room-2"), join(server)
    assert ann.ask("channel", "room-1", "typing", {"a": 1}, [2]) == [None]
    assert bob.receive() == '42["typing",{"a":1},[2]]'
    assert [one.sync() for one in (ann, bob, eve, fay)] == [[], [], [], []]
    ann.emit("channel", "room-1", "cursor")
    assert bob.receive() == '42["cursor"]'
    assert len(relayed) == (2 if at_once else 0)


@at_once
def test_binary_arguments_are_relayed(site, at_once):
    server = site(at_once)
    ann, bob = join(server, "room-1"), join(server, "room-1")
    placeholder = '{"_placeholder":true,"num":0}'
    ann.send(f'451-["channel","room-1","cursor",{placeholder}]')
    ann.send(b"\0\xff")
    assert bob.receive() == f'451-["cursor",{placeholder}]'
    assert bob.receive() == b"\0\xff"


@at_once
def test_the_receivers_learn_the_sender_where_the_rule_says_so(site, at_once):
    server = site(at_once)
    ann, bob = join(server, "call-1"), join(server, "call-1")
    forged = {"channel": "call-1", "session_id": bob.id, "user": "1"}
    ann.emit("channel", "call-1", "typing", forged)
    ann.sync()
    sender = f'{{"channel":"call-1","session_id":"{ann.id}","user":null}}'
    assert bob.receive() == (
        f'42["typing",{{"channel":"call-1","session_id":"{bob.id}","user":"1"}},{sender}]'
    )


@at_once
@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("room-2", "typing"), "the socket is not on the channel 'room-2'"),
        ((["room-1"], "typing"), "the socket is not on the channel"),
        (("desk-1", "typing"), "'typing' is no event that clients may send to the channel"),
        (("call-1", "cursor"), "'cursor' is no event that clients may send"),
        (("room-1", "other"), "'other' is no event that clients may send"),
        (("room-1", "connect"), "'connect' is no event that can be sent"),
        (("room-1", 7), "7 is no event"),
        (("room-1",), "None is no event"),
    ],
)
def test_all_else_is_refused(site, at_once, args, problem):
    server = site(at_once)
    ann = join(server, "room-1", "desk-1", "call-1")
    others = [join(server, name) for name in ("room-1", "room-2", "desk-1", "call-1")]
    (answer,) = ann.ask("channel", *args)
    assert problem in answer["error"]
    assert [one.sync() for one in others] == [[]] * 4


def test_an_event_without_a_channel_is_not_relayed(site):
    server = site()
    ann, bob = join(server, "room-1"), join(server, "room-1")
    ann.emit("typing")
    assert ann.sync() == []
    assert bob.sync() == []


def test_no_worker_runs_where_the_relay_does_not_wait(site, monkeypatch):
    server = site()
    ann, bob = join(server, "room-1"), join(server, "room-1")
    monkeypatch.setattr(Workers, "schedule", lambda *args: pytest.fail("a worker is asked for"))
    ann.emit("channel", "room-1", "typing", id=7)
    assert bob.receive() == '42["typing"]'
    assert ann.receive() == "437[null]"
    monkeypatch.undo()


def test_a_handler_takes_the_event_and_nothing_is_relayed(site):
    @on_event("typing", channel="^room-1")
    def typing(request, socket, context, *args):
        return f"handled {socket.event_channel}"

    server = site()
    ann, bob = join(server, "room-1", "room-2"), join(server, "room-1", "room-2")
    assert ann.ask("channel", "room-1", "typing") == ["handled room-1"]
    assert bob.sync() == []
    assert ann.ask("channel", "room-2", "typing") == [None]  # whose pattern is another one
    assert bob.receive() == '42["typing"]'


def test_events_keep_their_order_with_those_that_handlers_take(site, relayed):
    @on_event("said")
    def said(request, socket, context, number):
        socket.broadcast_channel(number, "room-1", event="said")

    server = site()
    ann, bob = join(server), join(server, "room-1")
    ann.emit("subscribe", "room-1")
    for number in range(20):
        ann.emit("said", number)
        ann.emit("channel", "room-1", "typing", number)
    expected = [f'42["{name}",{n}]' for n in range(20) for name in ("said", "typing")]
    assert [bob.receive() for _ in expected] == expected


def test_a_subscription_that_is_not_decided_does_not_admit_the_event(site):
    @on_subscribe(channel="^room-")
    def refuse(request, socket, context, channel):
        socket.unsubscribe(channel)

    server = site()
    ann, bob = join(server), join(server)
    bob.emit("subscribe", "room-1")
    ann.emit("subscribe", "room-1")
    (answer,) = ann.ask("channel", "room-1", "typing")
    assert "not on the channel" in answer["error"]


def test_many_members_have_their_turn(site, relayed, monkeypatch):
    monkeypatch.setattr(relaying, "AT_ONCE", 1)
    server = site()
    ann, bob = join(server, "room-1"), join(server, "room-1")
    ann.emit("channel", "room-1", "typing")
    assert bob.receive() == '42["typing"]'
    assert relayed == []


def test_the_rates_of_clients_count(site):
    server = site(CLIENT_MESSAGE_RATE=0.01, RATE_BURST=400)  # four, and no fifth
    ann, bob = join(server, "room-1"), join(server, "room-1")
    for number in range(10):
        ann.emit("channel", "room-1", "typing", number)
    assert ann.is_closed()
    assert 0 < len(bob.sync()) <= 2


@at_once
def test_a_relay_that_fails_is_told_to_the_client_and_to_on_error(site, monkeypatch, at_once):
    seen = []

    @on_error
    def failed(request, socket, context, exception):
        seen.append(str(exception))

    server = site(at_once)
    ann = join(server, "room-1")

    def fail(envelope):
        raise ValueError("on purpose")

    monkeypatch.setattr(server.socket_server.channels, "publish", fail)
    assert ann.ask("channel", "room-1", "typing") == [{"error": "Internal error"}]
    ann.sync()
    assert seen == ["on purpose"]


# The setting


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (["typing"], 'must be a dict such as {"^room-": ["typing"], '),
        ({"(": ["typing"]}, "'(' is no regular expression"),
        ({"^room-": "typing"}, "'^room-' needs a list of names of events, not 'typing'"),
        ({"^room-": {"sender": True}}, "'^room-' needs a list of names of events, not None"),
        ({"^room-": {"events": [], "send": 1}}, "'^room-' has the unknown key 'send'"),
        ({"^room-": {"events": [], "sender": 1}}, "'sender' of '^room-' must be True or False"),
        ({"^room-": ["subscribe"]}, "'subscribe' is no name of an event that clients can send"),
        ({"^room-": ["connect"]}, "the event name 'connect' is reserved"),
        ({"^room-": ["_positions"]}, "the event name '_positions' is reserved"),
        ({"^room-": [""]}, "'' is no name of an event"),
        ({"^room-": [7]}, "an event's name is a string, not 7"),
    ],
)
def test_values_that_cannot_be_used_are_reported(value, problem):
    (error,) = errors_of(CLIENT_EVENTS=value)
    assert error.id == "django_socketio.E001"
    assert problem in error.msg


@override_settings(
    SOCKETIO_CLIENT_EVENTS={"^room-": ["typing", "cursor"], "^(a+)+$": ["typing"]},
)
def test_names_that_handlers_take_and_missing_rates_are_reported():
    @on_event("typing", channel="^room-")
    def typing(request, socket, context):
        """Take the event."""

    @on_event("cursor", channel="^desk-")
    def cursor(request, socket, context):
        """Take the event of other channels."""

    (warning,) = check_client_events()
    assert warning.id == "django_socketio.W013"
    assert "'typing' for '^room-'" in warning.msg
    assert {one.id for one in check_patterns()} == {"django_socketio.W003"}
    assert [one.id for one in check_rates_of_client_events()] == ["django_socketio.W014"]
    with override_settings(SOCKETIO_CLIENT_MESSAGE_RATE=10):
        assert check_rates_of_client_events() == []
