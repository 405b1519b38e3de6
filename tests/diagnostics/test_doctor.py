"""What the command prints of that which the doctor finds."""

from io import StringIO

import pytest
from django.core.management import call_command

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
