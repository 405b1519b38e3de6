"""The log of messages: SOCKETIO_MESSAGE_LOG_FORMAT."""

import logging
import subprocess
import sys

import pytest

from django_socketio.events import on_message


@pytest.fixture
def messages(caplog):
    caplog.set_level(logging.INFO, "django_socketio.messages")

    def logged():
        return [r.getMessage() for r in caplog.records if r.name == "django_socketio.messages"]

    return logged


def say_hello(connect, server):
    @on_message
    def nothing(request, socket, context, message):
        pass

    client = connect(server)
    client.subscribe("a")
    client.ask("message", "hello")


def test_messages_are_logged_in_the_format_of_0_3(server, connect, messages):
    say_hello(connect, server)
    subscribed, said = messages()
    assert subscribed.startswith("127.0.0.1 - - [20")
    assert subscribed.endswith('] "Socket.IO subscribe: a"')
    assert said.endswith('] "Socket.IO message: hello"')


def test_the_format_may_name_any_key_of_meta(serve, connect, messages):
    server = serve(MESSAGE_LOG_FORMAT="%(TYPE)s %(MESSAGE)s %(REQUEST_METHOD)s %(HTTP_NOTHING)s")
    say_hello(connect, server)
    assert messages() == ["subscribe a GET -", "message hello GET -"]


def test_a_message_cannot_forge_a_line_of_the_log(server, connect, messages):
    client = connect(server)
    client.emit("message", "x\n127.0.0.1 - - forged")
    client.sync()
    line, _ = messages()
    assert "\n" not in line
    assert line.endswith('message: x\\n127.0.0.1 - - forged"')


def test_none_turns_the_log_off(serve, connect, messages):
    say_hello(connect, serve(MESSAGE_LOG_FORMAT=None))
    assert messages() == []


WRONG_FRAMES = """
import logging.config
from django_socketio.protocol.websocket.connection import WebSocketProtocol

loggers = {"django_socketio": {"handlers": ["out"], "level": "DEBUG"}}
out = {"class": "logging.StreamHandler"}
logging.config.dictConfig({"version": 1, "loggers": loggers, "handlers": {"out": out}})
protocol = WebSocketProtocol(100)
protocol.receive(bytes.fromhex("89 81 00 00 00 00 21") + b"\\x81\\x02no")  # a ping; no mask
assert "mask" in str(protocol.error)
"""


def test_a_client_that_breaks_rfc_6455_makes_the_library_log_nothing():
    """Although a LOGGING that names a logger resets the loggers below it that exist by then."""
    run = subprocess.run(
        [sys.executable, "-c", WRONG_FRAMES], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
