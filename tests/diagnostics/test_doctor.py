"""What the command prints of that which the doctor finds."""

import json
from contextlib import suppress
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import override_settings

from django_socketio.diagnostics.address import Address, Response
from django_socketio.diagnostics.findings import error
from django_socketio.management.commands import socketio_doctor


def test_texts_of_the_site_cannot_control_the_terminal(monkeypatch):
    found = [error("polling", "The site answers 500: \x1b[2Jall is well\r", "do\x07\nthis")]
    monkeypatch.setattr(socketio_doctor, "examine", lambda *args: found)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("socketio_doctor", stdout=out, no_color=True)
    lines = out.getvalue().split("\n")
    assert all(line.isprintable() for line in lines)
    assert lines[0] == r"✗ polling: The site answers 500: \x1b[2Jall is well\r"
    assert lines[1] == r"    → do\x07\nthis"
    assert lines[2] == "1 error, 0 warnings"


@pytest.fixture
def findings(serve):
    """Run the doctor on a server with some settings; return what it finds on the way of clients."""

    def findings(*arguments, **settings):
        out, url = StringIO(), f"http://127.0.0.1:{serve(**settings).port}"
        with suppress(SystemExit):
            call_command("socketio_doctor", url, *arguments, "--json", stdout=out)
        found = json.loads(out.getvalue())
        return found[[one["step"] for one in found].index("address") + 1 :]

    return findings


def test_that_only_users_may_connect_is_told_once_for_each_transport(findings):
    found = findings(LOGIN_REQUIRED=True, PING_INTERVAL=0.2)
    assert [(one["step"], one["level"]) for one in found] == [
        *[("polling", "warning"), ("websocket", "warning"), ("event stream", "ok")]
    ]
    assert {one["text"] for one in found[:2]} == {"Only users who are logged in may connect."}
    assert all("--cookie" in one["remedy"] for one in found[:2])


def test_a_websocket_is_waited_on_where_long_polling_is_refused(findings, monkeypatch):
    refusal = Response.of(403, [], b"no polling")
    monkeypatch.setattr(Address, "request", lambda *arguments, **options: refusal)
    found = findings(PING_INTERVAL=0.2)
    assert [(one["step"], one["level"]) for one in found] == [
        ("polling", "error"),
        *[("websocket", "ok"), ("websocket", "ok"), ("event stream", "ok")],
    ]


def found_in_settings(**settings):
    """Return the level of each finding about the settings, by the id of its system check."""
    out = StringIO()
    with override_settings(SOCKETIO_SIGNED_ONLY=True, **settings):
        call_command("socketio_doctor", "--json", stdout=out)
    found = [one for one in json.loads(out.getvalue()) if one["step"] == "settings"]
    return {one["text"].rpartition(".")[2].rstrip(")"): one["level"] for one in found}


def test_a_site_that_only_pushes_is_told_so_and_not_warned():
    assert found_in_settings() == {"I001": "note"}


def test_a_warning_of_the_checks_is_one_of_the_doctor():
    expected = {"I001": "note", "W001": "warning"}
    assert found_in_settings(SOCKETIO_PING_INTERVALL=3) == expected
