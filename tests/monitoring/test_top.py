"""``socketio_top``: its tables and keys, and the command on a terminal."""

import os
import signal
import socket
import subprocess
import sys
import termios
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_socketio.exceptions import RelayError
from django_socketio.management.terminal import CLOSE, OPEN, opened
from django_socketio.monitoring.process import process_stats
from django_socketio.monitoring.rows import Sample
from django_socketio.monitoring.screen import NOT_MEASURED, Screen
from tests.kit.clients import join
from tests.kit.programs import ENVIRON, MANAGE, ROOT
from tests.kit.terminal import Terminal


def times(count, seconds, fast=0):
    return {"count": count, "seconds": seconds, "buckets": [fast, *[0] * 12, count - fast]}


def measured(received=0, handlers=None):
    numbers = dict.fromkeys(["messages_sent", "bytes_received", "bytes_sent"], received)
    return {**numbers, "messages_received": received, "handlers": handlers or {}, "errors": {}}


def sample(at, *names, **changes):
    """Return the numbers of processes, the same for all but for their name."""
    found = {}
    for number, name in enumerate(names):
        one = process_stats(None, None)
        one.update(process=name, sockets={"/": number + 1}, **changes)
        found[name] = one
    return Sample(at, found)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def screen(asked):
    def sockets(namespace, channel):
        asked.append((namespace, channel))
        common = {"namespace": "/", "transport": "websocket", "process": "web1:1"}
        return [{"id": "abc", "user": None, "channels": ["room-1", "x"], **common}]

    return Screen(sockets)


def table(screen, width=300, height=40):
    """Return the cells of the table that is shown, its head first."""
    _, _, *lines, _ = screen.lines(width, height)
    return [line[2:].split() for line in lines]


def test_processes_are_sorted_by_their_sockets_and_then_by_other_columns(screen):
    screen.update(sample(0, "web1:1", "web1:2", "web2:1"))
    assert [row[0] for row in table(screen)[1:]] == ["web2:1", "web1:2", "web1:1"]
    assert "SOCKETS*" in table(screen)[0]
    screen.press("r")
    assert [row[0] for row in table(screen)[1:]] == ["web1:1", "web1:2", "web2:1"]
    for _ in range(13):
        screen.press("s")
    assert "PROCESS*" in table(screen)[0]
    assert [row[0] for row in table(screen)[1:]] == ["web1:1", "web1:2", "web2:1"]


def test_numbers_a_second_are_those_between_two_samples(screen):
    screen.update(sample(10, "web1:1", measured=measured(100)))
    assert screen.lines(300, 40)[1].startswith("1 process, 1 socket, 0 messages a second in")
    screen.update(sample(12, "web1:1", measured=measured(700)))
    assert screen.lines(300, 40)[1].startswith("1 process, 1 socket, 300 messages a second in")
    head, row = (line.split() for line in screen.lines(300, 40)[2:4])
    assert row[1 + head.index("IN/S")] == "300"


def test_what_is_not_measured_is_not_made_up(screen):
    screen.update(sample(10, "web1:1"))
    screen.update(sample(12, "web1:1"))
    assert screen.lines(300, 40)[-1] == NOT_MEASURED
    assert "-" in table(screen)[1]


def test_channels_are_those_of_all_processes_together(screen, asked):
    largest = [("/", "room-1", 5), ("/", "room-2", 1), ("/admin", "room-1", 1)]
    screen.update(sample(0, "web1:1", "web1:2", largest=largest))
    screen.press("c")
    assert table(screen)[1] == ["room-1", "/", "10", "2"]
    screen.press("enter")
    assert asked == [("/", "room-1")]
    assert screen.lines(300, 40)[0].startswith("socketio_top: sockets of room-1 /")
    assert table(screen)[1] == ["abc", "-", "websocket", "web1:1", "room-1", "x"]
    screen.press("escape")
    assert table(screen)[1] == ["room-1", "/", "10", "2"]
    for key in ("down", "down", "down", "up", "enter"):
        screen.press(key)
    assert asked[-1] in {("/", "room-2"), ("/admin", "room-1")}
    assert len(asked) == 2


def test_handlers_are_those_of_all_processes_together(screen):
    first = measured(0, {"chat.say": times(10, 1.0, fast=10)})
    last = measured(0, {"chat.say": times(30, 3.0, fast=30)})
    screen.update(sample(0, "web1:1", "web1:2", measured=first))
    screen.update(sample(2, "web1:1", "web1:2", measured=last))
    screen.press("h")
    assert table(screen)[1] == ["chat.say", "20", "100.0", "1.0", "0", "60"]


def test_calls_a_second_are_those_of_the_processes_in_both_samples(screen):
    def of(**counts):
        found = {}
        for name, count in counts.items():
            one = measured(0, {"chat.say": times(count, count / 10, fast=count)})
            found |= sample(0, name, measured=one).processes
        return found

    screen.press("h")
    screen.update(Sample(0, of(ends=1000, stays=10)))
    screen.update(Sample(2, of(stays=30, begins=500)))
    assert table(screen)[1][:2] == ["chat.say", "10"]
    screen.update(Sample(4, of(begins=500)))
    assert table(screen)[1][:2] == ["chat.say", "0"]


def test_a_process_that_has_begun_anew_under_its_name_has_done_nothing_less(screen):
    one = measured(1000, {"chat.say": times(1000, 1.0, fast=1000)})
    screen.update(sample(0, "web1:1", measured=one, started=100.0))
    one = measured(10, {"chat.say": times(10, 1.0, fast=10)})
    screen.update(sample(2, "web1:1", measured=one, started=200.0))
    assert screen.lines(300, 40)[1].startswith("1 process, 1 socket, 0 messages a second in")
    screen.press("h")
    assert table(screen)[1][:2] == ["chat.say", "-"]


def test_a_channel_that_cannot_be_asked_for_does_not_end_the_view(screen, asked):
    def sockets(namespace, channel):
        raise RelayError("Redis is away")

    screen = Screen(sockets)
    screen.update(sample(0, "web1:1", largest=[("/", "room-1", 1)]))
    screen.press("c")
    screen.press("enter")
    assert "Redis is away" in screen.lines(300, 40)


def test_names_that_clients_have_chosen_cannot_control_the_terminal(screen):
    screen.update(sample(0, "web1:1", largest=[("/", "\x1b[2J\r\nroom", 1)]))
    screen.press("c")
    assert all(line.isprintable() for line in screen.lines(300, 40))


def test_many_rows_scroll_with_the_one_that_is_chosen(screen):
    screen.update(sample(0, "web1:1", largest=[("/", f"room-{n:03}", 100 - n) for n in range(90)]))
    screen.press("c")
    for _ in range(200):
        screen.press("j")
    lines = screen.lines(20, 10)
    assert len(lines) == 10
    assert any(line.startswith("> room-089") for line in lines)
    assert all(len(line) <= 20 for line in lines)


@pytest.mark.parametrize("view", ["p", "c", "h"])
@pytest.mark.parametrize(("width", "height"), [(10, 3), (1, 1), (10, 4), (3, 2), (80, 5)])
def test_no_more_is_drawn_than_a_terminal_has(screen, view, width, height):
    channels = [("/", f"room-{number}", 1) for number in range(9)]
    screen.update(sample(0, "web1:1", "web1:2", largest=channels))
    screen.press(view)
    lines = screen.lines(width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_wide_characters_take_two_columns(screen):
    names = ["東京の部屋", "cafe\u0301", "room"]
    screen.update(sample(0, "web1:1", largest=[("/", name, 3) for name in names]))
    screen.press("c")
    _, _, head, *found, _ = screen.lines(300, 40)
    begins = {line[2:].partition("/")[0] for line in found}
    assert begins == {"東京の部屋  ", "cafe\u0301        ", "room        "}
    assert head.startswith("  CHANNEL     NAMESPACE")
    assert screen.lines(7, 40)[3] == "> 東京"


def test_an_error_of_the_relay_is_shown_until_there_are_numbers_again(screen):
    screen.problem = "Redis is away"
    assert "Redis is away" in screen.lines(300, 40)
    screen.update(sample(0, "web1:1"))
    assert "Redis is away" not in screen.lines(300, 40)


def test_without_a_relay_there_is_nobody_to_ask():
    with pytest.raises(CommandError, match="SOCKETIO_RELAY_URL is not set"):
        call_command("socketio_top")


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "inf", "1e15"])
@override_settings(SOCKETIO_RELAY_URL="redis://127.0.0.1:1")
def test_an_interval_that_cannot_be_waited_is_told(interval):
    with pytest.raises(CommandError, match="--interval takes a number of seconds"):
        call_command("socketio_top", "--interval", interval)


@pytest.fixture
def tty(monkeypatch):
    """The standard input of this process: a terminal."""
    master, slave = os.openpty()
    with open(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield terminal
    os.close(master)


@override_settings(SOCKETIO_RELAY_URL="redis://127.0.0.1:1")
def test_output_that_is_no_terminal_is_told(tty):
    with pytest.raises(CommandError, match="needs a terminal; with --once"):
        call_command("socketio_top")


def test_a_terminal_is_as_before_once_the_process_was_told_to_end(tty):
    before, handler = termios.tcgetattr(tty), signal.getsignal(signal.SIGTERM)
    out = StringIO()
    with pytest.raises(SystemExit), opened(out):
        assert termios.tcgetattr(tty) != before
        signal.raise_signal(signal.SIGTERM)
    assert termios.tcgetattr(tty) == before
    assert signal.getsignal(signal.SIGTERM) is handler
    assert out.getvalue() == OPEN + CLOSE


def test_a_terminal_is_as_before_although_nothing_can_be_written(tty):
    before, out = termios.tcgetattr(tty), StringIO()
    out.close()
    with pytest.raises(ValueError, match="closed file"), opened(out):
        pass
    assert termios.tcgetattr(tty) == before


def test_a_terminal_shows_a_server_and_its_channels_until_q(serve, redis):
    server = serve(RELAY_URL=redis.url, METRICS=True)
    client = join(server)
    client.subscribe("room-1")
    terminal = Terminal("socketio_top", "--interval", "0.2", TEST_RELAY_URL=redis.url)
    try:
        terminal.wait_for(r"1 process, 1 socket")
        terminal.type("c")
        terminal.wait_for(r"> room-1 +/ +1 +1")
        terminal.type("\r")
        terminal.wait_for(rf"> {client.id} +- +websocket")
        terminal.type("q")
        assert terminal.wait() == 0
    finally:
        terminal.end()
    assert terminal.output.endswith("\x1b[?25h\x1b[?1049l")


def test_the_processes_can_be_printed_once_without_a_terminal(serve, redis):
    server = serve(RELAY_URL=redis.url)
    join(server)
    command = [sys.executable, MANAGE, "socketio_top", "--once", "--interval", "0.1"]
    environ = {**ENVIRON, "TEST_RELAY_URL": redis.url}
    run = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True)
    title, totals, head, row = run.stdout.splitlines()
    assert title.startswith("socketio_top: processes")
    assert totals.startswith("1 process, 1 socket")
    assert (head.split()[0], row.split()[1]) == ("PROCESS", f"{socket.gethostname()}:{os.getpid()}")
