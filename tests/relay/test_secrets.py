"""The secrets of a relay's URL are nowhere to be read, however the URL is wrong."""

import io
import sys
import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings
from django.views.debug import ExceptionReporter

from django_socketio import conf, relay_status
from django_socketio.relay.redis.parts import Options
from django_socketio.relay.redis.url import RelayURL
from tests.kit.programs import MANAGE, ROOT, Program
from tests.kit.servers import HAS_CONTROL_SOCKET

SECRET = "s3cr3t"

MALFORMED = [
    f"redis://:a/{SECRET}@one",
    f"redis://:a?{SECRET}@one",
    f"redis://:a?b={SECRET}@one",
    f"redis://:a?{SECRET}=b@one",
    f"redis://:a#{SECRET}@one",
    f"redis://:a#@{SECRET}@one",
    f"redis://:a {SECRET}@one:port",
    f"redis://:a@{SECRET}@one:port",
    f"redis://me:{SECRET}",
    f"redis://{SECRET}:me",
    f"redis://:{SECRET}:6379",
    f"redis://:12/{SECRET}",
    f"redis://:12/{SECRET}@one",
    f"redis://:{SECRET}@one/x",
    f"redis://:{SECRET}@one?protocol=3",
    f"redis://:{SECRET}@one?db=x",
    f"redis://one?password={SECRET}&password={SECRET}",
    f"redis://one?password={SECRET}&db=x",
    f"redis://one?username={SECRET}&username=",
    f"redis://:{SECRET}@one\u2100two",
    f"redis://:{SECRET}@[one",
    f"redis://:{SECRET}[@one:x",
    f"rediss://one?ssl_password={SECRET}&ssl_min_version=1",
    f"unix://:{SECRET}/run/redis.sock",
    f"unix://me:{SECRET}",
    f"redis+sentinel://:{SECRET}@one",
    f"redis+sentinel://one:{SECRET}/site",
    f"redis+sentinel://one/site?sentinel_password={SECRET}&x=1",
    f"redis+cluster://:{SECRET}@one/3",
    f"redis+cluster://one,two:{SECRET}",
    f"http://:{SECRET}@one",
    f":{SECRET}@one",
    f"redis://:{SECRET}@one".encode(),
    {"URL": f"redis://:{SECRET}@one"},
    [f"redis://:{SECRET}@one"],
    (SECRET, 6379),
]


def told(call):
    """Return all that an exception tells: its text, its causes, and Django's report of it."""
    with pytest.raises((ImproperlyConfigured, SystemCheckError, CommandError)) as caught:
        call()
    error = caught.value
    # The frames of a test have the URL; those below are the package's and Django's.
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(__file__):
        trace = trace.tb_next
    report = ExceptionReporter(None, type(error), error, trace)
    frames = report.get_traceback_frames()
    shown = [str(variable) for frame in frames for variable in frame["vars"]]
    return "".join([str(error), repr(error), *traceback.format_exception(error), *shown])


@pytest.mark.parametrize("url", MALFORMED, ids=range(len(MALFORMED)))
def test_a_url_that_is_wrong_tells_nothing_of_its_secrets(url, caplog):
    with override_settings(SOCKETIO_RELAY_URL=url):
        ways = [
            lambda: conf.get("RELAY_URL"),
            lambda: call_command("check", stderr=io.StringIO()),  # prints what it raises
            lambda: call_command("socketio_send", "room", "1", skip_checks=True),
        ]
        for way in ways:
            text = told(way)
            assert "SOCKETIO_RELAY_URL" in text
            assert SECRET not in text
        assert SECRET not in repr(relay_status())
    assert SECRET not in caplog.text


SERVERS = {
    "runserver_socketio": [MANAGE, "runserver_socketio", "127.0.0.1:0", "--noreload"],
    "gunicorn": [
        *("-m", "gunicorn", "-k", "django_socketio.gunicorn.Worker"),
        *(["--no-control-socket"] if HAS_CONTROL_SOCKET else []),
        *("-b", "127.0.0.1:0", "tests.system.production.wsgi"),
    ],
}


@pytest.mark.parametrize("url", [f"redis://me:{SECRET}", {"URL": f"redis://:{SECRET}@one"}])
@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS)
def test_servers_do_not_tell_it_when_they_fail_to_start(tmp_path, command, url):
    (tmp_path / "wrong_url.py").write_text(
        f"from tests.system.production.settings import *\nSOCKETIO_RELAY_URL = {url!r}\n"
    )
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "wrong_url"}
    program = Program([sys.executable, *command], **paths)
    try:
        program.wait_for("SOCKETIO_RELAY_URL")
    finally:
        program.end()
    assert SECRET not in program.output


def test_what_is_right_is_shown_without_its_secrets():
    url = f"redis+sentinel://me:{SECRET}@one/site?sentinel_password={SECRET}"
    options = Options(url, signing_keys=(SECRET.encode(),))
    assert SECRET not in repr(options) + repr(RelayURL.parse(url)) + str(RelayURL.parse(url))
