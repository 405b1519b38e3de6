"""Patterns of handlers that a client could stop the server with."""

import re

import pytest

from django_socketio.checks import check_patterns
from django_socketio.events import on_message, on_subscribe
from django_socketio.security.patterns import name_that_takes_long

HARMLESS = [
    "",
    "|",
    "^room-",
    r"^room(-\d+)+$",
    ".*",
    "^a+b+c+d+$",
    ".*.*.*x",
    r"^(?=.*a)(?!b)\w+$",
    r"^(a+)\1$",
    "(?>a+)+$",
    "(?:a++)+$",
    r"^user-(?P<pk>\d+)(:(x|y))*$",
    r"^(?i:[A-Z]{3}(\.[a-z]+)*)$",
]

HARMFUL = [
    "^(a+)+$",
    "^(a|a)*$",
    "^(a|aa)+$",
    r"^room-(\w+\s?)*$",
    "(x+x+)+y",
    "^([a-z]+)*-end$",
    "^(?:[^,]+,?)*$",
    "^((a+)b?)+$",
    "^(?i:(A+)+)$",
    r"^team-\d+(-(é+)+)$",
]


@pytest.mark.parametrize("pattern", HARMLESS)
def test_patterns_that_take_little_time_are_let_pass(pattern):
    assert name_that_takes_long(re.compile(pattern)) is None


@pytest.mark.parametrize("pattern", HARMFUL)
def test_patterns_that_take_exponential_time_are_found(pattern):
    assert len(name_that_takes_long(re.compile(pattern))) < 200


def test_the_check_names_the_pattern_and_its_handler():
    @on_subscribe(channel="^(a+)+$")
    def join(request, socket, context, channel):
        pass

    @on_message(channel="^room-")
    def say(request, socket, context, message):
        pass

    (warning,) = check_patterns()
    assert warning.id == "django_socketio.W003"
    assert "on_subscribe(channel='^(a+)+$')" in warning.msg
    assert warning.obj.endswith("join")
