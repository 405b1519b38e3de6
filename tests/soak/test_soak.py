"""The soak test itself: some seconds of it, and that its books find what is wrong."""

import subprocess
import sys
import threading

import pytest

from tests.kit.programs import ROOT, free_port
from tests.kit.waiting import wait_until
from tests.soak import people
from tests.soak.__main__ import print_process
from tests.soak.attackers import Attacker
from tests.soak.ledger import END, Message, Stay, audit
from tests.soak.sockets import Visitor


def test_some_seconds_of_it():
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--seconds", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.rpartition("  ") for line in done.stdout.splitlines()]
    table = {name.strip(): number.replace(",", "") for name, _, number in rows}
    assert int(table["messages accepted"]) > 20
    assert int(table["delivered to sockets"]) > int(table["messages accepted"])
    assert table["lost in silence"] == table["duplicates"] == table["out of order"] == "0"
    assert min(int(table[f"people that {did}"]) for did in ("joined", "left")) > 8
    assert table["leaves told twice"] == table["people left behind"] == "0"
    assert int(table["attacks"]) >= 3
    for fault in ("Redis connections killed", "Redis killed and started", "servers reloaded"):
        assert int(table[fault]) > 0
    for sockets in ("by polling", "by websocket", "that broke", "that left in order"):
        assert int(table[f"sockets {sockets}"]) > 0


def test_some_seconds_of_cuts():
    options = {"seconds": 4, "clients": 18, "messages": 300, "workers": 2}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.cuts", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, faults, _, *rows = done.stdout.splitlines()
    assert all(f"{fault}: " in faults for fault in ("relays cut", "reloads", "workers killed"))
    assert len(rows) == 6
    for row in rows:
        kind, numbers = row[:24], row[24:].replace(",", "").split()
        connections, recovered, delivered, _, *wrong, _ = map(int, numbers)
        assert connections + recovered > 3, row
        assert delivered > 0, row
        assert wrong == [0, 0, 0, 0], row
        assert (recovered > 0) <= kind.startswith("official"), row


MESSAGES = [Message("a", "p", number, float(number), number != 3) for number in range(6)]
MESSAGES.append(Message("a", *END, 6.0, True))
ALL = [("p", 0), ("p", 1), ("p", 2), ("p", 4), ("p", 5), END]


def book(*numbers, subscribed=0.0, **options):
    """Return the audit of one socket that got these of the messages, beside one that got all."""
    stay = Stay("a", subscribed, [ALL[number] for number in numbers], **options)
    return audit(MESSAGES, [Stay("a", 0.0, ALL, whole=True), stay])


@pytest.mark.parametrize(
    "stay",
    [
        {"numbers": range(6), "whole": True},
        {"numbers": range(3)},  # it left
        {"numbers": range(2, 6), "subscribed": 1.5, "whole": True},  # it came later
        {"numbers": range(1, 6), "subscribed": 1.5, "whole": True},  # a little before it was told
        {"numbers": ()},  # it left before anything came
    ],
)
def test_the_books_accept_what_is_right(stay):
    books = book(*stay.pop("numbers"), **stay)
    assert books.is_clean
    assert (books.sent, books.accepted, books.told) == (7, 6, 0)


@pytest.mark.parametrize(
    ("stay", "wrong"),
    [
        ({"numbers": (0, 1, 3)}, "lost"),
        ({"numbers": (1, 2)}, "lost"),
        ({"numbers": (3, 4, 5), "subscribed": 1.5, "whole": True}, "lost"),
        ({"numbers": (0, 1, 2, 3), "whole": True}, "lost"),
        ({"numbers": (), "whole": True}, "lost"),
        ({"numbers": (0, 1, 1, 2)}, "duplicates"),
        ({"numbers": (0, 2, 1)}, "disordered"),
    ],
)
def test_the_books_find_what_is_wrong(stay, wrong):
    books = book(*stay.pop("numbers"), **stay)
    assert getattr(books, wrong) > 0
    assert not books.is_clean


def test_what_was_told_is_not_lost_in_silence():
    books = book(0, 1, 3, gaps=1)
    assert (books.lost, books.told, books.gaps, books.unfounded) == (0, 1, 1, 0)
    assert books.is_clean


def test_a_loss_that_was_told_and_is_none_is_counted():
    assert book(*range(6), gaps=2, whole=True).unfounded == 2


def test_the_books_of_presence_find_what_is_wrong():
    outputs = [
        "joined a socket:1\nleft a socket:1\njoined a socket:2\n",
        "left a socket:2\nleft a socket:2\nleft b socket:3\n",
    ]
    assert [*people.audit(outputs, 4).values()] == [2, 4, 1, 4]


@pytest.mark.parametrize(
    ("after", "grown"), [((50, 20), False), ((90, 20), True), ((50, 40), True)]
)
def test_growth_is_told(capsys, after, grown):
    assert print_process("worker", (50, 10), after) is grown
    assert ("GROWN" in capsys.readouterr().out) is grown


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_visitor_that_a_server_cuts_off_has_failed_unless_it_is_reloaded(reloaded):
    over, ports = threading.Event(), [free_port()]
    visitor = Visitor(ports * 2 if reloaded else ports, ["a"], over)
    wait_until(lambda: visitor.counts["sockets cut off by a server"])
    over.set()
    visitor.join()
    assert (visitor.failure is None) is reloaded


def test_an_attacker_that_ends_has_failed():
    attacker = Attacker(free_port(), ["no attack"], 20)
    wait_until(lambda: attacker.failure is not None)
    attacker.stop()
    assert attacker.counts["attacks"] == 0
