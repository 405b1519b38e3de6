"""``manage.py socketio_send``: its arguments stand in any order, and name one kind of receivers."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import TestCase

from django_socketio.management.commands.socketio_send import Command
from django_socketio.testing import SocketClient

HI = '"hi"'

TO_THE_CHANNEL = [
    ["room-1", HI],
    ["room-1", HI, "--event", "notice"],
    ["--event", "notice", "room-1", HI],
    ["room-1", "--event", "notice", HI],
    ["room-1", "--event=notice", HI, "--namespace", "/"],
    ["--verbosity", "0", "room-1", "--namespace=/", HI, "--no-color"],
    ["--event", "notice", "--", "room-1", HI],
]

REFUSED = [
    ([HI], "needs a receiver: a channel before it, --all or --session=ID"),
    ([HI, "--event", "notice"], "needs a receiver"),
    (["room-1", HI, "--all"], "one receiver, not a channel and --all"),
    (["--session=x", "--all", HI], "one receiver, not --all and --session"),
    (["room-1", "--session=x", HI], "one receiver, not a channel and --session"),
    (["room-1", "hi"], "The message must be JSON"),
    (["", HI], "1 to 200 characters"),
    (["--all"], "required: message"),
    (["room-1", "--event", "notice", HI, "more"], "unrecognized arguments: more"),
    (["room-1", HI, "--evnt=notice"], "unrecognized arguments: --evnt"),
]


class SocketioSendTests(TestCase):
    def setUp(self):
        self.page = SocketClient().connect()
        self.page.subscribe("room-1")

    def run_in_shell(self, *args):
        command = Command(stdout=io.StringIO(), stderr=io.StringIO())
        command.run_from_argv(["manage.py", "socketio_send", "--skip-checks", *args])
        return command.stdout.getvalue()

    def call(self, *args, **options):
        call_command("socketio_send", *args, **options, stdout=io.StringIO())

    def received(self, argument="hi"):
        found = self.page.received[-1]
        assert found.args == (argument,)
        self.page.received.clear()
        return found.event

    def test_options_stand_anywhere(self):
        for args in TO_THE_CHANNEL:
            event = "notice" if "notice" in " ".join(args) else "message"
            assert "received by 1 socket" in self.run_in_shell(*args)
            assert self.received() == event
            self.call(*args)
            assert self.received() == event

    def test_all_sockets_or_one_get_a_message(self):
        for args in (["--all"], [f"--session={self.page.id}"], ["--session", self.page.id]):
            for order in ([*args, HI], [HI, *args], [*args, "--event=message", HI]):
                if not self.page.id.startswith("-") or args[0] != "--session":
                    self.run_in_shell(*order)
                    self.received()

    def test_code_calls_the_command_with_options(self):
        for options in ({"all": True}, {"session": self.page.id}):
            self.call(HI, **options)
            self.received()
        self.call("room-1", HI, event="notice", namespace="/")
        assert self.received() == "notice"
        with pytest.raises(CommandError, match="one receiver, not a channel and --all"):
            self.call("room-1", HI, all=True)

    def test_what_looks_like_a_negative_number_is_a_channel_a_message_or_an_id(self):
        self.page.subscribe("-5")
        for args in (["-5", "-1"], ["-5", "--event=message", "-1"], ["--all", "-1"]):
            self.run_in_shell(*args)
            self.received(-1)
        for id in ("-5", "-Zx_9", "--all"):
            with pytest.raises(CommandError, match="there is no socket"):
                self.call(f"--session={id}", HI)

    def test_after_two_dashes_nothing_is_an_option(self):
        self.page.subscribe("--room")
        self.run_in_shell("--event", "notice", "--", "--room", HI)
        assert self.received() == "notice"

    def test_arguments_that_do_not_fit_are_told(self):
        for args, text in REFUSED:
            with pytest.raises(CommandError) as caught:
                self.call(*args)
            assert text in str(caught.value)
        assert self.page.received == []

    def test_a_shell_is_told_by_the_status(self):
        for args in (["room-1", HI, "--all"], ["--all"]):
            with pytest.raises(SystemExit) as caught:
                self.run_in_shell(*args)
            assert caught.value.code in (1, 2)
