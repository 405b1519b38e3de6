"""``history``, ``emit(…, keep=…)`` and what they say of bad input."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings

from django_socketio import ChannelError, NoSocket, broadcast_channel, emit, history
from django_socketio.relay.envelope import StreamPosition
from django_socketio.testing import SocketClient

User = get_user_model()

ROOMS = override_settings(SOCKETIO_HISTORY={"^room-": {"size": 3, "seconds": 3600}})


class HistoryTests(TestCase):
    @ROOMS
    def test_messages_of_a_channel_are_kept_without_sockets(self):
        emitted = [emit("saved", number, {"a": 1}, channel="room-1") for number in range(5)]
        self.assertEqual([(one.received, one.is_kept) for one in emitted], [(0, True)] * 5)
        found = history("room-1")
        self.assertEqual([one.args for one in found], [(n, {"a": 1}) for n in (2, 3, 4)])
        self.assertEqual([one.event for one in found], ["saved"] * 3)
        self.assertEqual([one.position for one in found], [one.position for one in emitted[2:]])
        self.assertEqual((found.position, found.is_complete), (emitted[4].position, True))
        self.assertEqual([one.args[0] for one in history("room-1", last=2)], [3, 4])
        since = history(channel="room-1", since=emitted[3].position)
        self.assertEqual(([one.args[0] for one in since], since.is_complete), ([4], True))
        self.assertIs(history("room-1", since=emitted[0].position).is_complete, False)

    @ROOMS
    def test_a_history_belongs_to_one_channel_and_one_namespace(self):
        emit("saved", 1, channel="room-1", namespace="/admin")
        self.assertEqual((history("room-1"), history("room-2")), ([], []))
        self.assertEqual(len(history("room-1", namespace="/admin")), 1)

    @ROOMS
    def test_broadcasts_are_part_of_it_and_find_sockets_as_before(self):
        broadcast_channel("hello", "room-1")
        with self.assertRaises(NoSocket):
            broadcast_channel("hello", "other")
        self.assertEqual([one.args for one in history("room-1")], [("hello",)])
        self.assertEqual(history("other"), [])

    def test_a_message_is_kept_for_any_audience(self):
        ann = User.objects.create_user("ann")
        emit("notice", "kept", user=ann, keep=60)
        emit("notice", "not kept", user=ann)
        emit("notice", "for a channel", channel="a", keep=0.5)
        self.assertEqual([one.args for one in history(user=ann)], [("kept",)])
        self.assertEqual([one.args for one in history(user=ann.pk)], [("kept",)])
        self.assertEqual([one.args for one in history("a")], [("for a channel",)])

    def test_a_message_is_kept_from_the_commit_on(self):
        with self.captureOnCommitCallbacks(execute=True):
            emitted = emit("saved", channel="a", on_commit=True, keep=60)
            self.assertEqual(history("a"), [])
        self.assertEqual((emitted.is_kept, len(history("a"))), (True, 1))

    @ROOMS
    def test_a_socket_gets_what_is_kept_as_well(self):
        client = SocketClient().connect()
        client.subscribe("room-1")
        self.assertEqual(emit("saved", 1, channel="room-1").is_kept, False)
        client.assert_received("saved", 1)
        self.assertEqual(len(history("room-1")), 1)

    @override_settings(SOCKETIO_HISTORY={"^room-": {"size": 3, "seconds": 3600, "replay": 3}})
    def test_what_was_sent_before_the_first_client_is_there_as_well(self):
        emit("saved", 1, channel="room-1")
        emit("notice", 2, channel="other", keep=60)
        client = SocketClient().connect()
        client.subscribe("room-1")
        client.assert_received("saved", 1)
        self.assertEqual([len(history(name)) for name in ("room-1", "other")], [1, 1])


POSITION = StreamPosition("epoch", 1)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, TypeError, "takes one of channel, user, session and group, not none"),
        ({"channel": "a", "user": 1}, TypeError, "and group, not channel and user"),
        ({"channel": ["a", "b"]}, ValueError, "history(channel=…) takes one channel, not 2"),
        ({"channel": []}, ValueError, "history(channel=…) takes one channel, not 0"),
        ({"channel": ""}, ChannelError, "channel"),
        ({"user": "ann"}, ValueError, "history(user=…) takes a User or its primary key"),
        ({"user": None}, TypeError, "history(user=…) takes a User"),
        ({"channel": "a", "last": 1e9}, ValueError, "from 1 to 10000, not 1000000000.0"),
        ({"channel": "a", "last": 10_001}, ValueError, "from 1 to 10000, not 10001"),
        ({"channel": "a", "last": 0}, ValueError, "from 1 to 10000, not 0"),
        ({"channel": "a", "last": -1}, ValueError, "from 1 to 10000, not -1"),
        ({"channel": "a", "last": "20"}, ValueError, "from 1 to 10000, not '20'"),
        ({"channel": "a", "last": True}, ValueError, "from 1 to 10000, not True"),
        ({"channel": "a", "since": 7}, TypeError, "history(since=…) takes the position of"),
        ({"channel": "a", "since": ("e",)}, TypeError, "history(since=…) takes the position of"),
        ({"channel": "a", "since": ("e", -1)}, TypeError, "history(since=…) takes the position"),
    ],
)
def test_bad_arguments_of_history_are_named(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        history(**arguments)


@pytest.mark.parametrize("keep", [0, -1, "60", True, float("inf"), float("nan"), 1e10])
def test_bad_times_to_keep_are_named(keep):
    with pytest.raises(ValueError, match=re.escape(f"not {keep!r}")):
        emit("saved", channel="a", keep=keep)
